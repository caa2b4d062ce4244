"""Typed input and output of services, through cattrs.

Nothing is coerced: a str is no int. Conversion by an element's name is SimpleIO's business.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import uuid  # noqa: TID251 - the type, not a source of ids
from collections.abc import Callable
from typing import Any, TypeGuard, get_args, get_origin, get_type_hints

import attrs
import cattrs
import msgspec
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn

from actors.errors import BadInput
from actors.redaction import HIDDEN, is_secret

__all__ = ["input_reader", "is_model", "optional_names", "unstructure"]

_PLAIN_BASES = (str, int, float, bool, type(None))
_PLAIN = frozenset(_PLAIN_BASES)


class _WrongType(TypeError):
    """A value of another type than the one declared: what was expected, and what was got instead."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"expected {expected}, got {value!r}")
        self.expected = expected


def _exactly(expected: type) -> Callable[[Any, Any], Any]:
    def check(value: Any, _type: Any) -> Any:
        is_ok = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
        if expected is float and type(value) is int:
            return float(value)
        if not is_ok:
            raise _WrongType(expected.__name__, value)
        return value

    return check


def _from_text(cls: type, read: Callable[[str], Any], form: str) -> Callable[[Any, Any], Any]:
    def convert(value: Any, _type: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return read(str(value))
        except (ValueError, decimal.InvalidOperation):
            raise _WrongType(form, value) from None

    return convert


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=True)
    for plain in (str, int, float, bool):
        converter.register_structure_hook(plain, _exactly(plain))
    for cls, read, form in (
        (datetime.datetime, datetime.datetime.fromisoformat, "an ISO 8601 date and time"),
        (datetime.date, datetime.date.fromisoformat, "an ISO 8601 date"),
        (decimal.Decimal, decimal.Decimal, "a decimal number"),
        (uuid.UUID, uuid.UUID, "a UUID"),
    ):
        converter.register_structure_hook(cls, _from_text(cls, read, form))
    converter.register_structure_hook_factory(_is_lenient, lambda cls: _lenient_reader(cls, converter))
    return converter


def _is_lenient(cls: Any) -> bool:
    """Tell whether elements of a class may be missing where their type says that they are optional."""
    return isinstance(cls, type) and getattr(cls, "optional_may_be_missing", False) and dataclasses.is_dataclass(cls)


def _lenient_reader(cls: type, converter: cattrs.Converter) -> Callable[[Any, Any], Any]:
    read: Callable[[Any, Any], Any] = make_dict_structure_fn(cls, converter)
    absent = dict.fromkeys(optional_names(cls))

    def structure(data: Any, _type: Any) -> Any:
        if isinstance(data, cls):
            return data
        if not isinstance(data, dict):
            raise _WrongType(f"an object with the elements of {_type_name(cls)}", data)
        return read({**absent, **data}, cls)

    return structure


@functools.lru_cache(maxsize=1024)
def optional_names(cls: type) -> tuple[str, ...]:
    """Return the fields of a dataclass that may be None and have no default."""
    hints = get_type_hints(cls)
    return tuple(
        one.name
        for one in dataclasses.fields(cls)
        if type(None) in get_args(hints[one.name])
        and one.default is dataclasses.MISSING
        and one.default_factory is dataclasses.MISSING
    )


def is_model(cls: object) -> TypeGuard[type]:
    """Tell whether a class is a model: an attrs class, a dataclass or a `Model`.

    Raises:
        TypeError: When fields of it are missing, since it is no dataclass itself.
    """
    if not isinstance(cls, type):
        return False
    if attrs.has(cls):
        return True
    is_lenient = getattr(cls, "optional_may_be_missing", False)
    if is_lenient and "__dataclass_fields__" not in vars(cls) and vars(cls).get("__annotations__"):
        msg = f"{cls.__qualname__}: a model is declared with @dataclass(init=False)"
        raise TypeError(msg)
    return dataclasses.is_dataclass(cls)


_converter = _make_converter()


