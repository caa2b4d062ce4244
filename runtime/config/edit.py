"""Changes single keys and tables of clusters.toml; every other line stays as it is, byte for byte.

tomlkit changes the statement concerned and writes values. It is not given the whole text: a new key would go below
comments that belong to the next table. What comes out is parsed and compared with what it should say, so that a form
that is not understood here is refused, and never written wrongly.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import tomlkit
from tomlkit.items import InlineTable

from runtime.config.lines import Statement, statements
from runtime.config.problems import key_text, path_text

__all__ = ["CannotEdit", "added", "removed", "value_at", "with_value"]

Path = tuple[str, ...]


class CannotEdit(Exception):
    """A change that cannot be made; the message is a sentence."""


def value_at(text: str, path: Path) -> Any:
    """Return what a key or table is, as plain data; None where it is not there."""
    found: Any = tomllib.loads(text)
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    return found


def with_value(text: str, path: Path, value: Any) -> str:
    """Return the text with a key set to a value, in its place where it is there already.

    Raises:
        CannotEdit: Where the key stands in a form that cannot be changed here.
    """
    edited = _Text(text)
    if (statement := edited.covering(path)) is not None:
        edited.change(statement, path, value)
    else:
        edited.insert(path, value)
    return _checked(text, edited.text, path, value)


def added(text: str, path: Path, values: Sequence[tuple[Path, Any]]) -> str:
    """Return the text with a new table, behind its neighbours, that has these keys.

    Raises:
        CannotEdit: When it is there already.
    """
    if value_at(text, path) is not None:
        msg = f"{path_text(path)} is there already; change it with: isthmus set"
        raise CannotEdit(msg)
    edited = _Text(text)
    edited.open_table(path, [_assignment(key, value) for key, value in values])
    content: dict[str, Any] = {}
    for key, value in values:
        _set(content, key, value)
    return _checked(text, edited.text, path, content)


def removed(text: str, path: Path) -> str:
    """Return the text without a key, or without a table and all that belongs to it.

    Comments between the lines of a table go with it; those above it stay.

    Raises:
        CannotEdit: When it is not there, or in a form that cannot be changed here.
    """
    if value_at(text, path) is None:
        msg = f"there is no {path_text(path)}"
        raise CannotEdit(msg)
    edited = _Text(text)
    statement = edited.covering(path)
    if statement is not None and statement.path != path:
        edited.change(statement, path, None)
    else:
        edited.cut(path)
    return _checked(text, edited.text, path, None)


class _Text:
    """A text as lines with their ends, and its statements."""

    def __init__(self, text: str) -> None:
        self._newline = "\r\n" if "\r\n" in text else "\n"
        *lines, last = text.split("\n")
        self._lines = [*(f"{line}\n" for line in lines), last]
        self._statements = statements(text)

    @property
    def text(self) -> str:
        return "".join(self._lines)

    def covering(self, path: Path) -> Statement | None:
        """Return the statement that sets a key, or a value around it."""
        for one in self._statements:
            if one.key and (own := self._key_of(one)) == path[: len(own)]:
                return one
        return None

    def _key_of(self, statement: Statement) -> Path:
        """Return the path that stands left of a statement's equals sign."""
        container: Any = tomlkit.parse(self._source(statement))
        path = list(statement.table)
        while len(container) == 1 and not isinstance(container, InlineTable):
            [key] = container
            path.append(str(key))
            container = container[key]
            if not isinstance(container, dict):
                break
        return tuple(path)

    def _source(self, statement: Statement) -> str:
        return "".join(self._lines[statement.start - 1 : statement.end]).replace("\r\n", "\n")

    def change(self, statement: Statement, path: Path, value: Any) -> None:
        """Set a key within a statement, or take it away where the value is None."""
        document = tomlkit.parse(self._source(statement))
        container: Any = document
        *inner, last = path[len(statement.table) :]
        for part in inner:
            if not isinstance(container, dict):
                break
            container = container.setdefault(part, tomlkit.inline_table())
        if not isinstance(container, dict):
            msg = f"{path_text(path)}: what stands around it is no table"
            raise CannotEdit(msg)
        if value is None:
            del container[last]
        else:
            container[last] = value
        lines = document.as_string().split("\n")
        self._replace(statement.start, statement.end, lines[:-1] if lines[-1] == "" else lines)

    def insert(self, path: Path, value: Any) -> None:
        """Add a key to the table that it belongs to, which is opened where it is not."""
        table, key = path[:-1], path[-1:]
        dotted = [
            one for one in self._statements if one.key and len(one.table) < len(table) == _shared(one.path, table)
        ]
        if dotted:  # the table is there as dotted keys of another one
            at = dotted[-1]
            self._replace(at.end + 1, at.end, [_assignment(path[len(at.table) :], value)])
            return
        own = [one for one in self._statements if one.table == table]
        if own:
            self._replace(own[-1].end + 1, own[-1].end, [_assignment(key, value)])
        else:
            self.open_table(table, [_assignment(key, value)])

    def open_table(self, path: Path, content: list[str]) -> None:
        """Add a table behind those that share most of its path, or above those that are below it."""
        lines = [f"[{path_text(path)}]", *content]
        below = [one for one in self._statements if not one.key and one.table[: len(path)] == path]
        if below:
            self._replace(below[0].start, below[0].start - 1, [*lines, ""])
            return
        most = max((_shared(one.table, path) for one in self._statements), default=0)
        near = [one for one in self._statements if most and _shared(one.table, path) == most]
        at = self._behind_comments(near[-1].end) if near else len(self._lines) - (not self._lines[-1])
        before = [""] if at and self._lines[at - 1].strip() else []
        after = [""] if at < len(self._lines) and self._lines[at].strip() else []
        self._replace(at + 1, at, [*before, *lines, *after])

    def _behind_comments(self, line: int) -> int:
        """Return the line behind which a table ends: comments right below it are its own, but not those of the next."""
        end = line
        while end < len(self._lines) and self._lines[end].lstrip().startswith("#"):
            end += 1
        return end if end == len(self._lines) or not self._lines[end].strip() else line

    def cut(self, path: Path) -> None:
        """Take away the statements that set a key, or that belong to a table."""
        gone = [one for one in self._statements if one.path[: len(path)] == path]
        for first, last in reversed(_runs(gone, self._statements)):
            end = last.end
            if not first.key and first.start > 1 and not self._lines[first.start - 2].strip():
                while end < len(self._lines) and not self._lines[end].strip():  # one blank line is left of two
                    end += 1
            self._replace(first.start, end, [])

    def _replace(self, start: int, end: int, lines: list[str]) -> None:
        new = [f"{line}{self._newline}" for line in lines]
        if new and start > 1 and not self._lines[start - 2].endswith("\n"):
            self._lines[start - 2] += self._newline
        self._lines[start - 1 : end] = new


