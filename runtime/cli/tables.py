"""What commands print of things that have properties: a table of several, the lines of one, or JSON.

On a terminal a table is as wide as that at most: long texts are cut short, but never what a user has to type again;
columns for which there is no room are named below it; where too few are left, each thing is shown as lines. Into a pipe
or a file everything is whole, a line each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from runtime.cli.layout import GAP, Column, fitted

__all__ = ["TableLines", "print_json", "printable", "show_fact", "show_one", "show_rows", "table_lines"]

_NOTHING: tuple[object, ...] = (None, "", [], {})


def print_json(value: object) -> None:
    """Print a value for scripts."""
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201


def show_fact(fact: object, sentence: str, *, as_json: bool) -> None:
    """Print what was done: in words, or as JSON."""
    if as_json:
        print_json(fact)
    else:
        print(sentence)  # noqa: T201


def show_rows(rows: Sequence[dict[str, Any]], *, as_json: bool, whole: Sequence[str] = ()) -> None:
    """Print a row for each of several things, under the names of their properties.

    Args:
        rows: The things.
        as_json: As JSON instead.
        whole: The properties that stand first and are never cut short, as numbers are not: what a user types again,
            and what else matters most.
    """
    if as_json:
        print_json(rows)
        return
    if not rows:
        print("none")  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    names = list(dict.fromkeys([*whole, *(name for row in rows for name in row)]))
    if console.is_terminal:
        names = [name for name in names if name in whole or any(row.get(name) not in _NOTHING for row in rows)]
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    is_whole = [name in whole or _is_number(name, rows) for name in names]
    width = console.width if console.is_terminal else None
    lines = table_lines([_heading(name) for name in names], cells, is_whole, width)
    if lines is None:
        _show_as_lines(console, rows)
        return
    for line in lines.lines:
        console.print(line)
    if left_out := names[lines.columns :]:
        console.print(Text(f"no room for {', '.join(map(_heading, left_out))}; --json has all", "dim"))


@frozen
class TableLines:
    """The lines of a table, its heading first, and how many columns there was room for."""

    lines: Sequence[Text]
    columns: int


def table_lines(
    headings: Sequence[str], cells: Sequence[Sequence[Text]], is_whole: Sequence[bool], width: int | None
) -> TableLines | None:
    """Return a table in lines that fit a width, None for whatever it takes; None where too few columns would be left.

    Args:
        headings: The heading of each column.
        cells: The rows, one at least.
        is_whole: Of each column, whether its values are never cut short.
        width: Characters of a line.
    """
    columns = [
        Column(cell_len(heading), max(one.cell_len for one in found), not whole)
        for heading, whole, found in zip(headings, is_whole, zip(*cells, strict=True), strict=True)
    ]
    widths = [one.whole for one in columns] if width is None else fitted(columns, width)
    if widths is None:
        return None
    rows = [[Text(heading, "bold") for heading in headings], *cells]
    return TableLines([_line(row, widths) for row in rows], len(widths))


def show_one(row: dict[str, Any], *, as_json: bool) -> None:
    """Print a line for each property of one thing."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        print(f"{_heading(name)}: {_cell(value)}")  # noqa: T201


def printable(text: str) -> Text:
    """Return text whose terminal controls, which a peer may have sent, are shown and not acted on."""
    return Text("".join(one if one.isprintable() else repr(one)[1:-1] for one in text))


def _show_as_lines(console: Console, rows: Sequence[dict[str, Any]]) -> None:
    for number, row in enumerate(rows):
        if number:
            console.print()
        for name, value in row.items():
            console.print(Text.assemble((_heading(name), "bold"), ": ", _cell(value)))


def _line(cells: Sequence[Text], widths: Sequence[int]) -> Text:
    line = Text()
    for cell, width in zip(cells, widths, strict=False):  # those that there is room for
        cut = cell.copy()
        cut.truncate(width, overflow="ellipsis", pad=True)
        line.append_text(cut).append(" " * GAP)
    line.rstrip()
    return line


def _heading(name: str) -> str:
    return name.replace("_", " ")


def _is_number(name: str, rows: Sequence[dict[str, Any]]) -> bool:
    return all(isinstance(row.get(name), int | float | None) for row in rows)


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
