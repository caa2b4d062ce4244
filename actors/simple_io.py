"""SimpleIO: the declarations of input and output in which Zato's services are written.

Values are converted by the element's class, or by its name (`has_x` is a bool, `x_count` an int) where it is
declared by name only. A name's implied type that does not fit the value leaves it alone; a declared one that
does not fit is a `BadInput`.
"""

from __future__ import annotations

import datetime
import decimal
import uuid  # noqa: TID251 - the type, not a source of ids
from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen

from actors.bunch import Bunch, bunchify
from actors.errors import BadInput, RemoteError

__all__ = [
    "CSV",
    "UTC",
    "UUID",
    "AsIs",
    "Bool",
    "Date",
    "DateTime",
    "Decimal",
    "Dict",
    "DictList",
    "Element",
    "Float",
    "Int",
    "List",
    "Opaque",
    "Secret",
    "SimpleIODeclaration",
    "Text",
    "parse_declaration",
]

_BOOL_PREFIXES = ("by_", "has_", "is_", "may_", "needs_", "should_")
_INT_SUFFIXES = ("_count", "_id", "_size", "_size_min", "_size_max", "_timeout")
_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off", ""))


@frozen
class Element:
    """A named input or output; the subclass says its type."""

    name: str

    def convert(self, value: Any) -> Any:
        """Return the value in the element's type; `ValueError` or `TypeError` when it does not fit."""
        return value


class AsIs(Element):
    """Anything, never converted."""


class Opaque(Element):
    """Any Python object, passed through untouched, such as a hook's `ctx`."""


class Text(Element):
    """Text."""

    def convert(self, value: Any) -> str:
        """Return the value as text."""
        return value if isinstance(value, str) else str(value)


class Secret(Text):
    """Text that is not to be shown."""


class Int(Element):
    """A whole number."""

    def convert(self, value: Any) -> int:
        """Return the value as an int."""
        return int(value)


class Float(Element):
    """A number."""

    def convert(self, value: Any) -> float:
        """Return the value as a float."""
        return float(value)


class Decimal(Element):
    """A decimal number."""

    def convert(self, value: Any) -> decimal.Decimal:
        """Return the value as a Decimal."""
        try:
            return decimal.Decimal(str(value))
        except decimal.InvalidOperation as error:
            raise ValueError(str(error)) from None


class Bool(Element):
    """True or false, also as text."""

    def convert(self, value: Any) -> bool:
        """Return the value as a bool."""
        if isinstance(value, bool | int | None):
            return bool(value)
        text = str(value).strip().lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        msg = f"not a bool: {value!r}"
        raise ValueError(msg)


class CSV(Element):
    """Values separated by commas."""

    def convert(self, value: Any) -> list[str]:
        """Return the values as a list."""
        return list(value) if isinstance(value, list | tuple) else [one.strip() for one in str(value).split(",")]


class List(Element):
    """A list; a single value becomes a list of it."""

    def convert(self, value: Any) -> list[Any]:
        """Return the value as a list."""
        return list(value) if isinstance(value, list | tuple) else [value]


class Dict(Element):
    """An object."""

    def convert(self, value: Any) -> dict[str, Any]:
        """Return the value as a `Bunch`."""
        if not isinstance(value, dict):
            msg = f"not an object: {value!r}"
            raise TypeError(msg)
        result: dict[str, Any] = bunchify(value)
        return result


