"""Edits of clusters.toml: what was meant is changed, and every comment and every other line survives."""

from __future__ import annotations

import tomllib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomlkit import item, key

from runtime.config.edit import CannotEdit, added, removed, with_value

TEXT = """# All clusters.

[clusters.emea]   # here
services = ["a.py"]  # ours
store.kind = "sqlite"

# Who may come in.
[clusters.emea.security.apac]
username = "apac"
# password = "$OLD"
password = "local:x"

# The way in.
[clusters.emea.channels.gateway]
address = "ws://127.0.0.1:47043/"
services_allowed = [
  "demo.*",  # all of it
  "zato.ping",
]
# max_sessions = 5

# The other side.
[clusters.apac]

[clusters.apac.outgoing."My WSX Outconn"]
backoff = { first = 1.0, longest = 9.0 } # slow
subscribe = ["/a"]

[clusters.emea.topics."/customer/new"] # out of order
guaranteed = true"""
GATEWAY = ("clusters", "emea", "channels", "gateway")
LINK = ("clusters", "apac", "outgoing", "My WSX Outconn")


def difference(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that went and those that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("path", "value", "gone", "came"),
    [
        ((*GATEWAY, "max_sessions"), 7, [], ["max_sessions = 7"]),
        (("clusters", "emea", "services"), ["b.py"], ['services = ["a.py"]  # ours'], ['services = ["b.py"]  # ours']),
        ((*LINK, "backoff", "first"), 2, ["backoff = { first = 1.0, longest = 9.0 } # slow"],
         ["backoff = { first = 2, longest = 9.0 } # slow"]),
        ((*LINK, "backoff", "reset_after"), 2.5, ["backoff = { first = 1.0, longest = 9.0 } # slow"],
         ["backoff = { first = 1.0, longest = 9.0, reset_after = 2.5} # slow"]),
        (("clusters", "emea", "store", "synchronous"), "NORMAL", [], ['store.synchronous = "NORMAL"']),
        (("clusters", "emea", "topics", "/customer/new", "on_full"), "reject", [], ['on_full = "reject"']),
        (("clusters", "emea", "topics", "/b", "guaranteed"), True, [], ['[clusters.emea.topics."/b"]']),
        (("clusters", "emea", "data_dir"), "x\ny", [], ['data_dir = "x\\ny"']),
        (("clusters", "emea", "endpoints", "a.b", "channel"), "gateway", [], ['[clusters.emea.endpoints."a.b"]']),
    ],
)  # fmt: skip
def test_a_key_is_set(path: tuple[str, ...], value: Any, gone: list[str], came: list[str]) -> None:
    """In its place, or where its table is; the comment of its line stays, and so do all other lines."""
    after = with_value(TEXT, path, value)
    went, new = difference(TEXT, after)
    assert went == gone
    assert new[: len(came)] == came


def test_a_new_key_stands_above_the_comments_of_the_next_table() -> None:
    """Below the last key of its own table."""
    after = with_value(TEXT, (*GATEWAY, "active"), False)
    assert '  "zato.ping",\n]\nactive = false\n# max_sessions = 5\n\n# The other side.\n' in after


def test_a_table_is_added_behind_its_neighbours() -> None:
    """With a blank line around it, below the comments that belong to the one before."""
    values = [(("address",), "ws://127.0.0.1:1/"), (("extra_properties", "a.b"), 1)]
    after = added(TEXT, ("clusters", "emea", "channels", "second"), values)
    expected = (
        "# max_sessions = 5\n\n[clusters.emea.channels.second]\n"
        'address = "ws://127.0.0.1:1/"\nextra_properties."a.b" = 1\n\n# The other side.\n'
    )
    assert expected in after
    assert difference(TEXT, after)[0] == []
    with pytest.raises(CannotEdit, match="is there already"):
        added(after, ("clusters", "emea", "channels", "second"), values)


def test_a_table_is_added_to_a_text_without_any() -> None:
    """A cluster in an empty file, and one behind all others."""
    assert added("", ("clusters", "a"), [(("services",), ["x"])]) == '[clusters.a]\nservices = ["x"]\n'
    assert added("# mine\n", ("clusters", "a"), []) == "# mine\n\n[clusters.a]\n"
    assert added(TEXT, ("clusters", "b"), []).endswith("guaranteed = true\n\n[clusters.b]\n")


