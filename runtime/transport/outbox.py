"""What waits on a link to be framed, and when it was queued."""

from __future__ import annotations

from collections import deque

import msgspec
import trio

from actors.messages import Invoke, Message

__all__ = ["MAX_OUTBOX", "Outbox"]

MAX_OUTBOX = 256
"""How many messages may wait before those who can wait do."""


def _aged(message: Message, queued_at: float) -> Message:
    """Return the message as it is to be framed now: a request has less time left than when it was queued."""
    if isinstance(message, Invoke) and message.timeout is not None:
        waited = trio.current_time() - queued_at
        if waited > 0:
            return msgspec.structs.replace(message, timeout=max(0.0, message.timeout - waited))
    return message


class Outbox:
    """The queue between those who send and the writer, which takes all that waits at once."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Message, float]] = deque()
        self._changed = trio.Event()

    def append(self, message: Message) -> None:
        """Queue a message."""
        self.waiting.append((message, trio.current_time()))
        self._changed.set()
        self._changed = trio.Event()

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
        batch = [_aged(message, queued_at) for message, queued_at in self.waiting]
        self.waiting.clear()
        self.notify()
        return batch

    async def changed(self) -> None:
        """Wait until something was queued or taken, or the link has ended."""
        await self._changed.wait()

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        self._changed.set()
        self._changed = trio.Event()
