"""Sets of places, kept as runs, so that a million consecutive ones cost as much as one. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["Places", "runs_of"]


def runs_of(places: Iterable[int]) -> list[tuple[int, int]]:
    """Return places as runs, first and last included, in order."""
    if isinstance(places, range) and places.step == 1:
        return [(places.start, places.stop - 1)] if places else []
    runs: list[tuple[int, int]] = []
    first = last = -1
    for place in sorted(places):
        if place == last + 1 and runs:
            last = place
            runs[-1] = (first, last)
        elif place != last or not runs:
            first = last = place
            runs.append((place, place))
    return runs


class Places:
    """A set of whole numbers as sorted runs, first and last included, that neither overlap nor touch.

    Args:
        runs: What is in it, in any order; runs that overlap or touch become one.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, runs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in sorted(runs):
            self.add(first, last)

    def __contains__(self, place: int) -> bool:
        at = bisect_right(self._firsts, place) - 1
        return at >= 0 and place <= self._lasts[at]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._firsts, self._lasts, strict=True)))

    @property
    def count(self) -> int:
        """How many places are in it; no `__len__`, which `list` takes for the number of runs to make room for."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def add(self, first: int, last: int) -> tuple[tuple[int, int], list[int]]:
        """Add a run; return the run that it is now in, and the firsts of the runs that became part of it."""
        begin = bisect_right(self._firsts, first) - 1
        if begin < 0 or self._lasts[begin] < first - 1:
            begin += 1
        end = bisect_right(self._firsts, last + 1)
        absorbed = self._firsts[begin:end]
        if absorbed:
            first = min(first, absorbed[0])
            last = max(last, self._lasts[end - 1])
        self._firsts[begin:end] = [first]
        self._lasts[begin:end] = [last]
        return (first, last), absorbed

    def meets(self, first: int, last: int) -> bool:
        """Tell whether a place of a run is in it."""
        at = bisect_right(self._firsts, last) - 1
        return at >= 0 and self._lasts[at] >= first

    def end_of_run(self, place: int) -> int | None:
        """Return the last place of the run that a place is in, or None."""
        at = bisect_right(self._firsts, place) - 1
        return self._lasts[at] if at >= 0 and place <= self._lasts[at] else None

    def discard_upto(self, place: int) -> None:
        """Remove all up to a place."""
        at = bisect_right(self._firsts, place)
        if at and self._lasts[at - 1] > place:
            at -= 1
            self._firsts[at] = place + 1
        del self._firsts[:at], self._lasts[:at]

    def common(self, other: Places) -> Places:
        """Return what is in both."""
        found: list[tuple[int, int]] = []
        mine, theirs = list(self), list(other)
        i = j = 0
        while i < len(mine) and j < len(theirs):
            first, last = max(mine[i][0], theirs[j][0]), min(mine[i][1], theirs[j][1])
            if first <= last:
                found.append((first, last))
            if mine[i][1] < theirs[j][1]:
                i += 1
            else:
                j += 1
        return Places(found)

    def without(self, other: Places) -> Places:
        """Return what is in this one only."""
        found: list[tuple[int, int]] = []
        for first, last in self:
            at = first
            for other_first, other_last in other:
                if other_last < at:
                    continue
                if other_first > last:
                    break
                if other_first > at:
                    found.append((at, other_first - 1))
                at = other_last + 1
            if at <= last:
                found.append((at, last))
        return Places(found)
