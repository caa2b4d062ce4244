"""An element of SimpleIO: its name, its default, and how a value that does not fit is told.

The types are in `actors.services.elements`, objects and lists of objects in `actors.services.element_objects`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, ClassVar

from attrs import field, frozen

from actors.redaction import HIDDEN, redacted
from actors.services.io import unstructure

__all__ = ["DOES_NOT_FIT", "NOT_GIVEN", "Element", "ElementError"]

DOES_NOT_FIT = (ValueError, TypeError, ArithmeticError)
"""What conversions raise over a value that does not fit."""


class _NotGiven(Enum):
    """Stands for a default that nobody gave, since None is one."""

    NOT_GIVEN = "not given"


NOT_GIVEN = _NotGiven.NOT_GIVEN


class ElementError(ValueError):
    """An element that is missing or does not fit: which, and what is wrong with it."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"element {path!r}{problem}")
        self.path = path
        self.problem = problem

    def within(self, name: str) -> ElementError:
        """Return the same error as it shows one level further out."""
        return ElementError(f"{name}{'' if self.path.startswith('[') else '.'}{self.path}", self.problem)


@frozen
class Element:
    """A named input or output; the subclass says its type.

    Args:
        name: Its name; a leading `-` marks it as optional where the declaration does not say so otherwise.
        default: What stands for it where it is not given; it is never missing then.
    """

    takes_empty: ClassVar[bool] = False
    """Whether an empty text or None is a value; else it counts as not given where the element is optional."""
    is_secret: ClassVar[bool] = False
    expected: ClassVar[str] = ""
    """What fits, to print; where it is empty, the name of the class."""

    name: str
    default: Any = field(default=NOT_GIVEN, kw_only=True)
    is_optional: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        if self.name.startswith("-"):
            object.__setattr__(self, "name", self.name[1:])
            object.__setattr__(self, "is_optional", True)

    def convert(self, value: Any) -> Any:
        """Return the value in the element's type; `ValueError`, `TypeError`, `ArithmeticError`: it does not fit."""
        return value

    def unconvert(self, value: Any) -> Any:
        """Return a value of the service as JSON can say it; raises as `convert` does."""
        return unstructure(self.convert(value))

    def apply(self, conversion: Callable[[Any], Any], value: Any) -> Any:
        """Return what one of the two conversions makes of a value; what does not fit is an `ElementError`."""
        try:
            return conversion(value)
        except ElementError as error:
            raise error.within(self.name) from None
        except DOES_NOT_FIT:
            shown = HIDDEN if self.is_secret else f"{redacted(value)!r:.200}"
            problem = f": expected {self.expected or type(self).__name__}, got {shown}"
            raise ElementError(self.name, problem) from None
