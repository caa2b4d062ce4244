"""What actors need of the outside, as small Protocols that `runtime` implements and tests fake.

Each has one purpose. An actor is handed the ones that it needs and no others.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

from actors.call import PeerIdentity
from actors.messages import Message
from actors.publication import Publish, Stored, SubscriptionRecord, Waiting

T = TypeVar("T")


class Clock(Protocol):
    """Wall-clock time. Deadlines use Trio's clock, which never jumps."""

    def utc_now(self) -> datetime.datetime:
        """Return the time now, naive, in UTC."""
        ...


class Entropy(Protocol):
    """Randomness and ids; a test's is seeded, the real one comes from `secrets`."""

    def hex_id(self) -> str:
        """Return 24 hexadecimal digits that nobody can guess."""
        ...

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        ...


class Threads(Protocol):
    """Blocking code, and its way back to the event loop."""

    async def run_sync(self, function: Callable[[], T]) -> T:
        """Run `function` off the event loop, in the caller's context; cancellation waits for its end."""
        ...

    def call_back(self, function: Callable[[], Awaitable[T]]) -> T:
        """From such code, run `function` on the event loop and wait for its result."""
        ...

    def inside(self) -> bool:
        """Tell whether the caller is such blocking code."""
        ...


class Processes(Protocol):
    """Heavy code, in processes of its own."""

    async def run_cpu(self, function: Callable[..., T], *args: object) -> T:
        """Run a function of a module in a worker process, which is killed when the caller is cancelled."""
        ...


class Link(Protocol):
    """One live, framed connection with a peer, on either side of it."""

    @property
    def peer(self) -> str:
        """The peer's address, to print."""
        ...

    @property
    def wire(self) -> str:
        """The wire format that was agreed on: `isthmus.1` or `zato`."""
        ...

    async def receive(self) -> Sequence[Message]:
        """Wait for messages and return all that have come; raise `LinkClosed` when there can be no more.

        Cancellation loses nothing: what was not returned comes with the next call.
        """
        ...

    async def send(self, message: Message) -> None:
        """Wait for room, then queue the message; raise `LinkClosed` when the link has ended.

        A call cancelled while it waits leaves nothing queued.
        """
        ...

    def send_nowait(self, message: Message) -> None:
        """Queue an answer or a control message, which never wait for room.

        After the link has ended it does nothing: the end shows in `receive`.
        """
        ...

    def withdraw(self, message_id: str) -> bool:
        """Take back a queued message that is in no frame yet; tell whether it was."""
        ...

    async def is_alive(self) -> bool:
        """Ping the peer; tell whether any bytes came from it within the time-out of a ping."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued and a close frame within a bound, then end the link. Idempotent."""
        ...


class Dialer(Protocol):
    """Makes links to one address of a remote channel."""

    @property
    def address(self) -> str:
        """Where it dials, to print."""
        ...

    def dial(self) -> AbstractAsyncContextManager[Link]:
        """Open a link, which lives as long as the context; raise `DialFailed` when none came about."""
        ...


class Arrival(Protocol):
    """A peer that has connected to a listener, before anything else is known of it."""

    @property
    def peer(self) -> str:
        """The peer's address, to print."""
        ...

    def open(self) -> AbstractAsyncContextManager[Link]:
        """Upgrade, and give the link, which lives as long as the context; raise `DialFailed` when none came about."""
        ...

    def admitted(self) -> None:
        """Leave its place among those who are shaking hands to another; the end of the link does so, too."""
        ...


class Listener(Protocol):
    """Takes peers in at one address."""

    async def listen(self, on_arrival: Callable[[Arrival], None], on_listening: Callable[[], None]) -> None:
        """Accept peers until cancelled; only so many at once are between their arrival and their admission.

        `on_listening` is called once the address is bound. Arrivals that nobody opened end with the listener.

        Raises:
            OSError: When the address cannot be bound.
        """
        ...


class TopicStore(Protocol):
    """Keeps the messages of topics, once each, and how far each subscription has come.

    A subscription is known by its `sub_key`, a message by its place in its topic.
    """

    async def append(self, publish: Publish, topic: str, *, now: datetime.datetime, guaranteed: bool) -> Stored:
        """Store a message at the next place of its topic; a guaranteed one is on disk when this returns.

        Raises:
            Conflict: When the topic has another message of that `msg_id`; the same message gives what is stored.
            StoreFailed: When it could not be written; nothing is stored then.
        """
        ...

    async def waiting(self, sub_key: str, limit: int, skip: Collection[int] = ()) -> Sequence[Waiting]:
        """Return the first messages that a subscription is not done with, highest priority first, then by place.

        Those at the places `skip` are left out.
        """
        ...

    async def sent(self, sub_key: str, places: Sequence[int]) -> None:
        """Note, before messages are delivered, that they may have been; it shows in `Waiting.deliveries`."""
        ...

    async def failed(self, sub_key: str, places: Sequence[int], reason: str) -> None:
        """Count a delivery that failed."""
        ...

    async def settle(
        self, sub_key: str, places: Sequence[int], *, bury_in: str = "", reason: str = "", now: datetime.datetime
    ) -> None:
        """Be done with messages, acknowledged or given up.

        Guaranteed ones move to the topic `bury_in`, with the reason, where one is named.
        """
        ...


class SubscriptionStore(Protocol):
    """Keeps which subscriptions there are. A topic's messages wait for the first one, which receives the backlog."""

    async def subscriptions(self, topic: str) -> Sequence[SubscriptionRecord]:
        """Return a topic's subscriptions."""
        ...

    async def missed(self, owner: PeerIdentity) -> int | None:
        """Return how many messages wait in all subscriptions of an owner; None where it has none."""
        ...

    async def subscribe(self, record: SubscriptionRecord) -> None:
        """Keep a subscription; twice is harmless."""
        ...

    async def unsubscribe(self, sub_key: str) -> None:
        """Forget a subscription; what the last of a topic was not done with waits for the next. Twice is harmless."""
        ...
