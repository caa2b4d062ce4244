"""A mailbox: the queue between those who send to an actor and the actor, its count and its bytes.

It belongs to the actor's name, not to the instance, so it outlives a crash. What a drain lends is given back in
front when the actor crashes before it got to it (`return_lent`); the message that was in hand at that moment is
the actor's to answer and is never handled again.

Of the tasks that wait for a message one is woken at a time; it wakes the next one when it takes a message and more
wait. So a worker whose handlers return at once takes all of a batch, and the others sleep on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from enum import Enum
from typing import Final, cast

import trio
from attrs import field, frozen, validators

from actors.envelope import Envelope
from actors.errors import ActorError, ActorStopped, MailboxFull

__all__ = ["Mailbox", "MailboxLimits", "Overflow"]


class Overflow(Enum):
    """What becomes of a message that finds its mailbox full."""

    WAIT = "wait"  # the sender waits for room, those who never wait are refused
    REJECT = "reject"  # every sender is refused at once
    DROP_OLDEST = "drop_oldest"  # what has waited longest makes room, and is answered with MailboxFull


@frozen
class MailboxLimits:
    """How much may wait for an actor: messages, and bytes where senders say how many a message has."""

    max_count: int = field(default=10_000, validator=validators.gt(0))
    max_bytes: int = field(default=64 * 1024 * 1024, validator=validators.gt(0))
    overflow: Overflow = Overflow.WAIT


_NOTHING: Final = cast("deque[Envelope]", ())
"""What waits before anything did: an empty deque has room for 64, and most mailboxes of many never hold anything."""


def _too_many(wait: float) -> str:
    return f"its turn did not come within {wait:g} s"


class _Senders:
    """Those who wait for room, in the order in which they came; most mailboxes never have any."""

    __slots__ = ("first", "turn")

    def __init__(self) -> None:
        self.turn = trio.StrictFIFOLock()
        self.first = trio.lowlevel.ParkingLot()


class Mailbox:
    """A bounded queue with many senders and one actor that receives.

    Args:
        limits: How much may wait; a single message beyond the bytes passes when nothing else waits.
    """

    def __init__(self, limits: MailboxLimits = MailboxLimits()) -> None:
        self.limits = limits
        self.is_closed = False
        self.dropped = 0
        self.answer_timeout = 30.0
        """Seconds that callers wait for an answer who ask how long that should be; the actor sets them."""
        self.obstacle: Callable[[float], str] = _too_many
        """Says why a message got nowhere in so many seconds; an actor that knows more than its mailbox sets it."""
        self._waiting = _NOTHING
        self._lent: list[Envelope] = []
        """What a drain lends, the last one first."""
        self._bytes = 0
        self._receivers: trio.lowlevel.ParkingLot | None = None
        self._waiting_receivers = 0
        self._is_waking = False
        self._queue: _Senders | None = None
        self._senders = 0
        self._is_room_awaited = False
        self._taker: Callable[[Envelope], bool] | None = None
        self._is_taking = False
        self._begin_receiving: Callable[[], object] | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._lent)

    @property
    def has_waiting(self) -> bool:
        """Tell whether `wait` would return at once."""
        return bool(self._waiting)

    def take_at_once(self, taker: Callable[[Envelope], bool] | None) -> None:
        """Say what is offered each message before it is queued, while none waits; None for nothing.

        For actors that only pass messages on, and need no task of their own to do so. The taker tells whether it took
        the message; it never waits, and is not asked while it is at work.
        """
        self._taker = taker

    def when_waiting(self, begin: Callable[[], object] | None) -> None:
        """Say what begins a task that receives, once, when a message waits: at once where one does. None ends that.

        For actors to which mostly nothing is said, and which need no task until something is.
        """
        if self._begin_receiving is not None:
            self._waiting_receivers -= 1
        self._begin_receiving = begin
        if begin is not None:
            self._waiting_receivers += 1
            if self._waiting:
                self._wake_one()

    def _fits(self, envelope: Envelope) -> bool:
        count = len(self._waiting) + len(self._lent)
        limits = self.limits
        return not count or (count < limits.max_count and self._bytes + envelope.size <= limits.max_bytes)

    def _fits_among(self, envelope: Envelope, among: Collection[Envelope]) -> bool:
        """Tell whether there is room beside some of what waits."""
        size = sum(one.size for one in among) + envelope.size
        return not among or (len(among) < self.limits.max_count and size <= self.limits.max_bytes)

    def put_nowait(self, envelope: Envelope) -> None:
        """Queue the envelope, or raise `MailboxFull` or `ActorStopped` and leave things as they were."""
        if self.is_closed:
            msg = "the actor has been stopped"
            raise ActorStopped(msg)
        if self._taker is not None and not self._waiting and self._is_taken(envelope):
            return
        if not self._fits(envelope):
            self._make_room(envelope)
        self._queue_up(envelope)

    def put_if_room(self, envelope: Envelope) -> bool:
        """Queue the envelope where nobody has to wait for that; tell whether it was. Otherwise `put` is the way."""
        if self._senders or self.is_closed or not self._fits(envelope):
            return False
        if self._taker is not None and not self._waiting and self._is_taken(envelope):
            return True
        self._queue_up(envelope)
        return True

    def _queue_up(self, envelope: Envelope) -> None:
        try:
            self._waiting.append(envelope)
        except AttributeError:
            self._waiting = deque((envelope,))
        self._bytes += envelope.size
        if self._waiting_receivers:
            self._wake_one()

    def _is_taken(self, envelope: Envelope) -> bool:
        """Offer an envelope to the taker, unless it is at work."""
        if self._taker is None or self._is_taking:
            return False
        self._is_taking = True
        try:
            return self._taker(envelope)
        finally:
            self._is_taking = False

    def _make_room(self, envelope: Envelope) -> None:
        if self.limits.overflow is Overflow.DROP_OLDEST and self._fits_among(envelope, self._lent):
            while not self._fits(envelope):
                self._drop_oldest()
        if not self._fits(envelope):
            msg = f"the mailbox is full: {len(self)} messages, {self._bytes} bytes wait"
            raise MailboxFull(msg)

    def _wake_one(self) -> None:
        if self._begin_receiving is not None:
            begin, self._begin_receiving = self._begin_receiving, None
            self._waiting_receivers -= 1
            begin()
        elif not self._is_waking and self._receivers is not None:
            self._is_waking = True
            self._receivers.unpark()

    def _drop_oldest(self) -> None:
        oldest = self._take()
        self.dropped += 1
        if oldest.reply is not None:
            oldest.reply.fail(MailboxFull("dropped from a full mailbox, for newer messages"))

    async def put(self, envelope: Envelope) -> None:
        """Wait for room where the limits say so, then queue the envelope; a cancelled wait leaves nothing queued.

        Those who wait get in in the order in which they came, so that small messages do not overtake a large one for
        ever.

        Raises:
            ActorStopped: When the mailbox is or gets closed.
            MailboxFull: When it is full and the limits say that nobody waits.
        """
        if self.put_if_room(envelope):
            return
        if self.limits.overflow is not Overflow.WAIT:
            self.put_nowait(envelope)
            return
        if self._queue is None:
            self._queue = _Senders()
        senders = self._queue
        self._senders += 1
        try:
            async with senders.turn:
                while not self.is_closed and not self._fits(envelope):
                    self._is_room_awaited = True
                    await senders.first.park()
                self.put_nowait(envelope)
        finally:
            self._senders -= 1

    async def get(self) -> Envelope:
        """Wait for an envelope and take it out; cancellation takes nothing."""
        await self.wait()
        return self._take()

    async def wait(self) -> None:
        """Wait until something waits, and leave it there: a `get` that follows at once returns it without waiting."""
        while not self._waiting:
            await self._park()

    async def drain(self) -> None:
        """Wait until something waits, then lend all of it: `take_lent` hands it out without waiting."""
        while not self._waiting and not self._lent:
            await self._park()
        if self._waiting:
            self._lent[:0] = reversed(self._waiting)
            self._waiting.clear()

    async def _park(self) -> None:
        if self._receivers is None:
            self._receivers = trio.lowlevel.ParkingLot()
        self._waiting_receivers += 1
        try:
            await self._receivers.park()
            self._is_waking = False
        finally:
            self._waiting_receivers -= 1

    def take_nowait(self) -> Envelope | None:
        """Take an envelope out, or None where none waits."""
        return self._take() if self._waiting else None

    def take_lent(self) -> Envelope | None:
        """Take the next envelope of the drain, or None when all of it is taken."""
        if not self._lent:
            return None
        envelope = self._lent.pop()
        self._bytes -= envelope.size
        if self._is_room_awaited:
            self._tell_of_room()
        return envelope

    def _tell_of_room(self) -> None:
        self._is_room_awaited = False
        if self._queue is not None:
            self._queue.first.unpark()

    def return_lent(self) -> None:
        """Put what was lent and not taken back in front, in order."""
        if self._lent:
            self._waiting = self._waiting or deque()
            self._waiting.extendleft(self._lent)
            self._lent.clear()

    def _take(self) -> Envelope:
        envelope = self._waiting.popleft()
        self._bytes -= envelope.size
        if self._is_room_awaited:
            self._tell_of_room()
        if self._waiting and self._waiting_receivers:
            self._wake_one()
        return envelope

    def close(self, error: ActorError) -> None:
        """Take nothing more, and answer all that waits with `error`."""
        self.is_closed = True
        self.return_lent()
        while self._waiting:
            envelope = self._take()
            if envelope.reply is not None:
                envelope.reply.fail(error)
        if self._queue is not None:
            self._queue.first.unpark_all()
