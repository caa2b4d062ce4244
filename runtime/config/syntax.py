"""Parses the text of clusters.toml: every line that is no TOML is found in one go, and every key that comes twice."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from attrs import field, frozen

__all__ = ["Parsed", "is_whole", "parse"]

_MAX_PROBLEMS = 50
_PLACE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = " (at end of document)"
_HEADER = re.compile(r"\s*\[")
_STATEMENT = re.compile(r"\s*(\[|[\w.\"' -]+=)")
_TWICE = "Cannot "  # overwrite a value, declare a table twice, and the like


@frozen
class Parsed:
    """What a text says, without its mistakes.

    Args:
        document: The data; None where lines had to be left out that are no TOML, so that much would seem to be missing.
        broken: The lines that are no TOML, with what is wrong with each.
        twice: The lines of keys and tables that were there before; what came first counts.
    """

    document: dict[str, Any] | None
    broken: tuple[tuple[int, str], ...] = field(default=())
    twice: tuple[int, ...] = field(default=())


def parse(text: str) -> Parsed:
    """Parse a text; after a mistake go on behind it.

    A statement that is wrong is left out, and with a header all that stands below it, since nobody knows where that
    belongs. The sentences of `tomllib` never repeat more of a value than one character.
    """
    lines = text.split("\n")  # as tomllib counts them
    broken: list[tuple[int, str]] = []
    twice: list[int] = []
    for _ in range(_MAX_PROBLEMS):
        try:
            document = tomllib.loads("\n".join(lines))
        except tomllib.TOMLDecodeError as error:
            found = _PLACE.search(str(error))
            end = min(int(found[1]), len(lines)) if found else len(lines)
            start = _start_of(lines, end)
            message = str(error).removesuffix(found[0] if found else _AT_END)
            if message.startswith(_TWICE):
                twice.append(start)
            else:
                is_open = found is None or message.startswith("Unclosed")
                broken.append((start if is_open else end, message[:1].lower() + message[1:]))
            _leave_out(lines, start, end)
        else:
            return Parsed(None if broken else document, tuple(broken), tuple(twice))
    return Parsed(None, tuple(broken), tuple(twice))


def _start_of(lines: list[str], line: int) -> int:
    """Return the line in which the statement of a line starts; before that line nothing is wrong."""
    start, chunk = 1, ""
    for number, one in enumerate(lines[: line - 1], 1):
        chunk += f"{one}\n"
        if is_whole(chunk):
            start, chunk = number + 1, ""
    return start


def is_whole(chunk: str) -> bool:
    """Tell whether a few lines are statements, and not the beginning of one."""
    try:
        tomllib.loads(chunk)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _leave_out(lines: list[str], start: int, end: int) -> None:
    goes_on = _HEADER if _HEADER.match(lines[start - 1]) else _STATEMENT if start < end else None
    while goes_on is not None and end < len(lines) and not goes_on.match(lines[end]):
        end += 1
    lines[start - 1 : end] = [""] * (end - start + 1)
