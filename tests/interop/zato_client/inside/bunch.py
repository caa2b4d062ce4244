"""What Zato's client uses of the package of this name, which does not build: a dict whose keys are attributes."""

from __future__ import annotations

from typing import Any


class Bunch(dict):
    """A dict with attribute access."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


def bunchify(value: Any) -> Any:
    """Return the value with each dict in it a Bunch."""
    if isinstance(value, dict):
        return Bunch({key: bunchify(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return type(value)(bunchify(one) for one in value)
    return value
