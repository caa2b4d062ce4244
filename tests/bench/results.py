"""The figures of a run: medians, spread and ratios, as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from attrs import asdict, define, field

from tests.bench.rows import DISK, FSYNC, ISTHMUS, Figure, Row
from tests.bench.targets import Target


@define
class Results:
    """What was measured, by row and contestant, and what is to be said of it."""

    rows: Sequence[Row]
    contestants: list[str] = field(factory=list)
    targets: Sequence[Target] = ()
    rates: dict[tuple[str, str], list[float]] = field(factory=dict)
    cpu: dict[tuple[str, str], list[float]] = field(factory=dict)
    facts: list[str] = field(factory=list)
    failures: list[str] = field(factory=list)
    rounds: int = 0

    def wants(self, row: Row, contestant: str) -> bool:
        """Tell whether a contestant's figure for a row is shown, or compared with one that is."""
        if contestant == ISTHMUS:
            return row in self.rows
        return contestant == DISK or any(one.peers_row == row.name for one in self.rows)

    def add(self, row: Row, contestant: str, figure: Figure) -> None:
        """Note one figure."""
        self.rates.setdefault((row.name, contestant), []).append(figure.value)
        if figure.cpu is not None:
            self.cpu.setdefault((row.name, contestant), []).append(figure.cpu)

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

    @property
    def _shown(self) -> list[str]:
        return [name for name in (ISTHMUS, *self.peers) if name in self.contestants and name != DISK]

    def table(self) -> str:
        """Return the figures as lines of text: medians, and the least and the most."""
        shown = self._shown
        compared = self.peers if ISTHMUS in self.contestants else []
        lines = [["a second", *shown, *(f"{ISTHMUS}/{peer}" for peer in compared)]]
        for row in self.rows:
            if row != FSYNC:
                places = [(row.name if name == ISTHMUS else row.peers_row, name) for name in shown]
                cells = [_cell(self.rates.get(place), row.decimals) for place in places]
                lines.append([self._title(row), *cells, *(_times(self.ratio(row, peer)) for peer in compared)])
        disk = _cell(self.rates.get((FSYNC.name, DISK)))
        return "\n".join([*([f"{DISK}: {FSYNC.title}: {disk} a second", ""] if disk else []), *_aligned(lines)])

    def _title(self, row: Row) -> str:
        """Return a row's title; where it was measured in fewer rounds than others are, it says so."""
        if row.most_rounds >= self.rounds:
            return row.title
        return f"{row.title} ({_rounds(row.most_rounds)})"

    def cpu_table(self) -> str:
        """Return what each took of the processors as lines of text; nothing where that is not known of any."""
        shown = self._shown
        lines = [["CPU in µs for each, all processes together", *shown]]
        for row in self.rows:
            cells = [_cell(self.cpu.get((row.name if name == ISTHMUS else row.peers_row, name)), 1) for name in shown]
            if any(cells):
                lines.append([row.title, *cells])
        return "\n".join(_aligned(lines)) if len(lines) > 1 else ""

    def verdicts(self) -> list[list[str]]:
        """Return for each target of which there are the figures what was had, and whether that reaches it."""
        lines = []
        for target in self.targets:
            found = self._had(target)
            if found is not None:
                verdict = "reached" if target.is_reached_by(found) else "not reached"
                side = "at most" if target.is_most else "at least"
                lines.append([str(target), f"{found:,.2f}", side, f"{target.limit:,.2f}", verdict])
        return lines

    def _had(self, target: Target) -> float | None:
        rows = {row.name: row for row in self.rows}
        if target.row not in rows:
            return None
        if target.peer:
            return self.ratio(rows[target.row], target.peer)
        own = self.median(target.row, ISTHMUS)
        if not target.base:
            return own
        base = self.median(target.base, ISTHMUS)
        return own / base if own is not None and base else None

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
            "cpu": {name: self.cpu.get((place, name), []) for name, place in measured.items()},
            "ratios": {peer: self.ratio(row, peer) for peer in self.peers} if ISTHMUS in self.contestants else {},
        }


def verdict_table(results: Iterable[Results]) -> str:
    """Return a line for each target of which there are figures; nothing where there are none."""
    lines = [["target", "had", "", "wanted", ""], *(line for one in results for line in one.verdicts())]
    return "\n".join(_aligned(lines)) if len(lines) > 1 else ""


def _rounds(number: int) -> str:
    return "1 round" if number == 1 else f"{number} rounds"


def _cell(figures: Sequence[float] | None, decimals: int = 0) -> str:
    if not figures:
        return ""
    middle, least, most = (f"{one:,.{decimals}f}" for one in (median(figures), min(figures), max(figures)))
    return f"{middle} ({least} to {most})"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of which the first column is left-aligned and the others are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join([first.ljust(widths[0]), *map(str.rjust, cells, widths[1:])]) for first, *cells in lines]
