"""What waits on a link to be framed, and of requests when they were queued; what has been sent in part waits, too."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import msgspec
import trio

from actors.lazy import Lazy
from actors.messages import Confirm, Confirmed, Invoke, Message
from actors.pulse import Pulse
from runtime.wire.splitting import Splitter

__all__ = ["MAX_OUTBOX", "Outbox"]

MAX_OUTBOX = 256
"""How many messages may wait before those who can wait do."""

MANY = 64
"""How many messages are written at once: the peer begins with them while this end goes on."""

FEW = 4
"""How many requests are written at once at least, where the peer has no more than these to do."""

NEGLIGIBLE = 0.005
"""Seconds in the outbox that are not taken off the time that a request has left."""

MAX_CONFIRMED = 500
"""How many requests one message confirms before another is begun."""


def _aged(request: Invoke, waited: float) -> Invoke:
    """Return a request as it is to be framed now: it has less time left than when it was queued."""
    if request.timeout is None or waited <= NEGLIGIBLE:
        return request
    return msgspec.structs.replace(request, timeout=max(0.0, request.timeout - waited))


class Outbox:
    """The queue between those who send and the writer, which takes all that waits at once.

    A message that goes alone is written by whoever sends it: the first one after the peer has said a single thing, or
    after the writer had but one to write. Where there are more, the writer's task is woken, and by its turn more have
    gathered; but those that make `MANY` do not wait for it, nor as many requests as the peer has of this end: else both
    ends would take turns, each idle while the other works.

    Args:
        parts: What the wire sends in parts, if it does.
        limit: How many may wait before nothing more is read from the peer, which is to read first.
    """

    def __init__(self, parts: Splitter | None, limit: float = inf) -> None:
        self.parts = parts
        self._limit = limit
        self.waiting: list[tuple[Message, float]] = []
        self.room = MAX_OUTBOX
        """How many messages may wait before those who can wait do; fewer while others are sent in parts."""
        self.is_light = True
        """Whether the next message is likely to go alone."""
        self.write_now: Callable[[], bool] = lambda: False
        """Writes what waits, from the task of whoever sends; tells whether nothing is left to the writer's task."""
        self._now = trio.lowlevel.current_clock().current_time
        self.writer: Lazy
        """The writer's task, which a link over which little goes does without."""
        self._to_write = Pulse()
        self._changed = Pulse()

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not (self.waiting or (self.parts is not None and self.parts.is_busy))

    @property
    def is_full(self) -> bool:
        """Tell whether so much waits that the peer's frames are to be left in the socket."""
        return len(self.waiting) >= self._limit

    def append(self, message: Message, others: float = inf) -> None:
        """Queue a message, or write it at once; what is confirmed right after one another goes as one message.

        Args:
            message: The message.
            others: Of a request, how many others have no answer yet, those included that wait here.
        """
        if type(message) is Confirm and self._is_joined(message.confirmed):
            return
        self.waiting.append((message, self._now() if isinstance(message, Invoke) else 0.0))
        count = len(self.waiting)
        is_enough = count % MANY == 0 or (count >= FEW and 2 * count > others)
        if is_enough or (count == 1 and self.is_light):
            self.is_light = False
            if self.write_now():
                return
        elif count > 1:
            return  # the writer's task has been woken
        self._wake_writer()

    def _is_joined(self, confirmed: list[Confirmed]) -> bool:
        last = self.waiting[-1][0] if self.waiting else None
        if type(last) is not Confirm or len(last.confirmed) >= MAX_CONFIRMED:
            return False
        last.confirmed.extend(confirmed)
        return True

    def holds(self, message_id: str) -> bool:
        """Tell whether a message is in no frame yet, or not with all its parts."""
        if self.parts is not None and self.parts.holds(message_id):
            return True
        return any(getattr(message, "id", None) == message_id for message, _queued_at in self.waiting)

    def withdraw(self, message_id: str) -> bool:
        """Take back a message that is in no frame yet, or not with all its parts; tell whether it was."""
        if self.parts is not None and self.parts.withdraw(message_id):
            self.note_parts()
            return True
        for place, (message, _queued_at) in enumerate(self.waiting):
            if getattr(message, "id", None) == message_id:
                del self.waiting[place]
                self._changed.notify()
                return True
        return False

    def take(self) -> list[Message]:
        """Give all that waits, as it is to be framed now; only what then goes in parts can still be withdrawn."""
        now = self._now()
        batch = [
            _aged(message, now - queued_at) if isinstance(message, Invoke) else message
            for message, queued_at in self.waiting
        ]
        self.waiting.clear()
        self._changed.notify()
        return batch

    def note_parts(self) -> None:
        """Take note that something was sent, or taken back."""
        if self.parts is not None:
            self.room = MAX_OUTBOX - len(self.parts)
        self._changed.notify()

    async def wanted(self) -> None:
        """Wait until the writer's task is wanted: something was queued, or the link is to end, or has ended."""
        await self._to_write.wait()

    async def changed(self) -> None:
        """Wait until something was taken, or the link has ended."""
        await self._changed.wait()

    def notify(self) -> None:
        """Wake whoever waits for a change, the writer's task too."""
        self._wake_writer()
        self._changed.notify()

    def _wake_writer(self) -> None:
        self._to_write.notify()
        self.writer.need()
