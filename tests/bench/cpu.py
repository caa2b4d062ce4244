"""What processes take of the processors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tests.bench.rows import Figure, MeasureFailed

_MICROSECONDS = 1e6


class CpuMeter:
    """Measures what processes take from now on, all their threads and the system's work for them included.

    Args:
        pids: The processes; the figure is of all of them together.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._before = _seconds(self._pids)

    def microseconds(self) -> float:
        """Return what was taken since.

        Raises:
            MeasureFailed: Where the system does not say.
        """
        now = _seconds(self._pids)
        if now is None or self._before is None:
            raise MeasureFailed("this system does not say what a process takes of the processors")
        return (now - self._before) * _MICROSECONDS

    def figure(self, value: float, count: float) -> Figure:
        """Return a figure, with what each of so many took where that is known."""
        try:
            return Figure(value, self.microseconds() / count)
        except (MeasureFailed, ZeroDivisionError):
            return Figure(value)


def _seconds(pids: Iterable[int]) -> float | None:
    ticks = 0
    with suppress(OSError):
        for pid in pids:
            # the name, which is in parentheses, may have any characters; utime and stime are fields 14 and 15
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")
    return None
