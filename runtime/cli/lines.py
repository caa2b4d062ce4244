"""Lines of a file, a pipe or a terminal, as they come, without a thread and without blocking the event loop."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import trio
from attrs import frozen

__all__ = ["LONGEST", "Line", "LineReader", "read_lines"]

CHUNK = 64 * 1024
LONGEST = 8 * 1024 * 1024
"""Bytes of one line: what is longer is passed over to its end, and named."""


@frozen
class Line:
    """A line without its end, numbered from 1; `text` is None where it is too long or no UTF-8, as `problem` says."""

    number: int
    text: str | None
    problem: str = ""


class LineReader:
    """Cuts bytes into lines.

    Args:
        longest: Bytes of one line.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._number = 0
        self._begun = bytearray()
        self._is_too_long = False

    def feed(self, data: bytes) -> Iterator[Line]:
        """Take the next bytes; give the lines that end in them."""
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._keep(part)
            yield self._line()
        self._keep(rest)

    def end(self) -> Iterator[Line]:
        """Give the last line, where it has no end of its own."""
        if self._begun or self._is_too_long:
            yield self._line()

    def _keep(self, part: bytes) -> None:
        if len(self._begun) + len(part) > self._longest:
            self._is_too_long = True
            self._begun.clear()
        if not self._is_too_long:
            self._begun += part

    def _line(self) -> Line:
        self._number += 1
        data, is_too_long = bytes(self._begun.removesuffix(b"\r")), self._is_too_long
        self._begun.clear()
        self._is_too_long = False
        if is_too_long:
            return Line(self._number, None, f"the line has more than {self._longest} bytes")
        try:
            return Line(self._number, data.decode())
        except UnicodeDecodeError as error:
            return Line(self._number, None, f"no UTF-8: {error.reason} at byte {error.start + 1}")


async def read_lines(descriptor: int) -> AsyncIterator[tuple[list[Line], int]]:
    """Give lines as they come, those of one read together, and how many bytes that was; stop at the end.

    Cancellation loses nothing that was read.
    """
    reader = LineReader()
    while True:
        try:
            await trio.lowlevel.wait_readable(descriptor)
        except PermissionError:  # a regular file, which is always readable
            await trio.lowlevel.checkpoint()
        data = os.read(descriptor, CHUNK)
        if not data:
            break
        yield list(reader.feed(data)), len(data)
    yield list(reader.end()), 0
