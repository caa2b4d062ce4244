"""Collects what is wrong with clusters.toml, each with its file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import tomlkit

from runtime.config.lines import LineIndex

__all__ = ["KeyPath", "Problem", "Problems", "key_text", "nearest", "path_text"]

KeyPath = tuple[str | int, ...]
"""Where a value is: the keys of tables, and places in arrays."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest name that exists, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def key_text(part: str) -> str:
    """Return a part of a key as TOML writes it, quoted where it must be."""
    return tomlkit.key(part).as_string() if part else '""'


def path_text(where: KeyPath) -> str:
    """Return a path as TOML writes keys, with places of arrays from 0 in brackets."""
    parts = (f"[{one}]" if isinstance(one, int) else f".{key_text(one)}" for one in where)
    return "".join(parts).removeprefix(".")


class Problem(str):
    """The sentence that says what is wrong, which programs get in parts.

    Args:
        file: The file.
        line: The line in it.
        where: The path of the value, none where it is about the whole file.
        message: What is wrong with it.
    """

    file: Path
    line: int
    where: KeyPath
    message: str

    def __new__(cls, file: Path, line: int, where: KeyPath, message: str) -> Self:
        """Make the sentence."""
        place = f"{file}:{line}: {path_text(where)}".removesuffix(": ")
        self = super().__new__(cls, f"{place}: {message}")
        self.file, self.line, self.where, self.message = file, line, where, message
        return self

    @property
    def facts(self) -> dict[str, object]:
        """What is wrong, as data for JSON."""
        key = next((one for one in reversed(self.where) if isinstance(one, str)), "")
        place = {"file": str(self.file), "line": self.line, "key": key, "path": path_text(self.where)}
        return {**place, "message": self.message}


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
        self._found: list[Problem] = []
        self._noted: set[KeyPath] = set()
        self.warnings: list[Problem] = []

    @property
    def _index(self) -> LineIndex:
        if self._lines is None:
            self._lines = LineIndex(self._text)
        return self._lines

    def _problem(self, where: KeyPath, message: str) -> Problem:
        return Problem(self._path, self._index.line_of(where), where, message)

    def add(self, where: KeyPath, message: str) -> None:
        """Note what is wrong with a key."""
        self._found.append(self._problem(where, message))
        self._noted.add(where)

    def add_at(self, line: int, message: str) -> None:
        """Note what is wrong with a line, whatever it says."""
        self._found.append(Problem(self._path, line, (), message))

    def add_twice(self, line: int) -> None:
        """Note that what a line sets was set before."""
        where = self._index.path_at(line)
        first = self._index.line_of(where)
        earlier = f"; it is in line {first} already" if where and first < line else ""
        self._found.append(Problem(self._path, line, where, f"given twice{earlier}"))

    def warn(self, where: KeyPath, message: str) -> None:
        """Note what is right, but does nothing."""
        self.warnings.append(self._problem(where, message))

    def has_any(self, where: KeyPath, *keys: str) -> bool:
        """Tell whether one of these keys of a table is wrong already, so that what it lacks follows from that."""
        return any((*where, key) in self._noted for key in keys)

    def sentences(self) -> list[str]:
        """Return all that was noted, each a `Problem`, in the order of the file."""
        in_order = sorted(self._found, key=lambda one: (one.line, one))
        return [*in_order]
