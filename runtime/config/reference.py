"""What clusters.toml may say, read off the classes of its schema: every section, and every key of each."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
from attrs import frozen

from actors.settings import DeliveryOptions, TopicSettings
from runtime.config.meanings import meanings_of, purpose_of
from runtime.config.schema import ClusterSettings
from runtime.config.signals import LogSettings, TraceSettings

__all__ = ["Key", "Section", "alternatives", "keys_of", "sections"]

_BY_TOPIC = (TopicSettings, DeliveryOptions)
"""Classes of tables whose names are topics, where there are many of them."""


@frozen
class Key:
    """One key of a section: its type as annotated, its default as TOML would say it, and its meaning."""

    name: str
    kind: Any
    is_needed: bool
    default: Any
    meaning: str

    @property
    def section(self) -> tuple[type, bool] | None:
        """The class of the table that is the key's value, and whether there are many by name; None for a value."""
        for kind in alternatives(self.kind):
            if attrs.has(kind):
                return kind, False
            if get_origin(kind) is dict and attrs.has(get_args(kind)[1]):
                return get_args(kind)[1], True
        return None


@frozen
class Section:
    """A table: where it stands, such as `clusters.CLUSTER.channels.NAME`, its class, and its keys."""

    path: tuple[str, ...]
    kind: type
    keys: tuple[Key, ...]

    @property
    def purpose(self) -> str:
        """What the table is, in a sentence."""
        return purpose_of(self.kind)


def alternatives(kind: Any) -> list[Any]:
    """Return the types that a value may have, without None, which TOML cannot say."""
    if get_origin(kind) in (Union, UnionType):
        return [one for one in get_args(kind) if one is not type(None)]
    return [kind]


def keys_of(kind: type) -> tuple[Key, ...]:
    """Return the keys of a class of settings, in its order."""
    hints, meanings = get_type_hints(kind), meanings_of(kind)
    return tuple(
        Key(one.name, hints[one.name], one.default is attrs.NOTHING, _default(one), meanings.get(one.name, ""))
        for one in attrs.fields(kind)
    )


def sections() -> Iterator[Section]:
    """Give every section of the file, each before those below it, in the order of the schema."""
    yield from _from(ClusterSettings, ("clusters", "CLUSTER"))
    yield from _from(LogSettings, ("log",))
    yield from _from(TraceSettings, ("traces",))


def _from(kind: type, path: tuple[str, ...]) -> Iterator[Section]:
    keys = keys_of(kind)
    yield Section(path, kind, keys)
    for key in keys:
        if key.section is None:
            continue
        below, are_many = key.section
        entry = ("TOPIC" if below in _BY_TOPIC else "NAME",) if are_many else ()
        yield from _from(below, (*path, key.name, *entry))


def _default(field: attrs.Attribute[Any]) -> Any:
    """Return a default as TOML says it; None where there is none, or where it is a table of its own."""
    default = field.default
    if default is attrs.NOTHING:
        return None
    make = getattr(default, "factory", None)
    value = default if make is None else make()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return list(value)
    return None if attrs.has(type(value)) else value
