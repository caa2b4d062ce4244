"""What waits on a link to be framed, and of requests when they were queued."""

from __future__ import annotations

from collections import deque

import msgspec
import trio

from actors.messages import Invoke, Message
from actors.pulse import Pulse

__all__ = ["MAX_OUTBOX", "Outbox"]

MAX_OUTBOX = 256
"""How many messages may wait before those who can wait do."""


def _aged(request: Invoke, waited: float) -> Invoke:
    """Return a request as it is to be framed now: it has less time left than when it was queued."""
    if request.timeout is None or waited <= 0:
        return request
    return msgspec.structs.replace(request, timeout=max(0.0, request.timeout - waited))


class Outbox:
    """The queue between those who send and the writer, which takes all that waits at once."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Message, float]] = deque()
        self._pulse = Pulse()

    def append(self, message: Message) -> None:
        """Queue a message."""
        self.waiting.append((message, trio.current_time() if isinstance(message, Invoke) else 0.0))
        self._pulse.notify()

    def holds(self, message_id: str) -> bool:
        """Tell whether a message is in no frame yet."""
        return any(getattr(message, "id", None) == message_id for message, _queued_at in self.waiting)

    def withdraw(self, message_id: str) -> bool:
        """Take back a message that is in no frame yet; tell whether it was."""
        for place, (message, _queued_at) in enumerate(self.waiting):
            if getattr(message, "id", None) == message_id:
                del self.waiting[place]
                self.notify()
                return True
        return False

    def take(self) -> list[Message]:
        """Give all that waits, as it is to be framed now; nothing of it can be withdrawn any more."""
        now = trio.current_time()
        batch = [
            _aged(message, now - queued_at) if isinstance(message, Invoke) else message
            for message, queued_at in self.waiting
        ]
        self.waiting.clear()
        self.notify()
        return batch

    async def changed(self) -> None:
        """Wait until something was queued or taken, or the link has ended."""
        await self._pulse.wait()

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        self._pulse.notify()
