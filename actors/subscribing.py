"""What a subscriber may set of its subscription, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

import attrs

from actors.errors import BadInput
from actors.settings import DeliverySettings

__all__ = ["delivery_settings", "subscription_options"]

_DEFAULTS = DeliverySettings()
_FIELDS = {one.name: type(one.default) for one in attrs.fields(DeliverySettings)}


def subscription_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check options of a subscription, by the names of `DeliverySettings`; None is as if not given.

    Raises:
        BadInput: Naming the option and what was expected.
    """
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _FIELDS:
            msg = f"unknown subscription option {name!r}; there are {', '.join(sorted(_FIELDS))}"
            raise BadInput(msg)
        if value is not None:
            found[name] = _checked(name, _FIELDS[name], value)
    return found


def _checked(name: str, kind: type, value: object) -> Any:
    if issubclass(kind, Enum):
        choices = [one.value for one in kind]
        if value not in choices:
            msg = f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}"
            raise BadInput(msg)
        return value
    if kind is float and type(value) is int:
        value = float(value)
    least = 1 if name in ("delivery_batch_size", "delivery_max_retry") else 0
    if type(value) is not kind or (isinstance(value, int | float) and value < least and kind is not bool):
        words = {bool: "true or false", int: f"a whole number from {least} on", float: "seconds"}[kind]
        msg = f"{name}: expected {words}, got {value!r}"
        raise BadInput(msg)
    return value


def delivery_settings(defaults: DeliverySettings, options: Mapping[str, Any]) -> DeliverySettings:
    """Return how a subscription's messages are delivered: as its topic says, but for what it sets itself."""
    return _merged(defaults, tuple(sorted(options.items()))) if options else defaults


@lru_cache(maxsize=1024)
def _merged(defaults: DeliverySettings, options: tuple[tuple[str, Any], ...]) -> DeliverySettings:
    typed: dict[str, Any] = {name: _typed(_FIELDS[name], value) for name, value in options}
    return attrs.evolve(defaults, **typed)


def _typed(kind: type, value: Any) -> Any:
    return kind(value) if issubclass(kind, Enum) else value
