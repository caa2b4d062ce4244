"""Sampling of what repeats: within a period so many lines that say the same, then a count of those left out."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define

__all__ = ["Sampler"]

MAX_KEYS = 1000
"""How many different lines are told apart; what is beyond is written each time."""

Key = tuple[str, str, str]


@define
class _Seen:
    since: float
    count: int = 0


class Sampler:
    """Decides which lines are written.

    Args:
        max_repeats: So many of a kind within a period; 0 for no limit.
        period: Seconds.
        now: Time that only goes forward.
    """

    def __init__(self, max_repeats: int, period: float, now: Callable[[], float]) -> None:
        self._max = max_repeats
        self._period = period
        self._now = now
        self._seen: dict[Key, _Seen] = {}
        self._next_look = 0.0

    def passes(self, key: Key) -> bool:
        """Tell whether a line of this kind is to be written, else it is counted; ask `left_out` first."""
        if not self._max:
            return True
        now = self._now()
        seen = self._seen.get(key)
        if seen is None or now - seen.since >= self._period:
            if seen is None and len(self._seen) >= MAX_KEYS:
                return True
            seen = self._seen[key] = _Seen(now)
        seen.count += 1
        return seen.count <= self._max

    def left_out(self, *, at_end: bool = False) -> list[tuple[Key, int]]:
        """Return which lines were left out in periods that are over, and how many of each; they are forgotten then."""
        now = self._now()
        if now < self._next_look and not at_end:
            return []
        over = [key for key, seen in self._seen.items() if at_end or now - seen.since >= self._period]
        found = [(key, self._seen.pop(key).count - self._max) for key in over]
        self._next_look = min((seen.since for seen in self._seen.values()), default=now) + self._period
        return [(key, count) for key, count in found if count > 0]
