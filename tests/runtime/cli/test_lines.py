"""Bytes cut into lines, and where somebody who follows a topic begins."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.lines import Line, LineReader, read_lines
from runtime.cli.position import Position, position_from

NOW = datetime.datetime(2026, 1, 31, 12, 0)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_lines_do_not_depend_on_how_the_bytes_come(chunks: list[bytes]) -> None:
    """They are what a split of all bytes at once gives, each as text or with what is wrong with it."""
    reader = LineReader(longest=20)
    found = [line for chunk in chunks for line in reader.feed(chunk)]
    found += reader.end()
    wanted = b"".join(chunks).split(b"\n")
    if wanted[-1] == b"":
        wanted.pop()
    assert [one.number for one in found] == list(range(1, len(wanted) + 1))
    for line, data in zip(found, wanted, strict=True):
        if len(data) > 20:
            assert (line.text, line.problem) == (None, "the line has more than 20 bytes")
        elif line.problem:
            assert line.text is None
            with pytest.raises(UnicodeDecodeError):
                data.removesuffix(b"\r").decode()
        else:
            assert line.text == data.removesuffix(b"\r").decode()


async def test_a_pipe_is_read_as_it_fills_and_a_file_to_its_end(tmp_path: Path) -> None:
    """Neither takes a thread; a line without an end counts, and cancelling a wait loses nothing."""
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "wb", buffering=0) as writer:
        writer.write(b"one\ntw")
        lines = read_lines(ours)
        assert await anext(lines) == ([Line(1, "one")], 6)
        writer.write(b"o\n")
        assert await anext(lines) == ([Line(2, "two")], 2)
        with trio.move_on_after(0):
            await anext(lines)
    path = tmp_path / "file"
    path.write_bytes(b"a\r\nb")
    with path.open("rb", buffering=0) as file:
        assert [one async for one in read_lines(file.fileno())] == [([Line(1, "a")], 4), ([Line(2, "b")], 0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", Position()),
        ("beginning", Position(0)),
        ("17", Position(16)),
        ("0", Position(0)),
        ("10m", Position(0, NOW - datetime.timedelta(minutes=10))),
        ("3d", Position(0, NOW - datetime.timedelta(days=3))),
        ("2026-01-31T13:00+02:00", Position(0, NOW - datetime.timedelta(hours=1))),
        ("2026-01-31T11:00:00.500Z", Position(0, NOW - datetime.timedelta(minutes=59, seconds=59.5))),
    ],
)
def test_a_position_has_many_forms(text: str, expected: Position) -> None:
    """A place is the first one shown; times are compared in UTC."""
    assert position_from(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "then", "-3", "5y", "2026-13-01"])
def test_what_is_no_position_is_named(text: str) -> None:
    """With what was expected."""
    with pytest.raises(ValueError, match="expected now, beginning, a place such as 17"):
        position_from(text, NOW)


def test_a_time_is_compared_with_what_messages_carry() -> None:
    """Messages that came in at that very moment are among those wanted."""
    since = Position(0, NOW)
    assert since.includes("2026-01-31T12:00:00.000Z")
    assert not since.includes("2026-01-31T11:59:59.999Z")
    assert Position(0).includes("1970-01-01T00:00:00.000Z")
