"""What an edit changes, line by line, without values that may be secrets in the open."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from actors.secret import HIDDEN
from runtime.cli.tables import printable
from runtime.config.lines import statements
from runtime.config.secrets import is_reference
from runtime.config.shown import may_be_secret

__all__ = ["difference", "show_difference"]

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def difference(path: Path, before: str, after: str) -> list[str]:
    """Return the difference of two texts of a file, line by line."""
    return list(difflib.unified_diff(_masked(before), _masked(after), str(path), str(path), lineterm="", n=2))


def show_difference(lines: Sequence[str]) -> None:
    """Print a difference."""
    console = Console(soft_wrap=True, highlight=False)
    for line in lines:
        console.print(Text(printable(line).plain, style=_COLOURS.get(line[:1], "")))


def _masked(text: str) -> list[str]:
    """Return the lines of a text; values that may be secrets are hidden, but those that only refer to one."""
    lines = text.replace("\r\n", "\n").split("\n")
    for one in statements(text):
        if not one.key or not may_be_secret(one.path):
            continue
        source = lines[one.start - 1 : one.end]
        if not _refers(tomllib.loads("\n".join(source))):
            left = source[0].partition("=")[0].rstrip()
            lines[one.start - 1 : one.end] = [f"{left} = {HIDDEN}", *[""] * (one.end - one.start)]
    return lines[:-1] if lines[-1] == "" else lines


def _refers(value: Any) -> bool:
    """Tell whether all texts within a value are references to secrets."""
    if isinstance(value, dict):
        return all(map(_refers, value.values()))
    if isinstance(value, list):
        return all(map(_refers, value))
    return not isinstance(value, str) or is_reference(value)
