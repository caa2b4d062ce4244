"""How long things took lately, for those who begin nothing that cannot end in time."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["note", "with_margin"]

T = TypeVar("T")

_KNOWN = 16
"""How many of the last count."""

_MARGIN, _LONGEST_MARGIN = 0.25, 0.5
"""How much more than what it took lately something needs, as a part of that and in seconds."""


def note(known: list[T], latest: T) -> None:
    """Add the latest to what is known, which drops the oldest; a deque of few takes three quarters of a KiB."""
    known[: 1 - _KNOWN] = []
    known.append(latest)


def with_margin(seconds: float) -> float:
    """Return the seconds that something is to be given which took so many."""
    return seconds + min(_MARGIN * seconds, _LONGEST_MARGIN)