def input_reader(annotation: object) -> Callable[[object], Any]:
    """Return what turns a payload into the type that a handler's parameter is annotated with.

    The function returned raises `BadInput`, naming each wrong element and what was expected of it.
    """
    if annotation in (Any, None, object):
        return lambda data: data
    if annotation in (dict, list):
        plain = annotation

        def check(data: object) -> object:
            if not isinstance(data, plain):
                msg = f"expected {_type_name(plain)}, got {data!r}"
                raise BadInput(msg)
            return data

        return check

    model = annotation if is_model(annotation) else None

    def read(data: object) -> Any:
        if model is not None and not isinstance(data, dict):
            if isinstance(data, model):
                return data
            msg = f"expected an object with the elements of {_type_name(annotation)}, got {data!r:.200}"
            raise BadInput(msg)
        try:
            return _converter.structure(data, annotation)  # type: ignore[arg-type]
        except (ClassValidationError, IterableValidationError) as error:
            raise BadInput("; ".join(_problems(error, ""))) from None
        except Exception as error:  # cattrs raises what its hooks raise
            raise BadInput(_problem(error, annotation, data)) from None

    return read


def _type_name(annotation: object) -> str:
    return getattr(get_origin(annotation) or annotation, "__name__", str(annotation))


def _problem(error: Exception, annotation: object, data: object) -> str:
    if isinstance(error, _WrongType):
        return str(error)
    return f"expected {_type_name(annotation)}, got {data!r}"


def _problems(group: BaseExceptionGroup[Any], path: str) -> list[str]:
    """Flatten cattrs' tree of errors into `path: what is wrong`."""
    problems: list[str] = []
    for error in group.exceptions:
        note = next(
            (
                note
                for note in getattr(error, "__notes__", ())
                if isinstance(note, AttributeValidationNote | IterableValidationNote)
            ),
            None,
        )
        here = path
        if isinstance(note, AttributeValidationNote):
            here = f"{path}.{note.name}" if path else note.name
        elif isinstance(note, IterableValidationNote):
            here = f"{path}[{note.index}]"
        if isinstance(error, ClassValidationError | IterableValidationError):
            problems += _problems(error, here)
        elif isinstance(error, KeyError) and not isinstance(note, IterableValidationNote):
            name = error.args[0]
            problems.append(f"{here or name}: missing")
        elif isinstance(error, _WrongType):
            is_hidden = isinstance(note, AttributeValidationNote) and is_secret(note.name)
            said = f"expected {error.expected}, got {HIDDEN}" if is_hidden else error
            problems.append(f"{here or 'input'}: {said}")
        else:
            expected = _type_name(getattr(note, "type", "another type"))
            problems.append(f"{here or 'input'}: expected {expected}: {error}")
    return problems


def _key_of(key: object) -> str:
    return key if isinstance(key, str) else str(unstructure(key))


def unstructure(value: object) -> Any:
    """Return the value as JSON can say it: models, enums, dates and the like become dicts, lists and text.

    Raises:
        TypeError: Naming the type that cannot be converted.
    """
    kind: type[Any] = type(value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [item if type(item) in _PLAIN else unstructure(item) for item in value]  # type: ignore[attr-defined]
    if kind is not dict and isinstance(value, _PLAIN_BASES) and not isinstance(value, enum.Enum):
        return value
    if isinstance(value, dict):
        return {
            key if type(key) is str else _key_of(key): item if type(item) in _PLAIN else unstructure(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [item if type(item) in _PLAIN else unstructure(item) for item in value]
    if attrs.has(kind):
        return {one.name: unstructure(getattr(value, one.name)) for one in attrs.fields(kind)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: unstructure(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, msgspec.Struct):
        return unstructure(msgspec.structs.asdict(value))
    if isinstance(value, enum.Enum):
        return unstructure(value.value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    msg = f"a value of type {type(value).__name__} cannot be sent; use attrs classes, dicts, lists, text or numbers"
    raise TypeError(msg)
