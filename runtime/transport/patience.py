"""When a link is given up although its peer lives: it takes nothing, never ends a message, or says nothing at all."""

from __future__ import annotations

from collections.abc import Callable

import trio

from runtime.transport.buffered import BufferedStream
from runtime.transport.options import CloseCode, LinkOptions

__all__ = ["Patience", "until_silent"]

_SHORTEST = 0.05


class Patience:
    """How long a peer has been at the same bytes. It costs no task: whoever watches over the link looks now and then.

    Args:
        stream: The stream.
        options: How long that may be.
        is_throttled: Tells whether what comes is left unread on purpose, which is not the peer's slowness.
    """

    def __init__(self, stream: BufferedStream, options: LinkOptions, is_throttled: Callable[[], bool]) -> None:
        self._stream = stream
        self._write_timeout = options.write_timeout
        self._message_timeout = options.message_timeout
        self._is_throttled = is_throttled
        self._message = 0
        self._since = 0.0

    def over(self, now: float) -> tuple[int, str] | None:
        """Return the code and the reason to give the peer up with; None where there is none."""
        if self._stream.stalled_for >= self._write_timeout:
            return CloseCode.ABNORMAL, f"the peer took no bytes for {self._write_timeout:g} s"
        message = self._stream.unfinished_message
        if message != self._message or self._is_throttled():
            self._message, self._since = message, now
        if message and now - self._since >= self._message_timeout:
            return CloseCode.POLICY_VIOLATION, f"a message did not end within {self._message_timeout:g} s"
        return None

    def left(self, now: float) -> float:
        """Return after how many seconds to look again at the latest."""
        for_message = now - self._since if self._message else 0.0
        left = min(self._write_timeout - self._stream.stalled_for, self._message_timeout - for_message)
        return max(left, _SHORTEST)


async def until_silent(stream: BufferedStream, *, read_timeout: float, is_throttled: Callable[[], bool]) -> str:
    """Wait until nothing has come over a stream for too long, and say so.

    Args:
        stream: The stream.
        read_timeout: Seconds without a byte received.
        is_throttled: Tells whether what comes is left unread on purpose, which is not the peer's silence.
    """
    looked_away_at = 0.0
    while True:
        now = trio.current_time()
        if is_throttled():
            looked_away_at = now
        silent = now - max(stream.last_received_at, looked_away_at)
        if silent >= read_timeout:
            return f"nothing was received for {read_timeout:g} s"
        await trio.sleep(max(min(read_timeout - silent, 1.0), _SHORTEST))  # short throttling is not to be missed