def _runs(some: list[Statement], of: list[Statement]) -> list[tuple[Statement, Statement]]:
    """Return the first and last of those that follow each other; keys do not share a run with the table before."""
    runs: list[tuple[Statement, Statement]] = []
    for one in some:
        if runs and of.index(runs[-1][1]) + 1 == of.index(one) and not runs[-1][0].key:
            runs[-1] = (runs[-1][0], one)
        else:
            runs.append((one, one))
    return runs


def _shared(one: Path, other: Path) -> int:
    """Return how many parts two paths have in common."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _assignment(key: Path, value: Any) -> str:
    return f"{'.'.join(map(key_text, key))} = {tomlkit.item(value).as_string()}"


def _set(content: dict[str, Any], path: Path, value: Any) -> None:
    for part in path[:-1]:
        content = content.setdefault(part, {})
    content[path[-1]] = value


def _checked(before: str, after: str, path: Path, value: Any) -> str:
    """Return a changed text that says what it should: the same as before, but for one value, or without it."""
    expected = deepcopy(tomllib.loads(before))
    found: Any = None
    try:
        if value is None:
            table: Any = expected
            for part in path[:-1]:
                table = table[part]
            del table[path[-1]]
        else:
            _set(expected, path, value)
        found = tomllib.loads(after)
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        pass
    if found is None or _filled(found) != _filled(expected):
        msg = f"{path_text(path)} stands in a form that this command does not change; edit the file by hand"
        raise CannotEdit(msg)
    return after


def _filled(value: Any) -> Any:
    """Return data without empty tables, which a removal may leave or not."""
    if not isinstance(value, dict):
        return value
    inner = {key: _filled(one) for key, one in value.items()}
    return {key: one for key, one in inner.items() if one != {}}
