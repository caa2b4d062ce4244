"""Finds the line of a key in a TOML text, which no parser of TOML tells."""

from __future__ import annotations

import tomllib
from typing import Any

from runtime.config.syntax import is_whole

__all__ = ["LineIndex"]


class LineIndex:
    """The line of each table and key of a text that is known to be TOML, but for keys that come twice.

    The text is cut into statements, each the fewest lines that parse alone; what a statement parses to says
    which keys it sets.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str | int, ...], int] = {}
        self._paths: dict[int, tuple[str, ...]] = {}
        prefix: tuple[str, ...] = ()
        chunk, start = "", 0
        for number, line in enumerate(text.split("\n"), 1):
            chunk, start = (f"{chunk}\n{line}", start) if chunk else (line, number)
            if not is_whole(chunk):
                continue
            parsed = tomllib.loads(chunk)
            is_header = chunk.lstrip().startswith("[")
            path = _first_path(parsed, headers_only=is_header)
            if is_header:
                prefix = path
                self._note(prefix, start)
            elif path:
                self._note(prefix + path, start)
            chunk = ""

    def _note(self, path: tuple[str, ...], line: int) -> None:
        self._paths[line] = path
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], line)

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
