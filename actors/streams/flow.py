"""Credit: how much of a stream may be on its way, in items and in bytes.

The receiver grants a window at first, and again what has been taken out of its buffer, half a window at a time. The
last item may go beyond the bytes, so that one that is larger than the window passes, too.
"""

from __future__ import annotations

import msgspec
import trio

__all__ = ["MAX_BYTES", "MAX_ITEMS", "Allowance", "Window", "size_of"]

MAX_ITEMS = 128
"""Items that a caller takes in before it iterates."""

MAX_BYTES = 1024 * 1024
"""The same in bytes."""

_encoder = msgspec.msgpack.Encoder()


def size_of(item: object) -> int:
    """Return how many bytes an item has when it is sent; 0 for one that never can be, and so stays in this process."""
    try:
        return len(_encoder.encode(item))
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return 0


class Allowance:
    """What a sender may still send."""

    __slots__ = ("_bytes", "_count", "_waiting")

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._bytes = size
        self._waiting = trio.lowlevel.ParkingLot()

    @property
    def is_open(self) -> bool:
        """Tell whether one more item may be sent."""
        return self._count > 0 and self._bytes > 0

    async def wait(self) -> None:
        """Wait until one more item may be sent; cancellation takes nothing."""
        while not self.is_open:
            await self._waiting.park()

    def take(self, size: int) -> None:
        """Note that an item is sent."""
        self._count -= 1
        self._bytes -= size

    def add(self, count: int, size: int) -> None:
        """Note what the receiver grants."""
        self._count += count
        self._bytes += size
        if self.is_open:
            self._waiting.unpark_all()


class Window:
    """What a receiver has granted: how much of it is used, and when it grants anew.

    Args:
        count: Items that may be on their way or wait.
        size: The same in bytes.
    """

    __slots__ = ("_bytes_left", "_bytes_used", "_count_left", "_count_used", "_max_bytes", "_max_count")

    def __init__(self, count: int = MAX_ITEMS, size: int = MAX_BYTES) -> None:
        self._max_count = self._count_left = count
        self._max_bytes = self._bytes_left = size
        self._count_used = self._bytes_used = 0

    def arrived(self, size: int) -> bool:
        """Note that an item has arrived; tell whether it had been granted."""
        was_granted = self._count_left > 0 and self._bytes_left > 0
        self._count_left -= 1
        self._bytes_left -= size
        return was_granted

    def taken(self, size: int) -> tuple[int, int] | None:
        """Note that an item has left the buffer; return what is to be granted now, if anything."""
        self._count_used += 1
        self._bytes_used += size
        if 2 * self._count_used < self._max_count and 2 * self._bytes_used < self._max_bytes:
            return None
        granted = (self._count_used, self._bytes_used)
        self._count_left += self._count_used
        self._bytes_left += self._bytes_used
        self._count_used = self._bytes_used = 0
        return granted
