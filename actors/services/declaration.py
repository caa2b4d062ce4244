"""What can be known and checked of a service's class before it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from actors.services.io import input_reader

__all__ = ["check_handler", "check_names", "reader_of"]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def check_names(cls: type, base: type) -> None:
    """See to it that a user's class does not replace, unawares, a private method of the class that it extends.

    Raises:
        TypeError: Naming the method.
    """
    own = [one for one in cls.__mro__[: cls.__mro__.index(base)] if one.__module__.partition(".")[0] != "actors"]
    for name in [name for one in own for name in vars(one)]:
        if name.startswith("_") and not name.endswith("__") and callable(getattr(base, name, None)):
            msg = f"{cls.__qualname__}.{name}: every {base.__name__} has a method of this name already; choose another"
            raise TypeError(msg)


def check_handler(handler: Callable[..., Any]) -> None:
    """See to it that a handler which yields can be run: in the task of its request, so as `async def`.

    Raises:
        TypeError: When it is a generator that is none.
    """
    if inspect.isgeneratorfunction(handler):
        msg = (
            f"{handler.__qualname__}: a handler that yields is written `async def`, since a stream waits at each yield"
        )
        raise TypeError(msg)


def reader_of(
    handler: Callable[..., Any], *, is_method: bool, as_it_is: tuple[type, ...]
) -> Callable[[object], object] | None:
    """Return how to read the input for a handler; None where it takes none.

    Args:
        handler: The handler.
        is_method: Whether its first parameter is self.
        as_it_is: Annotations of inputs that are not to be read at all.

    Raises:
        TypeError: When it takes more than one parameter, or an annotation means nothing.
    """
    parameters = list(inspect.signature(handler).parameters.values())
    if is_method and not parameters:
        msg = f"{handler.__qualname__}: the first parameter is self"
        raise TypeError(msg)
    parameters = parameters[1:] if is_method else parameters
    if not parameters:
        return None
    if len(parameters) > 1 or parameters[0].kind not in _POSITIONAL:
        named = ", ".join(map(str, parameters))
        msg = f"{handler.__qualname__}: a handler takes nothing or one parameter, the input; not ({named})"
        raise TypeError(msg)
    try:
        annotation = get_type_hints(handler).get(parameters[0].name, Any)
    except NameError as error:
        msg = f"{handler.__qualname__}: the annotations cannot be read: {error}"
        raise TypeError(msg) from None
    if annotation in as_it_is:
        return lambda data: data
    return input_reader(annotation)
