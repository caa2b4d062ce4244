"""How tables fit: what is cut, what is left out, and what never is."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from runtime.cli import tables
from runtime.cli.layout import FEWEST, GAP, Column, fitted

columns = st.builds(Column, st.integers(1, 15), st.integers(0, 200), st.booleans())


@given(st.lists(columns, min_size=1, max_size=12), st.integers(1, 250))
def test_what_is_given_fits_and_what_may_not_be_cut_is_whole(some: list[Column], width: int) -> None:
    """The columns come in their order; one more would not fit, and nothing is narrower than it may be."""
    widths = fitted(some, width)
    if widths is None:
        first = some[:FEWEST]
        assert sum(one.least for one in first) + GAP * (len(first) - 1) > width
        return
    assert sum(widths) + GAP * (len(widths) - 1) <= width
    for one, given_width in zip(some, widths, strict=False):
        assert one.least <= given_width <= one.whole
        assert one.may_be_cut or given_width == one.whole
    more = some[: len(widths) + 1]
    is_all = len(widths) == len(some)
    assert is_all or sum(one.least for one in more) + GAP * (len(more) - 1) > width


@given(st.lists(columns, min_size=1, max_size=12))
def test_where_there_is_room_for_everything_nothing_is_cut(some: list[Column]) -> None:
    """Each column is as wide as its widest value, and no wider."""
    assert fitted(some, 5000) == [one.whole for one in some]


ROWS = [
    {"name": "one", "size": 7, "empty": "", "text": "x" * 60, "key": "k" * 30, "more": "y" * 40},
    {"name": "two", "size": None, "empty": None, "text": "[red]", "key": "k2", "more": ["a"]},
]


def shown(
    monkeypatch: pytest.MonkeyPatch, width: int, rows: list[dict[str, Any]], *, on_terminal: bool = True
) -> list[str]:
    file = io.StringIO()

    def console(**options: Any) -> Console:
        return Console(file=file, width=width, force_terminal=on_terminal, color_system=None, **options)

    monkeypatch.setattr(tables, "Console", console)
    tables.show_rows(rows, as_json=False, whole=["key"])
    return [line.rstrip("\n") for line in file.getvalue().splitlines()]


def test_a_terminal_gets_lines_that_fit_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is typed again stands first and whole; long texts end in an ellipsis; what has no room is named."""
    assert shown(monkeypatch, 80, ROWS) == [
        "key                             name  size  text               more",
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkk  one   7     xxxxxxxxxxxxxxxx…  yyyyyyyyyyyyyyyy…",
        'k2                              two         [red]              ["a"]',
    ]
    assert shown(monkeypatch, 50, ROWS) == [
        "key                             name  size",
        "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkk  one   7",
        "k2                              two",
        "no room for text, more; --json has all",
    ]


def test_where_too_few_columns_fit_each_thing_is_shown_as_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then everything is there, empty values too."""
    lines = shown(monkeypatch, 34, ROWS)
    assert lines[:3] == ["name: one", "size: 7", "empty: "]
    assert lines[6] == ""
    assert lines[-1] == 'more: ["a"]'


def test_a_pipe_gets_everything_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut or left out, however long it is."""
    lines = shown(monkeypatch, 40, ROWS, on_terminal=False)
    assert [len(line) for line in lines[1:2]] == [30 + 2 + 4 + 2 + 4 + 2 + 5 + 2 + 60 + 2 + 40]
    assert lines[0].split() == ["key", "name", "size", "empty", "text", "more"]
    assert "x" * 60 in lines[1]
