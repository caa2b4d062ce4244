"""What commands print of things that have properties: a table of several, the lines of one, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["printable", "show_one", "show_rows"]

_NEVER_WRAPS = 100_000


def show_rows(rows: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """Print a row for each of several things, under the names of their properties."""
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))  # noqa: T201
        return
    if not rows:
        print("none")  # noqa: T201
        return
    console = Console()
    if not console.is_terminal:
        console.width = _NEVER_WRAPS
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(*(column.replace("_", " ") for column in columns), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    console.print(table)


def show_one(row: dict[str, Any], *, as_json: bool) -> None:
    """Print a line for each property of one thing."""
    if as_json:
        print(json.dumps(row, indent=2, ensure_ascii=False))  # noqa: T201
        return
    for name, value in row.items():
        print(f"{name.replace('_', ' ')}: {_cell(value)}")  # noqa: T201


def _cell(value: object) -> Text:
    if value is None:
        return Text("")
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def printable(text: str) -> Text:
    """Return text whose terminal controls, which a peer may have sent, are shown and not acted on."""
    return Text("".join(one if one.isprintable() else repr(one)[1:-1] for one in text))
