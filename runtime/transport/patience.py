"""When a link is given up although its heartbeat has not: nothing comes, or nothing is taken, for too long."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from runtime.transport.buffered import BufferedStream

__all__ = ["until_out_of_patience"]

_SHORTEST = 0.05


async def until_out_of_patience(
    stream: BufferedStream, *, read_timeout: float, write_timeout: float, is_throttled: Callable[[], bool]
) -> str:
    """Wait until a stream has been still for too long, and return which of its directions was.

    Args:
        stream: The stream.
        read_timeout: Seconds without a byte received.
        write_timeout: Seconds in which the peer takes none of the bytes that wait for it.
        is_throttled: Tells whether what comes is left unread on purpose, which is not the peer's silence.
    """
    looked_away_at = 0.0
    while True:
        now = trio.current_time()
        if is_throttled():
            looked_away_at = now
        silent = now - max(stream.last_received_at, looked_away_at)
        stalled = stream.stalled_for
        if silent >= read_timeout:
            return f"nothing was received for {read_timeout:g} s"
        if stalled >= write_timeout:
            return f"the peer took no bytes for {write_timeout:g} s"
        longest = 1.0 if read_timeout < math.inf else math.inf  # short throttling is not to be missed
        await trio.sleep(max(min(read_timeout - silent, write_timeout - stalled, longest), _SHORTEST))
