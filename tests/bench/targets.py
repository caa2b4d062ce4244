"""Which ratios are to be reached."""

from __future__ import annotations

from attrs import frozen

from tests.bench.rows import ISTHMUS


@frozen
class Target:
    """What is to be reached: so many times a peer's figure, or that of another row, or so many a second.

    Args:
        row: Of what.
        peer: Beside whom; empty where it is not beside a peer.
        limit: The least that it is to be.
        is_most: Whether it is the most instead.
        base: The row of Isthmus that it is compared with, where there is no peer; empty for none.
    """

    row: str
    peer: str
    limit: float
    is_most: bool = False
    base: str = ""

    def is_reached_by(self, value: float) -> bool:
        """Tell whether a value is on the right side of the limit."""
        return value <= self.limit if self.is_most else value >= self.limit

    def __str__(self) -> str:
        """Return what is compared with what."""
        if self.peer:
            return f"{self.row}, {ISTHMUS}/{self.peer}"
        return f"{self.row}/{self.base}" if self.base else f"{self.row}, a second"
