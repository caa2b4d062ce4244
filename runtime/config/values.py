"""What a command line says of clusters.toml: keys with dots, and values, without quotes where the schema has text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from enum import Enum
from typing import Any, get_args, get_origin

import attrs

from actors.secret import Secret
from runtime.config.reference import alternatives, keys_of
from runtime.config.schema import ClusterSettings

__all__ = ["parse_path", "value_from"]

_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([^."'\s][^.]*?))\s*(?:\.|$)""")


def parse_path(text: str) -> tuple[str, ...]:
    """Return the parts of a dotted key; a part with dots in it stands in quotes, and no other has to.

    Raises:
        ValueError: When it is no key.
    """
    parts: list[str] = []
    at = 0
    while at < len(text) or not parts or text[at - 1] == ".":
        found = _PART.match(text, at)
        if found is None or found.end() == at:
            msg = f"{text!r} is no key; expected parts with dots between them, such as channels.gateway.active"
            raise ValueError(msg)
        parts.append(next(one for one in found.groups() if one is not None))
        at = found.end()
    return tuple(parts)


def value_from(texts: Sequence[str], path: tuple[str, ...]) -> Any:
    """Return what a command line says a key is to be, as plain data.

    Args:
        texts: One text, or several for an array. It is read as TOML, but for keys that are texts: there it is the text.
        path: The key, below a cluster.
    """
    kinds = _kinds(path)
    if any(get_origin(kind) is tuple for kind in kinds):
        [inner] = [get_args(kind)[0] for kind in kinds if get_origin(kind) is tuple][:1]
        whole = _toml(texts[0]) if len(texts) == 1 else None
        if isinstance(whole, list):
            return whole
        if len(kinds) == 1 or len(texts) > 1:
            return [_value(text, alternatives(inner)) for text in texts]
    return _value(texts[0], kinds) if len(texts) == 1 else [_value(text, kinds) for text in texts]


def _value(text: str, kinds: Sequence[Any]) -> Any:
    found = _toml(text)
    if not any(kind in (str, Secret) or (isinstance(kind, type) and issubclass(kind, Enum)) for kind in kinds):
        return text if found is None else found
    return found if isinstance(found, str) else text


def _toml(text: str) -> Any:
    """Return what a text says as a value of TOML; None where it is none."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return None
    return document["value"] if len(document) == 1 else None


def _kinds(path: tuple[str, ...]) -> list[Any]:
    """Return the types that the schema gives a key; any value where it knows none."""
    kinds: list[Any] = [ClusterSettings]
    for part in path:
        below: list[Any] = []
        for kind in kinds:
            if attrs.has(kind):
                below += [alternatives(key.kind) for key in keys_of(kind) if key.name == part]
            elif get_origin(kind) is dict:
                below.append(alternatives(get_args(kind)[1]))
        kinds = [one for several in below for one in several]
    return kinds or [Any]
