"""Text that is no TOML: each mistake with its line, what comes twice, and nothing that merely follows from those."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from runtime.config.lines import LineIndex
from runtime.config.syntax import parse


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("a = 1\nb =\n[c]\nd = tru\n", [(2, "invalid value"), (4, "invalid value")]),
        ("[clusters\nx = 1\nx = 2\n[b]\ny = \n", [(1, "expected ']' at the end of a table declaration"), (5, "invalid value")]),
        ('a = """\nx\ny', [(1, "unterminated string")]),
        ('a = 1\nb = [\n1,\n2\nc = 3\nd = "\n', [(2, "unclosed array"), (6, "illegal character '\\n'")]),
        ("a = [\n1,\nx\n]\nb = 1\n", [(3, "invalid value")]),
        ("a = {b = 1, b = 2}\n", [(1, "duplicate inline table key 'b'")]),
        ("\x01\n", [(1, "invalid statement")]),
    ],
)  # fmt: skip
def test_each_mistake_has_its_line(text: str, broken: list[tuple[int, str]]) -> None:
    """One for each, in one go; a bad header takes with it what stands below."""
    parsed = parse(text)
    assert [*parsed.broken] == broken
    assert parsed.document is None


@pytest.mark.parametrize(
    ("text", "twice", "document"),
    [
        ("a = 1\na = 2\n", (2,), {"a": 1}),
        ("[a]\nb = 1\n[a]\nb = 2\nc = 3\n[d]\n", (3,), {"a": {"b": 1}, "d": {}}),
        ("a.b = 1\n[a]\nc = 1\n", (2,), {"a": {"b": 1}}),
        ("a = [1]\n[[a]]\n", (2,), {"a": [1]}),
        ("a = 1\na = [\n2,\n3,\n]\nb = 4\n", (2,), {"a": 1, "b": 4}),
    ],
)
def test_what_comes_twice_is_told_and_the_first_counts(text: str, twice: tuple[int, ...], document: Any) -> None:
    """Keys, tables, and tables where there is a value."""
    parsed = parse(text)
    assert (parsed.twice, parsed.document, parsed.broken) == (twice, document, ())


VALUES = st.one_of(st.integers(-5, 5), st.booleans(), st.text(max_size=5), st.lists(st.integers(0, 3), max_size=3))
TABLES = st.dictionaries(st.text("ab. \"'é", max_size=3), VALUES, min_size=1, max_size=4)
DOCUMENTS = st.dictionaries(st.text("ab-", min_size=1, max_size=3), TABLES, max_size=4)


@given(DOCUMENTS)
def test_what_is_right_is_what_tomllib_says(document: dict[str, Any]) -> None:
    """And each key is found in the line that sets it."""
    text = tomlkit.dumps(document)
    parsed = parse(text)
    assert (parsed.document, parsed.broken, parsed.twice) == (tomllib.loads(text), (), ())
    index = LineIndex(text)
    for table, keys in document.items():
        for key in keys:
            line = index.line_of((table, key))
            assert index.path_at(line) == (table, key)


@given(DOCUMENTS, st.data())
def test_any_text_ends(document: dict[str, Any], data: st.DataObject) -> None:
    """Whatever is cut out of it or put into it; there is a document or a mistake, with a line that exists."""
    text = tomlkit.dumps(document)
    at = data.draw(st.integers(0, len(text)))
    text = text[:at] + data.draw(st.text("\n[]=\"'{}#,a1", max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    parsed = parse(text)
    assert (parsed.document is None) == bool(parsed.broken)
    for line in (*parsed.twice, *(line for line, _message in parsed.broken)):
        assert 1 <= line <= text.count("\n") + 1
