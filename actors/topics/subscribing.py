"""What a subscriber may set of its subscription, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

import attrs

from actors.errors import BadInput
from actors.settings import DeliveryOptions, DeliverySettings

__all__ = ["checked_option", "delivery_options", "delivery_settings", "subscription_options"]

LARGEST = 2**53
"""The largest number that a peer may set anything to."""

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
            least = 1 if name in ("delivery_batch_size", "delivery_max_retry") else 0
            found[name] = checked_option(name, _FIELDS[name], value, least=least)
    return found


def checked_option(name: str, kind: type, value: object, *, least: int = 0) -> Any:
    """Return a value as TOML and JSON say it: text, a flag, a number from `least` on, or one of an enum's choices.

    Raises:
        BadInput: Naming the option and what was expected.
    """
    if issubclass(kind, Enum):
        choices = [one.value for one in kind]
        plain = value.value if isinstance(value, kind) else value
        if plain not in choices:
            msg = f"{name}: expected one of {', '.join(map(repr, choices))}, got {value!r}"
            raise BadInput(msg)
        return plain
    if kind is float and type(value) is int and abs(value) <= LARGEST:
        value = float(value)
    is_low = isinstance(value, int | float) and kind is not bool and not value >= least
    is_high = kind is int and isinstance(value, int) and value > LARGEST
    if type(value) is not kind or is_low or is_high:
        words = {
            str: "text",
            bool: "true or false",
            int: f"a whole number from {least} on",
            float: f"a number from {least} on",
        }[kind]
        msg = f"{name}: expected {words}, got {value!r:.40}"
        raise BadInput(msg)
    return value


def delivery_settings(defaults: DeliverySettings, options: Mapping[str, Any]) -> DeliverySettings:
    """Return how a subscription's messages are delivered: as its topic says, but for what it sets itself."""
    return _merged(defaults, tuple(sorted(options.items()))) if options else defaults


def delivery_options(options: Mapping[str, Any]) -> DeliveryOptions:
    """Return checked options as a section of clusters.toml gives them."""
    return DeliveryOptions(**{name: _typed(_FIELDS[name], value) for name, value in options.items()})


@lru_cache(maxsize=1024)
def _merged(defaults: DeliverySettings, options: tuple[tuple[str, Any], ...]) -> DeliverySettings:
    typed: dict[str, Any] = {name: _typed(_FIELDS[name], value) for name, value in options}
    return attrs.evolve(defaults, **typed)


def _typed(kind: type, value: Any) -> Any:
    return kind(value) if issubclass(kind, Enum) else value