def test_a_table_is_removed_with_all_that_belongs_to_it() -> None:
    """Its lines, its own tables wherever they stand, and one of two blank lines; comments above it stay."""
    after = removed(TEXT, ("clusters", "emea"))
    assert tomllib.loads(after) == {"clusters": {"apac": tomllib.loads(TEXT)["clusters"]["apac"]}}
    assert [line for line in after.splitlines() if line.startswith("#")] == [
        "# All clusters.", "# max_sessions = 5", "# The other side.",
    ]  # fmt: skip
    assert "\n\n\n" not in removed(TEXT, GATEWAY)


def test_a_key_is_removed() -> None:
    """From its table, or from within a value; what is not there is said."""
    assert difference(TEXT, removed(TEXT, ("clusters", "emea", "services"))) == (['services = ["a.py"]  # ours'], [])
    assert "longest = 9.0 } # slow" in removed(TEXT, (*LINK, "backoff", "first"))
    with pytest.raises(CannotEdit, match=r"there is no clusters\.emea\.channels\.other"):
        removed(TEXT, ("clusters", "emea", "channels", "other"))


@pytest.mark.parametrize("path", [("clusters", "emea", "services", "x"), ("clusters", "emea", "services", "x", "y")])
def test_what_cannot_be_changed_is_refused(path: tuple[str, ...]) -> None:
    """A key below a value that is no table."""
    with pytest.raises(CannotEdit):
        with_value(TEXT, path, 1)


def test_line_ends_stay_what_they_are() -> None:
    """Those of Windows, too, also in new lines."""
    text = TEXT.replace("\n", "\r\n")
    after = added(with_value(text, (*GATEWAY, "active"), False), ("clusters", "c"), [(("hot_deploy",), True)])
    assert after.count("\n") == after.count("\r\n") == TEXT.count("\n") + 5


NAMES = st.sampled_from(["a", "b", "c d", "/x", 'q"'])
VALUES = st.one_of(
    st.integers(0, 9), st.booleans(), st.text('ab\n"#\\é', max_size=4), st.lists(st.text("a,", max_size=2))
)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Return a text with comments everywhere, in the forms in which TOML can say one thing."""
    lines = ["# top"]
    seen: set[tuple[str, ...]] = set()
    for number in range(draw(st.integers(0, 4))):
        path = tuple(draw(st.lists(NAMES, min_size=1, max_size=3)))
        if any(path == one[: len(path)] or one == path[: len(one)] for one in seen):
            continue
        seen.add(path)
        lines += draw(st.sampled_from([[], [""], ["", f"# above {number}"]]))
        lines.append(f"[{'.'.join(key(one).as_string() for one in path)}]" + draw(st.sampled_from(["", "  # header"])))
        for name in draw(st.lists(st.sampled_from(["k", "l", "m n"]), max_size=3, unique=True)):
            value = item(draw(VALUES)).as_string()
            left = key(name).as_string()
            form = draw(st.sampled_from(["{l} = {v}", "{l} = {v} # end", "{l}.x = {v}", "{l} = {{ x = {v} }} # in"]))
            lines.append(form.format(l=left, v=value))
            if draw(st.booleans()):
                lines.append(f"# below {name}")
    return "\n".join(lines) + draw(st.sampled_from(["", "\n", "\n\n"]))


PATHS = st.one_of(
    st.lists(NAMES, min_size=1, max_size=3),
    st.tuples(NAMES, st.sampled_from(["k", "l", "m n", "new"])).map(list),
    st.tuples(NAMES, NAMES, st.sampled_from(["k", "l", "new"]), st.sampled_from(["x", "y"])).map(list),
).map(tuple)


@settings(max_examples=300)
@given(texts(), PATHS, VALUES, st.sampled_from(["set", "add", "remove"]))
def test_every_comment_and_every_untouched_line_survives(text: str, path: Any, value: Any, what: str) -> None:
    """Whatever is set, added or removed; only lines of the statement, or of the table that was removed, may differ."""
    try:
        after = {
            "set": lambda: with_value(text, path, value),
            "add": lambda: added(text, path, [(("k",), value)]),
            "remove": lambda: removed(text, path),
        }[what]()
    except CannotEdit:
        return
    old, new = text.split("\n"), after.split("\n")
    came = Counter(new) - Counter(old)
    gone = Counter(line for line in old if line.strip()) - Counter(new)
    if what == "remove":
        assert came.total() <= 1  # the rest of a statement of which a part went
    else:
        assert gone.total() <= (what == "set")  # the statement that was changed
        assert [line for line in old if line.startswith("#")] == [line for line in new if line.startswith("#")]
    places = iter(new)
    assert all(line in places for line in old if line.strip() and line not in gone and line not in came)
