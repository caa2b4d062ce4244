"""How often things happen, by counters that are looked at from time to time. Pure: it is told the time."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping

from attrs import define, field

__all__ = ["Rates"]


@define
class Rates:
    """Rates of counters over the last seconds.

    Args:
        window: Over how many seconds, where it has been looked for so long.
    """

    window: float = 5.0
    _looks: deque[tuple[float, Mapping[Hashable, int]]] = field(factory=deque)

    def note(self, at: float, counts: Mapping[Hashable, int]) -> None:
        """Take what counters say at a time; one that fell, as at a restart, begins anew with all others."""
        if self._looks and any(
            counts.get(key, 0) < before for key, before in self._looks[-1][1].items() if key in counts
        ):
            self._looks.clear()
        self._looks.append((at, counts))
        while len(self._looks) > 2 and self._looks[1][0] <= at - self.window:
            self._looks.popleft()

    def forget(self) -> None:
        """Begin anew."""
        self._looks.clear()

    def per_second(self, key: Hashable) -> float | None:
        """Return a counter's rate; None where it has been looked at only once."""
        if len(self._looks) < 2:
            return None
        (begun, first), (ended, last) = self._looks[0], self._looks[-1]
        return (last.get(key, 0) - first.get(key, 0)) / (ended - begun) if ended > begun else None
