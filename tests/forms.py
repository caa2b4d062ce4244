"""One body of a service's `handle`, run as `async def` and as `def`: what services call is called alike in both."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from actors import Service

FORMS = ("async", "blocking")


async def given(result: Any) -> Any:
    """Return what a call gave: awaited in an `async def`, as it is in a blocking service."""
    return await result if inspect.isawaitable(result) else result


def form_of(form: str, body: Callable[[Any], Awaitable[Any]]) -> Callable[..., Any]:
    """Return a method that runs a body; the blocking one never meets anything to wait for."""

    async def native(self: Service) -> Any:
        return await body(self)

    def blocking(self: Service) -> Any:
        coroutine: Any = body(self)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return stop.value
        coroutine.close()
        msg = "a blocking service was given something to await"
        raise AssertionError(msg)

    return native if form == "async" else blocking


def service_of(
    form: str, name: str, handle: Callable[[Any], Awaitable[Any]], *, base: type[Service] = Service, **attributes: Any
) -> type[Service]:
    """Return a service with that body; async functions among the attributes become methods of the same form."""
    methods = {
        key: form_of(form, value) if inspect.iscoroutinefunction(value) else value for key, value in attributes.items()
    }
    namespace = {"__module__": __name__, "name": name, "handle": form_of(form, handle), **methods}
    return type(name.title().replace(".", ""), (base,), namespace)
