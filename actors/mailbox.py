"""A mailbox: the queue between those who send to an actor and the actor, its count and its bytes.

It belongs to the actor's name, not to the instance, so it outlives a crash. What a drain lends is given back in
front when the actor crashes before it got to it (`return_lent`); the message that was in hand at that moment is
the actor's to answer and is never handled again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from enum import Enum

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


class Mailbox:
    """A bounded queue with many senders and one actor that receives.

    Args:
        limits: How much may wait; a single message beyond the bytes passes when nothing else waits.
    """

    def __init__(self, limits: MailboxLimits = MailboxLimits()) -> None:
        self.limits = limits
        self.is_closed = False
        self.dropped = 0
        self._waiting: deque[Envelope] = deque()
        self._lent: deque[Envelope] = deque()
        self._bytes = 0
        self._receivers = trio.lowlevel.ParkingLot()
        self._turn = trio.StrictFIFOLock()
        self._first_sender = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._lent)

    def _has_room(self, envelope: Envelope, *, among: Collection[Envelope] | None = None) -> bool:
        """Tell whether there is room beside all that waits and is lent, or beside some of it."""
        count = len(self) if among is None else len(among)
        size = self._bytes if among is None else sum(one.size for one in among)
        return not count or (count < self.limits.max_count and size + envelope.size <= self.limits.max_bytes)

    def put_nowait(self, envelope: Envelope) -> None:
        """Queue the envelope, or raise `MailboxFull` or `ActorStopped` and leave things as they were."""
        if self.is_closed:
            msg = "the actor has been stopped"
            raise ActorStopped(msg)
        if self.limits.overflow is Overflow.DROP_OLDEST and self._has_room(envelope, among=self._lent):
            while not self._has_room(envelope):
                self._drop_oldest()
        if not self._has_room(envelope):
            msg = f"the mailbox is full: {len(self)} messages, {self._bytes} bytes wait"
            raise MailboxFull(msg)
        self._waiting.append(envelope)
        self._bytes += envelope.size
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
        if self.limits.overflow is not Overflow.WAIT or (self._has_room(envelope) and not self._turn.locked()):
            self.put_nowait(envelope)
            return
        async with self._turn:
            while not self.is_closed and not self._has_room(envelope):
                await self._first_sender.park()
            self.put_nowait(envelope)

    async def get(self) -> Envelope:
        """Wait for an envelope and take it out; cancellation takes nothing."""
        await self.wait()
        return self._take()

    async def wait(self) -> None:
        """Wait until something waits, and leave it there: a `get` that follows at once returns it without waiting."""
        while not self._waiting:
            await self._receivers.park()

    async def drain(self) -> None:
        """Wait until something waits, then lend all of it: `take_lent` hands it out without waiting."""
        while not self._waiting and not self._lent:
            await self._receivers.park()
        self._lent.extend(self._waiting)
        self._waiting.clear()

    def take_lent(self) -> Envelope | None:
        """Take the next envelope of the drain, or None when all of it is taken."""
        return self._taken(self._lent.popleft()) if self._lent else None

    def return_lent(self) -> None:
        """Put what was lent and not taken back in front, in order."""
        self._waiting.extendleft(reversed(self._lent))
        self._lent.clear()

    def _take(self) -> Envelope:
        return self._taken(self._waiting.popleft())

    def _taken(self, envelope: Envelope) -> Envelope:
        self._bytes -= envelope.size
        self._first_sender.unpark()
        return envelope

    def close(self, error: ActorError) -> None:
        """Take nothing more, and answer all that waits with `error`."""
        self.is_closed = True
        self.return_lent()
        while self._waiting:
            envelope = self._take()
            if envelope.reply is not None:
                envelope.reply.fail(error)
        self._first_sender.unpark_all()
