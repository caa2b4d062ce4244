"""How much may pass in a second, in messages and in bytes, as two token buckets that know no clock."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["Budget"]


class Budget:
    """What may pass: each bucket holds what a second brings, and is full at first.

    A bucket is filled when it is found too empty, so that the clock is looked at rarely: after a pause what was left in
    it passes, and then what a second brings, which is up to two seconds' worth at once. A message passes while there is
    room for one message and for one byte; the last one may go beyond the bytes, which those after it wait for.

    Args:
        messages: How many a second; infinite for as many as there are.
        size: How many bytes a second.
        now: The time, in seconds.
    """

    def __init__(self, messages: float, size: float, now: float) -> None:
        self._message_rate = self._messages = messages
        self._byte_rate = self._bytes = size
        self._filled_at = now

    def take(self, count: int, size: int, clock: Callable[[], float]) -> bool:
        """Let messages pass that are `size` bytes together, if there is room for all; tell whether there was."""
        if count > self._messages or size > self._bytes:
            self.refill(clock())
            if count > self._messages or size > self._bytes:
                return False
        self._messages -= count
        self._bytes -= size
        return True

    def grant(self, count: int, size: int) -> int:
        """Let as many pass as there is room for, of so many messages of `size` bytes together; return how many."""
        allowed = min(float(count), self._messages)
        if self._bytes < size:
            allowed = min(allowed, math.ceil(max(0.0, self._bytes) * count / size))
        granted = int(allowed)
        self._messages -= granted
        self._bytes -= size * granted / count
        return granted

    def refill(self, now: float) -> None:
        """Add what the time has brought since the last time, up to what a bucket holds."""
        passed = max(0.0, now - self._filled_at)
        self._filled_at = now
        if self._messages < self._message_rate:
            self._messages = min(self._message_rate, self._messages + passed * self._message_rate)
        if self._bytes < self._byte_rate:
            self._bytes = min(self._byte_rate, self._bytes + passed * self._byte_rate)

    @property
    def wait(self) -> float:
        """How many seconds it takes from the last filling until a message may pass."""
        lacking = 0.0
        if self._messages < 1:
            lacking = (1 - self._messages) / self._message_rate
        if self._bytes < 1:
            lacking = max(lacking, (1 - self._bytes) / self._byte_rate)
        return lacking
