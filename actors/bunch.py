"""A dict whose keys read as attributes, as Zato's services know it."""

from __future__ import annotations

from typing import Any

__all__ = ["Bunch", "bunchify"]


class Bunch(dict[str, Any]):
    """A dict with attribute access; a missing key is an `AttributeError` that names it."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            msg = f"there is no element {name!r}; there are: {', '.join(map(str, self)) or 'none'}"
            raise AttributeError(msg) from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


def bunchify(value: object) -> Any:
    """Return the value with every dict in it, at any depth, as a `Bunch`."""
    if isinstance(value, dict):
        return Bunch({key: bunchify(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return type(value)(bunchify(item) for item in value)
    return value
