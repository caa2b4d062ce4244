"""What an invocation's input and output look like to the service: `self.request.input`, `self.response.payload`.

This module also owns what of them is never shown: values of elements that are secrets, by declaration or by name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from actors.bunch import Bunch, bunchify
from actors.errors import BadInput

__all__ = ["HIDDEN", "SECRET_NAMES", "Input", "Payload", "given_by", "masked", "require_any", "with_secrets"]

HIDDEN = "***"
"""What stands in the place of a secret wherever it would be shown."""

SECRET_NAMES = frozenset(
    (
        "api_key",
        "apiKey",
        "auth_data",
        "auth_token",
        "password",
        "password1",
        "password2",
        "secret",
        "secret_key",
        "tls_pem_passphrase",
        "token",
        "xApiKey",
    )
)
"""Elements that are secrets by their name alone."""


def with_secrets(*names: str) -> Collection[str]:
    """Return the names of elements that are secrets by their name alone, and others."""
    return SECRET_NAMES | {*names} if names else SECRET_NAMES


def masked(value: Any, hidden: Collection[str] = SECRET_NAMES) -> Any:
    """Return dicts and lists with the values of secret elements, at any depth, replaced by `***`."""
    if isinstance(value, Input):
        hidden = value._hidden  # noqa: SLF001 - names in public would be in the way of elements
    if isinstance(value, dict):
        return {key: HIDDEN if key in hidden else masked(item, hidden) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, hidden) for item in value]
    return value


def require_any(given: Any, names: Iterable[str]) -> None:
    """Raise `BadInput` where none of the elements named has a value: none that is there and neither None nor empty."""
    names = tuple(names)
    if not any(getattr(given, name, None) not in (None, "") for name in names):
        msg = f"at least one of these input elements is required: {', '.join(map(repr, names))}"
        raise BadInput(msg)


class Input(Bunch):
    """The elements that an invocation was given; it prints without its secrets.

    Args:
        values: The elements.
        hidden: The names of those that are secrets.
    """

    _hidden: Collection[str] = SECRET_NAMES

    def __init__(self, values: Any = (), hidden: Collection[str] = SECRET_NAMES) -> None:
        super().__init__(values)
        if hidden is not SECRET_NAMES:
            object.__setattr__(self, "_hidden", hidden)

    @classmethod
    def of(cls, data: Any, hidden: Collection[str] = SECRET_NAMES) -> Any:
        """Return an object as its elements, anything else as it is; dicts within read as attributes, too."""
        return cls(bunchify(data), hidden) if isinstance(data, dict) else bunchify(data)

    def __repr__(self) -> str:
        return repr(masked(self))

    __str__ = __repr__

    def require_any(self, *names: str) -> None:
        """Demand that at least one of these elements has a value.

        Raises:
            BadInput: When none of them is there, or all are None or empty.
        """
        require_any(self, names)


class Payload(Bunch):
    """An object whose elements are set as attributes, or with `append`, `extend` and `[:]` a list."""

    _rows: list[Any] | None = None

    def _list(self) -> list[Any]:
        rows = self._rows
        if rows is None:
            rows = []
            object.__setattr__(self, "_rows", rows)
        return rows

    def append(self, item: object) -> None:
        """Make the payload a list, and add an item to it."""
        self._list().append(item)

    def extend(self, items: Iterable[Any]) -> None:
        """Make the payload a list, and add items to it."""
        self._list().extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, str):
            super().__setitem__(key, value)
        else:
            self._list()[key] = value

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(key) if isinstance(key, str) else self._list()[key]

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__() if self._rows is None else iter(self._rows)

    def __len__(self) -> int:
        return super().__len__() if self._rows is None else len(self._rows)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        return repr(self._rows) if self._rows is not None else super().__repr__()


def given_by(payload: Any) -> Any:
    """Return what a service set as its answer: of a `Payload` the list, the object, or None where it is empty."""
    if not isinstance(payload, Payload):
        return payload
    rows = payload._rows  # noqa: SLF001 - see `masked`
    return rows if rows is not None else payload or None
