"""Reads what docs/protocol.md says in a form that can be checked: its examples and its tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from attrs import frozen

TEXT = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()

_BLOCK = re.compile(r"^```(\w+) ?(.*)\n((?:.*\n)*?)```$", re.MULTILINE)
_CODE = re.compile(r"`([^`]+)`")


@frozen
class Example:
    """A fenced block with what its first line says of it: `from=client kind=hello`, and flags."""

    language: str
    said: dict[str, str]
    text: str
    line: int

    @property
    def data(self) -> Any:
        return json.loads(self.text)

    @property
    def bytes(self) -> bytes:
        """The bytes of a hex dump, in which a semicolon begins what a line means."""
        return bytes.fromhex("".join(line.partition(";")[0] for line in self.text.splitlines()))

    @property
    def steps(self) -> list[tuple[bytes, str]]:
        """The annotated parts of a dump, each with what it means; none where it is not annotated."""
        parts, found = "", []
        for line in self.text.splitlines():
            digits, semicolon, meaning = line.partition(";")
            parts += digits
            if semicolon:
                found.append((bytes.fromhex(parts), meaning.strip()))
                parts = ""
        return found

    def __str__(self) -> str:
        return f"line {self.line} {self.said.get('kind', self.said.get('violation', ''))}"


def examples() -> list[Example]:
    """Return all examples, in order."""
    found = []
    for match in _BLOCK.finditer(TEXT):
        said = dict(word.partition("=")[::2] for word in match[2].split())
        found.append(Example(match[1], said, match[3], TEXT[: match.start()].count("\n") + 1))
    return found


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one that is as high or higher."""
    level = heading.partition(" ")[0]
    start = re.search(rf"^{re.escape(heading)}.*\n", TEXT, re.MULTILINE)
    assert start is not None, f"there is no heading {heading!r}"
    end = re.compile(rf"^#{{1,{len(level)}}} ", re.MULTILINE).search(TEXT, start.end())
    return TEXT[start.end() : None if end is None else end.start()]


def table(text: str, first: str) -> list[list[str]]:
    """Return the rows of the table in a text whose first column is called so."""
    start = text.index(f"| {first} |")
    lines = text[start:].split("\n\n")[0].splitlines()
    return [
        [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in lines[2:]
    ]


def codes(cell: str) -> list[str]:
    """Return what a cell has in backticks."""
    return _CODE.findall(cell)
