"""What actors need of the outside, as small Protocols that `runtime` implements and tests fake.

Each has one purpose. An actor is handed the ones that it needs and no others.
"""

from __future__ import annotations

import datetime
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Protocol, TypeVar

from attrs import frozen

from actors.channels.credentials import Presented
from actors.errors import CallError
from actors.messages import Message
from actors.services.call import PeerIdentity
from actors.settings import TopicSettings
from actors.topics.publication import Publish, SubscriptionRecord, Taken

T = TypeVar("T")


class Clock(Protocol):
    """Wall-clock time. Deadlines use Trio's clock, which never jumps."""

    def utc_now(self) -> datetime.datetime:
        """Return the time now, naive, in UTC."""
        ...

    def timestamp(self) -> str:
        """Return it as messages say it: ISO 8601 to the microsecond, without an offset."""
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
        """The wire format that was agreed on: `isthmus.1` or `zato`; of another server its sub-protocol, if any."""
        ...

    async def receive(self) -> Sequence[Message]:
        """Wait for messages and return all that have come; raise `LinkClosed` when there can be no more.

        Cancellation loses nothing: what was not returned comes with the next call.
        """
        ...

    def take_at_once(self, taker: Callable[[Sequence[Message]], bool] | None) -> None:
        """Say what is offered messages as they come, while none waits for `receive`; it tells whether it took them.

        It never waits, and its errors end the link.
        """
        ...

    async def send(self, message: Message) -> None:
        """Wait for room, then queue the message; raise `LinkClosed` when the link has ended.

        A call cancelled while it waits leaves nothing queued.
        """
        ...

    @property
    def has_room(self) -> bool:
        """Tell whether a message can be queued by `send_nowait` as `send` would queue it, without waiting."""
        ...

    def send_nowait(self, message: Message, others: float = inf) -> None:
        """Queue a message that does not wait for room, such as an answer.

        After the link has ended it does nothing: the end shows in `receive`.

        Args:
            message: The message.
            others: Of a request, how many others of this end have no answer yet: the fewer these are, the sooner it is
                sent, so that the peer has something to do.
        """
        ...

    async def until_framed(self, message_id: str) -> None:
        """Wait until a frame has taken a queued message; raise `LinkClosed` when the link has ended before that."""
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

    @property
    def presented(self) -> Presented:
        """What the peer showed when it connected; all of it is there when the link is."""
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


@frozen
class Cleaned:
    """What a step of cleaning did: whether there is more to do, which subscriptions it ended, and what waits still.

    `waiting` is how many messages wait in the deepest queue, `oldest` for how many seconds the oldest guaranteed one
    has waited, and `laggard` for which subscription.
    """

    has_more: bool = False
    ended: tuple[str, ...] = ()
    waiting: int = 0
    oldest: float = 0.0
    laggard: str = ""


class TopicStore(Protocol):
    """Keeps the messages of topics, once each however many subscriptions there are.

    How deep a topic's queues get and what then becomes of messages, how long ids are remembered and when messages
    expire stands in the topic's settings, which the store looks up.
    """

    async def append(self, topic: str, publishes: Sequence[Publish]) -> Sequence[str | CallError]:
        """Give messages the next places of a topic and return their ids; guaranteed ones are on disk then.

        In place of an id stands `Conflict` where the topic has another message of that id (the same message gives
        its id again), `Overloaded` where a queue is full, or `BadInput`; such a message is not stored.

        Raises:
            StoreFailed: When nothing could be written; none of the messages is stored then.
        """
        ...

    async def clean(self, topic: str, attached: Collection[str]) -> Cleaned:
        """Do one small step of deleting or burying what a topic needs not keep; `attached` subscriptions are in use."""
        ...


class TopicList(Protocol):
    """Keeps which topics there are beside those of clusters.toml."""

    on_supplied: Callable[[str], None]
    """Called on the event loop with each topic that got messages in another way than by being published to."""

    async def create(self, topic: str, settings: TopicSettings) -> None:
        """Keep the settings of a topic that was made while the cluster runs."""
        ...

    async def created(self) -> Mapping[str, TopicSettings]:
        """Return the topics that were made while the cluster ran, now or before."""
        ...

    async def used(self) -> Collection[str]:
        """Return the topics that were ever published or subscribed to."""
        ...


class QueueStore(Protocol):
    """Keeps how far each subscription has come. A message is known by its place in its topic."""

    async def take(self, sub_key: str, max_count: int, max_bytes: int) -> Taken:
        """Take the first messages that wait, urgent ones first, then by place, at least one where there is any.

        Nobody takes them again before `begin_anew`. That they may have been delivered is kept before this returns.
        """
        ...

    async def begin_anew(self, sub_key: str) -> None:
        """Have all that was taken and is not settled wait again."""
        ...

    async def failed(self, sub_key: str, place: int, reason: str) -> None:
        """Count a delivery of one message that failed."""
        ...

    async def settle(self, sub_key: str, places: Sequence[int], *, may_come_again: bool = False) -> None:
        """Be done with messages; those that it was done with before are passed over.

        Where they `may_come_again`, a power cut soon after this returns may have them wait again.
        """
        ...

    async def bury(self, sub_key: str, places: Sequence[int], reason: str) -> None:
        """Be done with messages that cannot be delivered; guaranteed ones move to the dead-letter topic.

        Raises:
            Overloaded: When the dead-letter topic is full; nothing has changed then.
        """
        ...


class SubscriptionStore(Protocol):
    """Keeps which subscriptions there are."""

    async def subscriptions(self, topic: str) -> Sequence[SubscriptionRecord]:
        """Return a topic's subscriptions."""
        ...

    async def owned(self, owner: PeerIdentity) -> Sequence[SubscriptionRecord]:
        """Return an owner's subscriptions."""
        ...

    async def missed(self, owner: PeerIdentity) -> int | None:
        """Return how many messages wait in all subscriptions of an owner; None where it has none."""
        ...

    async def subscribe(self, record: SubscriptionRecord) -> None:
        """Keep a subscription, or its new options; twice is harmless.

        A new one that does not outlive its session takes over what others of its kind and of the same security
        definition left when their sessions ended.
        """
        ...

    async def unsubscribe(self, sub_key: str, *, leave_rest: bool = False) -> None:
        """End a subscription; twice is harmless.

        Guaranteed messages that wait in it move to the dead-letter topic, or with `leave_rest` to the next
        subscription of the same security definition.
        """
        ...


class HandledStore(Protocol):
    """A subscriber's deduplication window: which messages of a subscription it has handled."""

    async def handled(self, sub_key: str) -> Collection[str]:
        """Return the ids of the last messages, the oldest first."""
        ...

    async def record(self, sub_key: str, msg_ids: Sequence[str]) -> None:
        """Keep that messages were handled, on disk when this returns, and forget the oldest beyond the window."""
        ...
