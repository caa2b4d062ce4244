"""The JSON Schema of clusters.toml, from which editors complete keys, explain them and underline mistakes.

Draft 7, which editors of TOML understand. Names that refer to something, and what depends on several keys, are left to
`isthmus check`.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import attrs

from actors.secret import Secret
from runtime.config.meanings import meanings_of, purpose_of
from runtime.config.reference import Key, alternatives, keys_of
from runtime.config.schema import ClusterSettings
from runtime.config.secrets import FORMS
from runtime.config.signals import LogSettings, TraceSettings

__all__ = ["json_schema"]

Schema = dict[str, Any]

_SIMPLE: dict[Any, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer", "minimum": 0},
    float: {"type": "number", "minimum": 0},
    Path: {"type": "string", "minLength": 1},
    Secret: {"type": "string", "pattern": r"^(\$[^$]|file:.|local:[A-Za-z0-9_-])"},
}


def json_schema() -> Schema:
    """Return the schema, as data for JSON."""
    definitions: dict[str, Schema] = {}
    clusters = {"type": "object", "minProperties": 1, "additionalProperties": _of(ClusterSettings, definitions)}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "clusters.toml of Isthmus",
        "type": "object",
        "required": ["clusters"],
        "additionalProperties": False,
        "properties": {
            "clusters": {"description": "The clusters, by name.", **clusters},
            "log": _of(LogSettings, definitions),
            "traces": _of(TraceSettings, definitions),
        },
        "definitions": dict(sorted(definitions.items())),
    }


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """Return the schema of a type; those of tables are added to the definitions and referred to."""
    several = alternatives(kind)
    if len(several) > 1:
        return {"anyOf": [_of(one, definitions) for one in several]}
    kind = several[0]
    if kind is Any:
        return {}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _of(get_args(kind)[1], definitions)}
    if get_origin(kind) is tuple:
        return {"type": "array", "items": _of(get_args(kind)[0], definitions)}
    if attrs.has(kind):
        return _table(kind, definitions)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"type": "string", "enum": [one.value for one in kind]}
    return dict(_SIMPLE[kind])


def _table(kind: type, definitions: dict[str, Schema]) -> Schema:
    name = kind.__name__
    if name not in definitions:
        keys = keys_of(kind)
        definitions[name] = {}  # a place, for those below that refer to it
        definitions[name] = {
            "description": purpose_of(kind),
            "type": "object",
            "additionalProperties": False,
            "required": [key.name for key in keys if key.is_needed],
            "properties": {key.name: _property(key, definitions) for key in keys},
        }
    return {"$ref": f"#/definitions/{name}"}


def _property(key: Key, definitions: dict[str, Schema]) -> Schema:
    schema = _of(key.kind, definitions)
    description = "; ".join(one for one in (key.meaning, _choices(key.kind), _secret_forms(key.kind)) if one)
    if "$ref" in schema:  # beside a reference draft 7 looks at nothing
        schema = {"allOf": [schema]}
    return {"description": description, **schema, **({} if key.default is None else {"default": key.default})}


def _choices(kind: Any) -> str:
    """Say what each choice of an enumeration means."""
    enums = [one for one in alternatives(kind) if isinstance(one, type) and issubclass(one, Enum)]
    return "; ".join(f"{one.value!r}: {meanings_of(enum).get(one.name, '')}" for enum in enums for one in enum)


def _secret_forms(kind: Any) -> str:
    return f"one of {FORMS}" if Secret in alternatives(kind) else ""
