"""Services that are functions: `@service(name)` makes one of an `async def` or a `def`."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from actors.services.declaration import reader_of
from actors.services.pipeline import EVENTS
from actors.services.service import Service

__all__ = ["service"]


def service(
    name: str, *, concurrency: int = 100, every: float | None = None
) -> Callable[[Callable[..., Awaitable[Any] | Any]], type[Service]]:
    """Declare a service from a function, `async def` or `def`; its one parameter, if any, is the input."""

    def declare(function: Callable[..., Any]) -> type[Service]:
        return type(
            function.__name__,
            (_FunctionService,),
            {
                "__module__": function.__module__,
                "__doc__": function.__doc__,
                "name": name,
                "concurrency": concurrency,
                "every": every,
                "function": staticmethod(function),
                "handle": _method_of(function),
            },
        )

    return declare


class _FunctionService(Service):
    """What `@service` makes subclasses of; `function` is what was decorated."""

    function: ClassVar[Callable[..., Any]]

    @classmethod
    def handler(cls) -> Callable[..., Any]:
        """Return the function that was decorated."""
        return cls.function

    @classmethod
    def read_input_with(cls) -> Callable[[object], object] | None:
        """Return how to read the input for the function; None where it takes none."""
        return reader_of(cls.function, is_method=False, as_it_is=EVENTS)


def _method_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return `function` as a method that drops `self`, of the same colour; of a generator it gives the generator."""

    async def wait_for_it(_self: Service, *data: Any) -> Any:
        return await function(*data)

    def call_it(_self: Service, *data: Any) -> Any:
        return function(*data)

    return wait_for_it if inspect.iscoroutinefunction(function) else call_it
