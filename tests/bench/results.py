"""The figures of a run: medians, spread and ratios, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from attrs import asdict, define, field

from tests.bench.call_rows import Target
from tests.bench.rows import DISK, FSYNC, ISTHMUS, Row


@define
class Results:
    """What was measured, by row and contestant, and what is to be said of it."""

    rows: Sequence[Row]
    contestants: list[str] = field(factory=list)
    targets: Sequence[Target] = ()
    rates: dict[tuple[str, str], list[float]] = field(factory=dict)
    facts: list[str] = field(factory=list)
    failures: list[str] = field(factory=list)

    def wants(self, row: Row, contestant: str) -> bool:
        """Tell whether a contestant's figure for a row is shown, or compared with one that is."""
        if contestant == ISTHMUS:
            return row in self.rows
        return contestant == DISK or any(one.peers_row == row.name for one in self.rows)

    def add(self, row: Row, contestant: str, rate: float) -> None:
        """Note one figure."""
        self.rates.setdefault((row.name, contestant), []).append(rate)

    def median(self, row: str, contestant: str) -> float | None:
        """Return the middle one of a contestant's figures for a row; None where there are none."""
        rates = self.rates.get((row, contestant))
        return median(rates) if rates else None

    def ratio(self, row: Row, peer: str) -> float | None:
        """Return how many times as fast Isthmus is as a peer; None where either has no figure."""
        own = self.median(row.name, ISTHMUS)
        other = self.median(FSYNC.name if peer == DISK else row.peers_row, peer)
        return own / other if own is not None and other else None

    @property
    def peers(self) -> list[str]:
        """All but Isthmus, the disk last."""
        others = [name for name in self.contestants if name not in (ISTHMUS, DISK)]
        return [*others, *([DISK] if DISK in self.contestants else [])]

    def table(self) -> str:
        """Return the figures as lines of text: medians, and the least and the most."""
        shown = [name for name in (ISTHMUS, *self.peers) if name in self.contestants and name != DISK]
        compared = self.peers if ISTHMUS in self.contestants else []
        lines = [["a second", *shown, *(f"{ISTHMUS}/{peer}" for peer in compared)]]
        for row in self.rows:
            if row != FSYNC:
                places = [(row.name if name == ISTHMUS else row.peers_row, name) for name in shown]
                cells = [self._cell(*place, row.decimals) for place in places]
                lines.append([row.title, *cells, *(_times(self.ratio(row, peer)) for peer in compared)])
        disk = self._cell(FSYNC.name, DISK)
        return "\n".join([*([f"{DISK}: {FSYNC.title}: {disk} a second", ""] if disk else []), *_aligned(lines)])

    def _cell(self, row: str, contestant: str, decimals: int = 0) -> str:
        rates = self.rates.get((row, contestant))
        if not rates:
            return ""
        middle, least, most = (f"{rate:,.{decimals}f}" for rate in (median(rates), min(rates), max(rates)))
        return f"{middle} ({least} to {most})"

    def verdicts(self) -> str:
        """Return a line for each target of which there are the figures: what was had, and whether that reaches it."""
        lines = [["target", "had", "", "wanted", ""]]
        for target in self.targets:
            found = self._had(target)
            if found is not None:
                beside = f"{ISTHMUS}/{target.peer}" if target.peer else "a second"
                verdict = "reached" if target.is_reached_by(found) else "not reached"
                side = "at most" if target.is_most else "at least"
                lines.append([f"{target.row}, {beside}", f"{found:,.2f}", side, f"{target.limit:,.2f}", verdict])
        return "\n".join(_aligned(lines)) if len(lines) > 1 else ""

    def _had(self, target: Target) -> float | None:
        rows = {row.name: row for row in self.rows}
        if target.row not in rows:
            return None
        return self.ratio(rows[target.row], target.peer) if target.peer else self.median(target.row, ISTHMUS)

    def as_json(self) -> dict[str, Any]:
        """Return everything, for other programs."""
        return {
            "facts": self.facts,
            "failures": self.failures,
            "rows": [self._row_as_json(row) for row in self.rows],
            "targets": [{**asdict(target), "had": self._had(target)} for target in self.targets],
        }

    def _row_as_json(self, row: Row) -> dict[str, Any]:
        measured = {name: row.name if name == ISTHMUS else row.peers_row for name in self.contestants}
        return {
            "row": row.name,
            "title": row.title,
            "rates": {name: self.rates.get((place, name), []) for name, place in measured.items()},
            "medians": {name: self.median(place, name) for name, place in measured.items()},
            "ratios": {peer: self.ratio(row, peer) for peer in self.peers} if ISTHMUS in self.contestants else {},
        }


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of which the first column is left-aligned and the others are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join([first.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]) for first, *cells in lines]
