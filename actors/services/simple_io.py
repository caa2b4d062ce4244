"""SimpleIO: how Zato's services declare their input and output, by elements or by a model.

A declaration is an inner class `SimpleIO`, or `input` and `output` of the service itself. Nothing is wrapped on its
way out unless `response_elem` says so.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any, get_origin

from attrs import Factory, field, frozen

from actors.errors import BadInput, RemoteError
from actors.redaction import redacted
from actors.services.element import ElementError
from actors.services.element_objects import Elements
from actors.services.elements import elements_of
from actors.services.io import input_reader, is_model, unstructure
from actors.services.payload import Input

__all__ = ["SimpleIODeclaration", "declaration_of", "parse_declaration"]

_OPTIONS = frozenset(
    (
        "default_input_value",
        "default_output_value",
        "default_value",
        "force_empty_keys",
        "input",
        "input_optional",
        "input_required",
        "output",
        "output_optional",
        "output_repeated",
        "output_required",
        "request_elem",
        "response_elem",
        "skip_empty_keys",
    )
)


@frozen
class SimpleIODeclaration:
    """What a service's `class SimpleIO` says.

    Args:
        input: The elements of the input; none for any.
        output: The elements of the output; none for any.
        read_input: Reads the input where a model declares it.
        read_output: Checks the output where a model declares it.
        default_input_value: What stands for optional elements of the input that were not given.
        default_output_value: What stands for those of the output.
        skip_empty_keys: Which optional elements of the output are left out where they are empty: all, or by name.
        force_empty_keys: Which of them are not.
        request_elem: In which element the input stands, where it has that element.
        response_elem: In which element the output is put.
        output_repeated: Whether the output is always a list.
        secrets: The names of elements that are not to be shown.
    """

    input: Elements = field(factory=Elements)
    output: Elements = field(factory=Elements)
    read_input: Callable[[object], Any] | None = None
    read_output: Callable[[object], Any] | None = None
    default_input_value: Any = ""
    default_output_value: Any = ""
    skip_empty_keys: bool | Collection[str] = False
    force_empty_keys: bool | Collection[str] = False
    request_elem: str | None = None
    response_elem: str | None = None
    output_repeated: bool = False
    secrets: Collection[str] = field(
        init=False,
        default=Factory(lambda self: frozenset((*self.input.secrets, *self.output.secrets)), takes_self=True),
    )

    def read(self, payload: Any) -> Any:
        """Return the declared elements of a payload, or the model.

        Raises:
            BadInput: Naming the element that is missing or does not fit.
        """
        if self.request_elem is not None and isinstance(payload, dict):
            payload = payload.get(self.request_elem, payload)
        if self.read_input is not None:
            return self.read_input(payload)
        if not self.input:
            return Input.of(payload, self.secrets)
        if not isinstance(payload, dict) and is_model(type(payload)):
            payload = unstructure(payload)
        if not isinstance(payload, dict):
            if self.input.required:
                names = ", ".join(repr(element.name) for element in self.input.required)
                msg = f"expected an object with {names}, got {redacted(payload, self.secrets)!r:.200}"
                raise BadInput(msg)
            payload = {}
        try:
            return Input(self.input.read(payload, self.default_input_value), self.secrets)
        except ElementError as error:
            msg = f"input {error}"
            raise BadInput(msg) from None

    def write(self, response: Any) -> Any:
        """Return what leaves the service: the declared elements of a response, of each item where it is a list.

        Text is given as it is.

        Raises:
            RemoteError: Naming the element that the service did not give, or that does not fit.
        """
        if isinstance(response, list | tuple):
            result: Any = [self._written(one) for one in response]
        elif self.output_repeated and not isinstance(response, str):
            result = [] if response is None else [self._written(response)]
        else:
            result = self._written(response)
        return result if self.response_elem is None else {self.response_elem: result}

    def _written(self, response: Any) -> Any:
        if self.read_output is not None:
            try:
                return unstructure(self.read_output(unstructure({} if response is None else response)))
            except BadInput as error:
                msg = f"output {error}"
                raise RemoteError(msg) from None
        if not self.output or isinstance(response, str):
            return unstructure(response)
        try:
            return self.output.write(response, self.default_output_value, skips=self._skips)
        except ElementError as error:
            msg = f"output {error}"
            raise RemoteError(msg) from None

    def _skips(self, name: str) -> bool:
        return _names(self.skip_empty_keys, name) and not _names(self.force_empty_keys, name)


def _names(which: bool | Collection[str], name: str) -> bool:
    return which if isinstance(which, bool) else name in which


def declaration_of(service: type) -> SimpleIODeclaration | None:
    """Return what a service declares in `class SimpleIO`, or by `input` and `output` of its own; None for nothing.

    Raises:
        TypeError: When a declaration means nothing.
    """
    declared = getattr(service, "SimpleIO", None)
    if declared is not None:
        return parse_declaration(declared)
    own = [getattr(service, name, None) for name in ("input", "output")]
    if any(one is not None and not inspect.isroutine(one) and not isinstance(one, property) for one in own):
        return parse_declaration(service)
    return None


def parse_declaration(declared: type) -> SimpleIODeclaration:
    """Read what a class `SimpleIO` declares.

    Raises:
        TypeError: When a declaration means nothing.
    """
    for name, value in vars(declared).items():
        if name.startswith(("input", "output")) and name not in _OPTIONS and not inspect.isroutine(value):
            msg = f"SimpleIO: there is no {name!r}; there are {', '.join(sorted(_OPTIONS))}"
            raise TypeError(msg)
    given = {name: getattr(declared, name) for name in _OPTIONS if getattr(declared, name, None) is not None}
    default = getattr(declared, "default_value", "")
    options: dict[str, Any] = {
        name: given[name]
        for name in ("skip_empty_keys", "force_empty_keys", "request_elem", "response_elem", "output_repeated")
        if name in given
    }
    for name in ("skip_empty_keys", "force_empty_keys"):
        if isinstance(options.get(name), str):
            options[name] = (options[name],)
    read_input, inputs = _side(given, "input")
    read_output, outputs = _side(given, "output")
    return SimpleIODeclaration(
        inputs,
        outputs,
        read_input,
        read_output,
        default_input_value=getattr(declared, "default_input_value", default),
        default_output_value=getattr(declared, "default_output_value", default),
        **options,
    )


def _side(given: dict[str, Any], side: str) -> tuple[Callable[[object], Any] | None, Elements]:
    """Return how a model of the input or output is read, and the elements where there is no model."""
    declared = given.get(side, ())
    required, optional = (given.get(f"{side}_{which}", ()) for which in ("required", "optional"))
    if is_model(declared) or get_origin(declared) is not None:
        if required or optional:
            msg = f"SimpleIO: {side} is a model; {side}_required and {side}_optional cannot be there with it"
            raise TypeError(msg)
        return input_reader(declared), Elements()
    elements = Elements.of(declared)
    return None, Elements((*elements.required, *elements_of(required)), (*elements.optional, *elements_of(optional)))
