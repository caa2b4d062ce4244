"""What an invocation's input and output look like to the service: `self.request.input`, `self.response.payload`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from actors.bunch import Bunch, bunchify
from actors.errors import BadInput
from actors.redaction import redacted
from actors.services.io import is_model, unstructure

__all__ = ["Input", "Payload", "given_by", "require_any", "without_secrets"]


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
        secrets: The names of those that are secrets although their names do not say so.
    """

    _secrets: Collection[str] = ()

    def __init__(self, values: Any = (), secrets: Collection[str] = ()) -> None:
        super().__init__(values)
        if secrets:
            object.__setattr__(self, "_secrets", secrets)

    @classmethod
    def of(cls, data: Any, secrets: Collection[str] = ()) -> Any:
        """Return an object as its elements, anything else as it is; dicts within read as attributes, too."""
        return cls(bunchify(data), secrets) if isinstance(data, dict) else bunchify(data)

    def __repr__(self) -> str:
        return repr(without_secrets(self))

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


def without_secrets(data: Any, secrets: Collection[str] = ()) -> Any:
    """Return an input, or any other data, as it may be shown."""
    if isinstance(data, Input):
        secrets = data._secrets  # noqa: SLF001 - a public name would be in the way of elements
    return redacted(unstructure(data) if is_model(type(data)) else data, secrets)


def given_by(payload: Any) -> Any:
    """Return what a service set as its answer: of a `Payload` the list, the object, or None where it is empty."""
    if not isinstance(payload, Payload):
        return payload
    rows = payload._rows  # noqa: SLF001 - a public name would be in the way of elements
    return rows if rows is not None else payload or None
