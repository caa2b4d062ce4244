"""How wide the columns of a table are where not all of it fits: what is cut short, and what is left out.

Pure: it is given widths and gives widths.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

__all__ = ["Column", "fitted"]

GAP = 2
"""Spaces between two columns."""

LEAST = 12
"""Texts of at most so many characters are never cut, and of longer ones so many are left."""

FEWEST = 3
"""Columns that a table has at least; with fewer it would say too little to be one."""


@frozen
class Column:
    """What is known of a column: how wide its heading and its widest value are, and whether values may be cut."""

    heading: int
    widest: int
    may_be_cut: bool

    @property
    def whole(self) -> int:
        """The width in which everything fits."""
        return max(self.heading, self.widest)

    @property
    def least(self) -> int:
        """The width below which it cannot go."""
        return min(self.whole, max(self.heading, LEAST)) if self.may_be_cut else self.whole


def fitted(columns: Sequence[Column], width: int) -> list[int] | None:
    """Return the widths of the first columns, as many as fit; None where that would be too few.

    What is missing is taken from the widest columns first, so that those that are narrow anyway stay whole.
    """
    for count in range(len(columns), min(FEWEST, len(columns)) - 1, -1):
        if (widths := _squeezed(columns[:count], width)) is not None:
            return widths
    return None


def _squeezed(columns: Sequence[Column], width: int) -> list[int] | None:
    room = width - GAP * (len(columns) - 1)
    widths = [min(one.whole, max(one.least, room)) for one in columns]
    while sum(widths) > room:
        loose = [place for place, one in enumerate(columns) if widths[place] > one.least]
        if not loose:
            return None
        widths[max(loose, key=lambda place: widths[place])] -= 1
    return widths
