"""Model: input and output of services as dataclasses, in the way of Zato 3.2.

Attrs classes and plain dataclasses serve as well; a `Model` adds what Zato's services do with theirs: it is made
empty and then filled, its optional elements may be missing, and it converts itself.
"""

from __future__ import annotations

import copy
import dataclasses
from typing import Any, ClassVar, Optional, Self

import msgspec

from actors.services.io import input_reader, optional_names, unstructure
from actors.services.payload import require_any

__all__ = ["Model", "dict_", "list_", "optional"]

list_ = list
"""A list of models or values, `list_[Address]`, as Zato's services write it."""

dict_ = dict
"""A dict, `dict_[str, int]`, as Zato's services write it."""

optional = Optional
"""An element that may be None or missing, `optional[str]`, as Zato's services write it."""


class Model:
    """The base of models: subclass it and decorate the subclass with `@dataclass(init=False)`.

    An element whose type is optional may be missing and is None then; another one without a default is required. Used
    as the input of a service a missing element is a `BadInput` with its path.
    """

    optional_may_be_missing: ClassVar[bool] = True

    def __init__(self, **elements: Any) -> None:
        if not dataclasses.is_dataclass(self):
            msg = f"{type(self).__qualname__}: a model is declared with @dataclass(init=False)"
            raise TypeError(msg)
        fields = {one.name: one for one in dataclasses.fields(self)}
        unknown = sorted(set(elements) - set(fields))
        if unknown:
            msg = f"{type(self).__qualname__} has no element {unknown[0]!r}; it has {', '.join(fields)}"
            raise TypeError(msg)
        for one in fields.values():
            if one.default is not dataclasses.MISSING:
                setattr(self, one.name, one.default)
            elif one.default_factory is not dataclasses.MISSING:
                setattr(self, one.name, one.default_factory())
        for name in optional_names(type(self)):
            setattr(self, name, None)
        for name, value in elements.items():
            setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        msg = f"{type(self).__qualname__}.{name} has not been set"
        raise AttributeError(msg)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as a dict of what JSON can say.

        Raises:
            AttributeError: Naming a required element that has not been set.
        """
        result: dict[str, Any] = unstructure(self)
        return result

    def to_json(self) -> str:
        """Return the model as JSON."""
        return msgspec.json.encode(self.to_dict()).decode()

    @classmethod
    def from_dict(cls, data: dict[str, Any], **elements: Any) -> Self:
        """Return a model with the elements of a dict, and those named beside it.

        Raises:
            BadInput: With the path of each element that is missing or does not fit.
        """
        model: Self = input_reader(cls)({**data, **elements})
        return model

    def clone(self) -> Self:
        """Return a copy that shares nothing with this one."""
        return copy.deepcopy(self)

    def require_any(self, *names: str) -> None:
        """Demand that at least one of these elements has a value.

        Raises:
            BadInput: When all of them are None or empty.
        """
        require_any(self, names)
