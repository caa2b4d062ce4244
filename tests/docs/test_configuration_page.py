"""docs/configuration.md and docs/clusters.schema.json against the schema, which they are made from."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import jsonschema
import pytest
import tomlkit

from actors.settings import DeliveryOptions
from runtime.config.json_schema import json_schema
from runtime.config.meanings import meanings_of
from runtime.config.reference import Section, alternatives, sections
from tests.docs.limits import FIXED, SHOWN_BY, is_limit, limit_name
from tests.docs.reference_page import DOCS, page, schema
from tests.processes import ROOT

AGAIN = "make it again: .venv/bin/python -m tests.docs.reference_page"


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: ".".join(section.path))
def test_every_key_and_every_choice_has_a_meaning(section: Section) -> None:
    """Which is the comment beside it, in the class that is named here."""
    assert section.purpose, f"{section.kind.__name__} has no docstring"
    for key in section.keys:
        assert key.meaning, f"{section.kind.__name__}.{key.name} needs a comment at its end or above it: its meaning"
        for kind in alternatives(key.kind):
            if isinstance(kind, type) and issubclass(kind, Enum):
                missing = [one.name for one in kind if not meanings_of(kind).get(one.name)]
                assert not missing, f"{kind.__name__}: {missing} need a comment each: what that choice means"


def test_what_is_committed_is_what_the_schema_says() -> None:
    """A key that was added, changed or taken away is in both files."""
    assert (DOCS / "configuration.md").read_text() == page(), AGAIN
    assert (DOCS / "clusters.schema.json").read_text() == schema(), AGAIN


def test_each_limit_is_listed_with_a_test_that_exists() -> None:
    """None is without one, no test is named that is not there, and none for what is no limit."""
    listed = [section for section in sections() if section.kind is not DeliveryOptions]
    limits = {limit_name(section, key) for section in listed for key in section.keys if is_limit(key)}
    assert set(SHOWN_BY) == limits
    for place in (*SHOWN_BY.values(), *(test for _size, _bounded, test in FIXED)):
        file, _, name = place.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE), place


def configurations() -> list[Path]:
    """Return the files of the repository that describe clusters."""
    found = [ROOT / "clusters.toml", *sorted((ROOT / "examples").rglob("clusters.toml"))]
    return [path for path in found if ".isthmus" not in path.parts]


@pytest.mark.parametrize("path", configurations(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_schema_takes_what_is_right(path: Path) -> None:
    """An editor underlines nothing in a file that `isthmus check` passes."""
    jsonschema.validate(tomlkit.parse(path.read_text()).unwrap(), json_schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("guaranteed = true", "guarantied = true", ["clusters", "emea", "topics", "/customer/new"]),
        ("guaranteed = true", 'guaranteed = "yes"', ["clusters", "emea", "topics", "/customer/new", "guaranteed"]),
        ('remote = "cluster"', 'remote = "zato"', ["clusters", "apac", "outgoing", "My WSX Outconn", "remote"]),
        ('"local:emea-apac"', '"in the open"', ["clusters", "emea", "security", "apac", "password"]),
        ('security = "apac"\n', "", ["clusters", "emea", "channels", "gateway"]),
        ('["/order/**"]', "[7]", ["clusters", "emea", "endpoints", "apac", "publish", 0]),
    ],
)
def test_the_schema_refuses_what_is_wrong(old: str, new: str, where: list[str | int]) -> None:
    """At the very place: unknown keys, wrong types, choices that are none, secrets in the open, what is missing."""
    document = tomlkit.parse((ROOT / "clusters.toml").read_text().replace(old, new, 1)).unwrap()
    [error] = jsonschema.Draft7Validator(json_schema()).iter_errors(document)
    assert list(error.absolute_path) == where
