"""What a command line says of clusters.toml: keys and values."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.config.values import parse_path, value_from


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("channels.gateway.active", ("channels", "gateway", "active")),
        ('topics."/customer.new".active', ("topics", "/customer.new", "active")),
        ("topics./customer/new.active", ("topics", "/customer/new", "active")),
        ("outgoing.My WSX Outconn.active", ("outgoing", "My WSX Outconn", "active")),
        ("outgoing.'a.b'", ("outgoing", "a.b")),
        ("active", ("active",)),
    ],
)
def test_a_key(text: str, expected: tuple[str, ...]) -> None:
    """Only names with dots need quotes."""
    assert parse_path(text) == expected


@pytest.mark.parametrize("text", ["", ".", "a..b", "a.", '"a', '"a"b.c'])
def test_what_is_no_key(text: str) -> None:
    """Is refused."""
    with pytest.raises(ValueError, match="is no key"):
        parse_path(text)


@pytest.mark.parametrize(
    ("path", "texts", "expected"),
    [
        ("channels.a.service", ["demo.echo"], "demo.echo"),
        ("channels.a.service", ['"demo.echo"'], "demo.echo"),
        ("channels.a.service", ["5"], "5"),
        ("channels.a.compat", ["3.0"], "3.0"),
        ("channels.a.max_sessions", ["1_000"], 1000),
        ("channels.a.max_sessions", ["many"], "many"),
        ("channels.a.active", ["false"], False),
        ("channels.a.services_allowed", ["demo.*"], ["demo.*"]),
        ("channels.a.services_allowed", ["a", "b"], ["a", "b"]),
        ("channels.a.services_allowed", ['["a", "b"]'], ["a", "b"]),
        ("outgoing.a.password", ["$APAC"], "$APAC"),
        ("outgoing.a.backoff", ["{first = 1.0}"], {"first": 1.0}),
        ("outgoing.a.subscriptions./x.ordered", ["true"], True),
        ("outgoing.a.headers.X-Key", ["local:key"], "local:key"),
        ("config.limit", ["5"], 5),
        ("config.text", ["a\nb = 1"], "a\nb = 1"),
        ("unknown.key", ["5"], 5),
    ],
)
def test_a_value(path: str, texts: list[str], expected: Any) -> None:
    """TOML, but where the schema has text, the text itself; arrays one by one."""
    found = value_from(texts, parse_path(path))
    assert (found, type(found)) == (expected, type(expected))
