"""Collects what is wrong with clusters.toml, each with its file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import tomlkit

from runtime.config.lines import LineIndex

__all__ = ["KeyPath", "Problems", "key_text", "nearest"]

KeyPath = tuple[str, ...]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest name that exists, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def key_text(part: str) -> str:
    """Return a part of a key as TOML writes it, quoted where it must be."""
    return tomlkit.key(part).as_string() if part else '""'


class Problems:
    """What is wrong with one file.

    Args:
        path: The file.
        text: What is in it, which is known to be TOML.
    """

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._lines: LineIndex | None = None
        self.found: list[tuple[int, str]] = []
        self._noted: set[KeyPath] = set()
        self.warnings: list[str] = []

    def place(self, where: KeyPath) -> tuple[int, str]:
        """Return the line of a key, and file, line and key to begin a sentence with."""
        if self._lines is None:
            self._lines = LineIndex(self._text)
        line = self._lines.line_of(where)
        return line, f"{self._path}:{line}: {'.'.join(map(key_text, where))}".removesuffix(": ")

    def add(self, where: KeyPath, message: str) -> None:
        """Note what is wrong with a key."""
        line, place = self.place(where)
        self.found.append((line, f"{place}: {message}"))
        self._noted.add(where)

    def has_any(self, where: KeyPath, *keys: str) -> bool:
        """Tell whether one of these keys of a table is wrong already, so that what it lacks follows from that."""
        return any((*where, key) in self._noted for key in keys)

    def sentences(self) -> list[str]:
        """Return all that was noted, in the order of the file."""
        return [sentence for _line, sentence in sorted(self.found)]
