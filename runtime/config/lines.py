"""Cuts a TOML text into statements, each with its lines and the key that it sets, which no parser of TOML tells."""

from __future__ import annotations

import tomllib
from typing import Any

from attrs import frozen

from runtime.config.syntax import is_whole

__all__ = ["LineIndex", "Statement", "statements"]


@frozen
class Statement:
    """The header of a table, or a key with its value.

    Args:
        start: Its first line, counted from 1.
        end: Its last line.
        table: The table that it opens, or in which it stands.
        key: What it sets there, dotted keys in parts; nothing for a header.
    """

    start: int
    end: int
    table: tuple[str, ...]
    key: tuple[str, ...] = ()

    @property
    def path(self) -> tuple[str, ...]:
        """What it sets, from the top."""
        return self.table + self.key


def statements(text: str) -> list[Statement]:
    """Return the statements of a text that is known to be TOML, but for keys that come twice.

    Each is the fewest lines that parse alone; what it parses to says which keys it sets.
    """
    found: list[Statement] = []
    table: tuple[str, ...] = ()
    chunk, start = "", 0
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        chunk, start = (f"{chunk}\n{line}", start) if chunk else (line, number)
        if not is_whole(chunk):
            continue
        parsed = tomllib.loads(chunk)
        if chunk.lstrip().startswith("["):
            table = _first_path(parsed, headers_only=True)
            found.append(Statement(start, number, table))
        elif parsed:
            found.append(Statement(start, number, table, _first_path(parsed, headers_only=False)))
        chunk = ""
    return found


class LineIndex:
    """The line of each table and key of a text that is known to be TOML, but for keys that come twice."""

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        for one in statements(text):
            self._paths[one.start] = one.path
            for length in range(1, len(one.path) + 1):
                self._lines.setdefault(one.path[:length], one.start)

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """Return the line of the key, or of the nearest table around it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def path_at(self, line: int) -> tuple[str, ...]:
        """Return the key or table that the statement of a line sets; none where nothing starts there."""
        return self._paths.get(line, ())


def _first_path(parsed: Any, *, headers_only: bool) -> tuple[str, ...]:
    path: list[str] = []
    while isinstance(parsed, dict | list) and parsed:
        if isinstance(parsed, list):
            parsed = parsed[-1]
            continue
        if len(parsed) != 1 and not headers_only:
            break
        key = next(iter(parsed))
        path.append(key)
        parsed = parsed[key]
    return tuple(path)
