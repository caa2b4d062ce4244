"""Writes docs/configuration.md and docs/clusters.schema.json from the schema: `python -m tests.docs.reference_page`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs

from actors.secret import Secret
from actors.settings import DeliveryOptions
from runtime.config.json_schema import json_schema
from runtime.config.meanings import meanings_of
from runtime.config.reference import Key, Section, alternatives, sections
from tests.docs.limits import FIXED, SHOWN_BY, is_limit, limit_name

DOCS = Path(__file__).parents[2] / "docs"

HEAD = """# Every key of clusters.toml

This page is made from the schema by `python -m tests.docs.reference_page`, and so is `clusters.schema.json` beside it,
with which an editor completes keys, explains them and underlines mistakes. `isthmus schema > clusters.schema.json`
writes the one of your version; editors that know Taplo find it by the first line of clusters.toml:

```toml
#:schema ./clusters.schema.json
```

All times are seconds, all sizes bytes, unless a key says otherwise. Relative paths are relative to the file. A
**secret** is `"$NAME"`, an environment variable; `"file:PATH"`, the content of a file; or `"local:NAME"`, made at first
use and kept under `.isthmus/secrets`. Secrets are never written in the open; in free values such as those of
`config`, a text that begins with `$$` is a text that begins with `$`. `isthmus check` says all that is wrong with a
file, each with its line.
"""

LIMITS = """## All limits

What each bounds, what it is unless you set it, and the test (below `tests/`) that shows it to hold.

| key | default | bounds | shown by |
|---|---|---|---|
"""

FIXED_LIMITS = """
Some cannot be set:

| limit | bounds | shown by |
|---|---|---|
"""

_WORDS = {str: "text", bool: "true or false", int: "whole number", float: "number", Secret: "secret", Path: "path"}


def page() -> str:
    """Return docs/configuration.md."""
    found = list(sections())
    parts = [HEAD, *map(_section, found), LIMITS + "".join(_limits(found))]
    return "\n".join(parts)


def schema() -> str:
    """Return docs/clusters.schema.json."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _section(section: Section) -> str:
    rows = [
        f"| `{key.name}` | {_type(key.kind)} | {_default(section, key)} | {_meaning(key)} |\n" for key in section.keys
    ]
    head = f"## `[{'.'.join(section.path)}]`\n\n{section.purpose}\n\n| key | type | default | meaning |\n|---|---|---|---|\n"
    return head + "".join(rows)


def _limits(found: list[Section]) -> Iterator[str]:
    for section in found:
        for key in section.keys:
            if section.kind is DeliveryOptions or not is_limit(key):
                continue
            name = limit_name(section, key)
            test = SHOWN_BY.get(name, "**none**")
            yield f"| `{name}` | {_default(section, key)} | {_escaped(key.meaning)} | `{test}` |\n"
    yield FIXED_LIMITS
    for size, bounded, test in FIXED:
        yield f"| {size} | {bounded} | `{test}` |\n"


def _type(kind: Any) -> str:
    return " or ".join(_type_of_one(one) for one in alternatives(kind))


def _type_of_one(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return f"array: {_type(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        value = get_args(kind)[1]
        if value is Any:
            return "table of values"
        return "tables by name, see below" if attrs.has(value) else f"table of {_type(value)}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f'`"{one.value}"`' for one in kind)
    return _WORDS.get(kind, "table, see below")


def _default(section: Section, key: Key) -> str:
    if key.is_needed:
        return "**needed**"
    if section.kind is DeliveryOptions:
        return "the topic's"
    if key.section is not None or key.default is None or key.default == "":
        return ""
    return f"`{json.dumps(key.default)}`"


def _meaning(key: Key) -> str:
    choices = [
        f'`"{one.value}"`: {meanings_of(kind).get(one.name, "")}'
        for kind in alternatives(key.kind)
        if isinstance(kind, type) and issubclass(kind, Enum)
        for one in kind
    ]
    return _escaped("; ".join([key.meaning, *choices]))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    (DOCS / "configuration.md").write_text(page())
    (DOCS / "clusters.schema.json").write_text(schema())