class DictList(Element):
    """A list of objects."""

    def convert(self, value: Any) -> list[Any]:
        """Return the value as a list of `Bunch`."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            msg = f"not a list of objects: {value!r}"
            raise TypeError(msg)
        return [bunchify(item) for item in value]


class Date(Element):
    """A date in ISO 8601."""

    def convert(self, value: Any) -> datetime.date:
        """Return the value as a date."""
        return value if isinstance(value, datetime.date) else datetime.date.fromisoformat(str(value))


class DateTime(Element):
    """A date and time in ISO 8601."""

    def convert(self, value: Any) -> datetime.datetime:
        """Return the value as a datetime."""
        return value if isinstance(value, datetime.datetime) else datetime.datetime.fromisoformat(str(value))


class UTC(DateTime):
    """A date and time in UTC, without a zone."""

    def convert(self, value: Any) -> datetime.datetime:
        """Return the value as a naive datetime in UTC."""
        moment = super().convert(value)
        return moment.astimezone(datetime.UTC).replace(tzinfo=None) if moment.tzinfo else moment


class UUID(Element):
    """A UUID."""

    def convert(self, value: Any) -> uuid.UUID:
        """Return the value as a UUID."""
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


class _Implied(Element):
    """Declared by name only: the name implies a type, which a value that does not fit is not forced into."""

    def convert(self, value: Any) -> Any:
        """Return the value in the implied type where it fits, else as it is."""
        name = self.name.lower()
        try:
            if name.startswith(_BOOL_PREFIXES):
                return Bool(name).convert(value)
            if (name == "id" or name.endswith(_INT_SUFFIXES)) and value not in (None, ""):
                return int(value)
        except (ValueError, TypeError):
            return value
        return value


@frozen
class SimpleIODeclaration:
    """What a service's `class SimpleIO` says."""

    input_required: tuple[Element, ...] = ()
    input_optional: tuple[Element, ...] = ()
    output_required: tuple[Element, ...] = ()
    output_optional: tuple[Element, ...] = ()
    default_value: Any = ""
    skip_empty_keys: bool = False

    @property
    def has_input(self) -> bool:
        """Tell whether any input is declared."""
        return bool(self.input_required or self.input_optional)

    @property
    def has_output(self) -> bool:
        """Tell whether any output is declared."""
        return bool(self.output_required or self.output_optional)

    def read(self, payload: object) -> Any:
        """Return the declared elements of a payload.

        Raises:
            BadInput: Naming the element that is missing or cannot be converted.
        """
        if not self.has_input:
            return bunchify(payload)
        if not isinstance(payload, dict):
            if self.input_required:
                msg = f"expected an object with {_names(self.input_required)}, got {payload!r}"
                raise BadInput(msg)
            payload = {}
        result = Bunch()
        for element in self.input_required:
            if element.name not in payload:
                msg = f"input element {element.name!r} is missing"
                raise BadInput(msg)
            result[element.name] = _convert(element, payload[element.name])
        for element in self.input_optional:
            if element.name in payload:
                result[element.name] = _convert(element, payload[element.name])
            else:
                result[element.name] = self.default_value
        return result

    def write(self, response: object) -> dict[str, Any]:
        """Return the declared elements of a response; others are left out.

        Raises:
            RemoteError: Naming a required element that the service did not give.
        """
        get: Callable[[str], Any] = (
            response.__getitem__ if isinstance(response, dict) else lambda name: getattr(response, name)
        )
        result: dict[str, Any] = {}
        for element in (*self.output_required, *self.output_optional):
            try:
                value = get(element.name)
            except (KeyError, AttributeError):
                if element in self.output_required:
                    msg = f"output element {element.name!r} is missing"
                    raise RemoteError(msg) from None
                if self.skip_empty_keys:
                    continue
                value = self.default_value
            result[element.name] = _convert(element, value) if value not in (None, "") else value
        return result


def _convert(element: Element, value: Any) -> Any:
    try:
        return element.convert(value)
    except (ValueError, TypeError):
        msg = f"element {element.name!r}: expected {type(element).__name__}, got {value!r}"
        raise BadInput(msg) from None


def _names(elements: Iterable[Element]) -> str:
    return ", ".join(repr(element.name) for element in elements)


def _elements(declared: object) -> tuple[Element, ...]:
    if not isinstance(declared, list | tuple):
        declared = (declared,)
    return tuple(one if isinstance(one, Element) else _Implied(str(one)) for one in declared)


def parse_declaration(declared: type) -> SimpleIODeclaration:
    """Read a service's inner class `SimpleIO`."""
    return SimpleIODeclaration(
        **{
            name: _elements(getattr(declared, name, ()))
            for name in ("input_required", "input_optional", "output_required", "output_optional")
        },
        default_value=getattr(declared, "default_value", ""),
        skip_empty_keys=getattr(declared, "skip_empty_keys", False),
    )
