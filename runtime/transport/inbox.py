"""What has come over a link and nobody has read yet."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from actors.messages import Message
from actors.pulse import Pulse

__all__ = ["Inbox"]

HIGH_INBOX_BYTES = 16 * 1024 * 1024


class Inbox:
    """The messages that wait to be read, in order, and the bytes of the frames that they came in."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []
        self.bytes = 0
        self.held = 0
        """Bytes that have come and are held back for now."""
        self.taker: Callable[[Sequence[Message]], bool] | None = None
        """Offered what comes, while nothing waits to be read; tells whether it took it."""
        self._pulse = Pulse()

    @property
    def is_full(self) -> bool:
        """Tell whether so much is unread that the peer's frames are left in the socket."""
        return self.bytes + self.held >= HIGH_INBOX_BYTES

    def extend(self, messages: Sequence[Message], size: int) -> None:
        """Add messages that came in `size` bytes."""
        if self.taker is not None and not self.waiting and self.taker(messages):
            return
        self.waiting += messages
        self.bytes += size
        self.notify()

    def take(self) -> Sequence[Message]:
        """Give all that waits."""
        messages, self.waiting = self.waiting, []
        self.bytes = 0
        self.notify()
        return messages

    def changed(self) -> Coroutine[Any, Any, None]:
        """Wait until something was added or taken, or the link has ended."""
        return self._pulse.wait()

    def notify(self) -> None:
        """Wake whoever waits for a change."""
        self._pulse.notify()
