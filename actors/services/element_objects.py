"""Elements together: the input or output of a service, and the elements that are objects or lists of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from attrs import field, frozen

from actors.bunch import Bunch, bunchify
from actors.services.element import NOT_GIVEN, Element, ElementError
from actors.services.elements import elements_of
from actors.services.io import unstructure

__all__ = ["Dict", "DictList", "Elements"]


@frozen
class Elements:
    """The elements of an object: those that must be there, and those that may."""

    required: tuple[Element, ...] = ()
    optional: tuple[Element, ...] = ()
    _each: tuple[tuple[Element, bool], ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        each = (*((one, False) for one in self.required), *((one, True) for one in self.optional))
        object.__setattr__(self, "_each", each)

    @classmethod
    def of(cls, declared: object) -> Elements:
        """Read one element or many, of which a leading `-` marks the optional ones."""
        elements = elements_of(declared)
        return cls(
            tuple(one for one in elements if not one.is_optional), tuple(one for one in elements if one.is_optional)
        )

    @property
    def secrets(self) -> Iterator[str]:
        """The names of those that are not to be shown."""
        return (element.name for element, _is_optional in self._each if element.is_secret)

    def __bool__(self) -> bool:
        return bool(self.required or self.optional)

    def read(self, values: dict[str, Any], default: Any) -> dict[str, Any]:
        """Return the values of the elements; others are left out.

        Args:
            values: What was given.
            default: What stands for an optional element that was not, where it says nothing itself.

        Raises:
            ElementError: Naming the first element that is missing or does not fit.
        """
        result: dict[str, Any] = {}
        for element in self.required:
            value = values.get(element.name, NOT_GIVEN)
            if value is not NOT_GIVEN:
                result[element.name] = element.apply(element.convert, value)
            elif element.default is not NOT_GIVEN:
                result[element.name] = bunchify(element.default)
            else:
                raise ElementError(element.name, " is missing")
        for element in self.optional:
            value = values.get(element.name, NOT_GIVEN)
            if value is NOT_GIVEN or (not element.takes_empty and (value is None or value == "")):
                result[element.name] = bunchify(default if element.default is NOT_GIVEN else element.default)
            else:
                result[element.name] = element.apply(element.convert, value)
        return result

    def write(self, response: Any, default: Any, *, skips: Callable[[str], bool]) -> dict[str, Any]:
        """Return the elements of an object as JSON can say them; others are left out.

        Args:
            response: A dict, or anything with attributes.
            default: What stands for an optional element that is not there, where it says nothing itself.
            skips: Tells whether an optional element of a name is left out where it is empty.

        Raises:
            ElementError: Naming the first element that is missing or does not fit.
        """
        is_dict = isinstance(response, dict)
        result: dict[str, Any] = {}
        for element, is_optional in self._each:
            name = element.name
            value = response.get(name, NOT_GIVEN) if is_dict else getattr(response, name, NOT_GIVEN)
            if value is NOT_GIVEN:
                value = element.default
            if value is NOT_GIVEN and not is_optional:
                raise ElementError(name, " is missing")
            if is_optional and (value is NOT_GIVEN or _is_empty(value)) and skips(name):
                continue
            if value is NOT_GIVEN:
                value = default
            is_plain = value is None or value == ""
            result[name] = value if is_plain else element.apply(element.unconvert, value)
        return result


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def _never(_name: str) -> bool:
    return False


@frozen(init=False)
class Dict(Element):
    """An object.

    Args:
        name: Its name.
        *elements: The elements that it may have, others are left out; a leading `-` marks those that are optional.
            Without any it may have all.
        default: What stands for it where it is not given.
    """

    elements: Elements | None = None

    def __init__(self, name: str, *elements: str | Element, default: Any = NOT_GIVEN) -> None:
        super().__init__(name, default=default)
        object.__setattr__(self, "elements", Elements.of(elements) if elements else None)

    def convert(self, value: Any) -> Any:
        """Return the value as a `Bunch`."""
        if not isinstance(value, dict):
            msg = f"not an object: {value!r}"
            raise TypeError(msg)
        return bunchify(value) if self.elements is None else Bunch(self.elements.read(value, ""))

    def unconvert(self, value: Any) -> Any:
        """Return the object with the elements that it may have."""
        if self.elements is None:
            return unstructure(value)
        return self.elements.write(value, "", skips=_never)


class DictList(Dict):
    """A list of objects; for the rest as `Dict`."""

    def convert(self, value: Any) -> list[Any]:
        """Return the value as a list of `Bunch`."""
        return [_item(number, super(DictList, self).convert, one) for number, one in enumerate(_listed(value))]

    def unconvert(self, value: Any) -> list[Any]:
        """Return the objects, each with the elements that it may have."""
        return [_item(number, super(DictList, self).unconvert, one) for number, one in enumerate(_listed(value))]


def _listed(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        msg = f"not a list of objects: {value!r}"
        raise TypeError(msg)
    return value


def _item(number: int, conversion: Callable[[Any], Any], value: Any) -> Any:
    try:
        return conversion(value)
    except ElementError as error:
        raise error.within(f"[{number}]") from None
