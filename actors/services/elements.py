"""The elements of SimpleIO: named inputs and outputs, and how their values are converted.

An element's class says its type; one that is declared by its name only has the type that its name implies (`has_x`
is a bool, `x_count` an int), which a value that does not fit is not forced into.
"""

from __future__ import annotations

import datetime
import decimal
import math
import uuid  # noqa: TID251 - the type, not a source of ids
from typing import Any, ClassVar

from attrs import field, frozen

from actors.redaction import is_secret
from actors.services.element import DOES_NOT_FIT, Element

__all__ = [
    "CSV",
    "UTC",
    "UUID",
    "AsIs",
    "Bool",
    "Date",
    "DateTime",
    "Decimal",
    "Float",
    "Int",
    "List",
    "Opaque",
    "Secret",
    "Text",
    "elements_of",
]

_BOOL_PREFIXES = ("by_", "has_", "is_", "may_", "needs_", "should_")
_INT_SUFFIXES = ("_count", "_id", "_size", "_size_min", "_size_max", "_timeout")
_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off", ""))
_ANYTHING = "what JSON can say"


class AsIs(Element):
    """Anything, never converted."""

    takes_empty = True
    expected = _ANYTHING


class Opaque(AsIs):
    """Any Python object, passed through untouched, such as a hook's `ctx`."""

    def unconvert(self, value: Any) -> Any:
        """Return the object."""
        return value


class _Plain(Element):
    """Of a type that JSON has."""

    def unconvert(self, value: Any) -> Any:
        """Return the value in the element's type."""
        return self.convert(value)


class Text(_Plain):
    """Text; numbers, dates and the like become text."""

    takes_empty = True

    def convert(self, value: Any) -> str:
        """Return the value as text."""
        if isinstance(value, bytes):
            return value.decode()
        if not isinstance(value, str | int | float | decimal.Decimal | datetime.date | uuid.UUID):
            msg = f"no text: {value!r}"
            raise TypeError(msg)
        return str(value)


class Secret(Text):
    """Text that is not to be shown: errors and logs have `***` in its place."""

    is_secret = True


class Int(_Plain):
    """A whole number."""

    def convert(self, value: Any) -> int:
        """Return the value as an int."""
        result = int(value)
        if isinstance(value, float) and result != value:
            msg = f"no whole number: {value!r}"
            raise ValueError(msg)
        return result


class Float(_Plain):
    """A number."""

    def convert(self, value: Any) -> float:
        """Return the value as a float."""
        result = float(value)
        if not math.isfinite(result):
            msg = f"no finite number: {value!r}"
            raise ValueError(msg)
        return result


class Decimal(Element):
    """A decimal number."""

    def convert(self, value: Any) -> decimal.Decimal:
        """Return the value as a Decimal."""
        result = decimal.Decimal(str(value))
        if not result.is_finite():
            msg = f"no finite number: {value!r}"
            raise ValueError(msg)
        return result


class Bool(_Plain):
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


@frozen
class CSV(Element):
    """Values separated by commas, or by another `separator`: a list to the service, text on the wire."""

    separator: str = field(default=",", kw_only=True)

    def convert(self, value: Any) -> list[Any]:
        """Return the values as a list."""
        if isinstance(value, list | tuple):
            return list(value)
        text = Text(self.name).convert(value)
        return [one.strip() for one in text.split(self.separator)] if text else []

    def unconvert(self, value: Any) -> str:
        """Return the values as text."""
        return self.separator.join(str(one) for one in self.convert(value))


class List(Element):
    """A list; a single value becomes a list of it."""

    def convert(self, value: Any) -> list[Any]:
        """Return the value as a list."""
        return list(value) if isinstance(value, list | tuple) else [value]


@frozen
class _Moment(Element):
    format: str | None = field(default=None, kw_only=True)

    def unconvert(self, value: Any) -> str:
        """Return the moment as text, in the element's format."""
        moment = self.convert(value)
        return moment.isoformat() if self.format is None else str(moment.strftime(self.format))


class Date(_Moment):
    """A date in ISO 8601, or in a `format` such as `%d/%m/%Y`."""

    def convert(self, value: Any) -> datetime.date:
        """Return the value as a date."""
        if isinstance(value, datetime.datetime):
            return value.date()
        if isinstance(value, datetime.date):
            return value
        if self.format is not None:
            return datetime.datetime.strptime(value, self.format).date()
        return datetime.date.fromisoformat(value)


class DateTime(_Moment):
    """A date and time in ISO 8601, or in a `format`."""

    def convert(self, value: Any) -> datetime.datetime:
        """Return the value as a datetime."""
        if isinstance(value, datetime.datetime):
            return value
        if self.format is not None:
            return datetime.datetime.strptime(value, self.format)
        return datetime.datetime.fromisoformat(value)


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
        return value if isinstance(value, uuid.UUID) else uuid.UUID(Text(self.name).convert(value))


class _HiddenAsIs(AsIs):
    is_secret = True


@frozen
class _Tried(Element):
    """Declared by name only: a value that does not fit the implied type stays as it is."""

    takes_empty: ClassVar[bool] = True
    expected: ClassVar[str] = _ANYTHING

    implied: Element = field(kw_only=True)

    def convert(self, value: Any) -> Any:
        """Return the value in the implied type where it fits, else as it is."""
        try:
            return self.implied.convert(value)
        except DOES_NOT_FIT:
            return value


def _named(name: str) -> Element:
    """Return the element that a name implies."""
    lowered = name.removeprefix("-").lower()
    if is_secret(name.removeprefix("-")):
        return _HiddenAsIs(name)
    if lowered.startswith(_BOOL_PREFIXES):
        return _Tried(name, implied=Bool(name))
    if lowered == "id" or lowered.endswith(_INT_SUFFIXES):
        return _Tried(name, implied=Int(name))
    return AsIs(name)


def _element(declared: object) -> Element:
    if isinstance(declared, Element):
        return declared
    if isinstance(declared, str) and declared:
        return _named(declared)
    msg = f"SimpleIO: expected the name of an element or an element, got {declared!r}"
    raise TypeError(msg)


def elements_of(declared: object) -> list[Element]:
    """Return the elements of a declaration, of one or many; `TypeError` where it has anything else."""
    return [_element(one) for one in (declared if isinstance(declared, list | tuple) else (declared,))]
