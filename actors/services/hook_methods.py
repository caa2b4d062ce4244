"""Services whose methods are called in place of `handle`: only those that a subclass overrides, blocking or not."""

from __future__ import annotations

import inspect
from typing import Any

from actors.services.service import Service

__all__ = ["call_method", "is_overridden"]


def is_overridden(service: Service, base: type[Service], method: str) -> bool:
    """Tell whether a service's class has a method of its own, in place of that of `base`."""
    return getattr(type(service), method) is not getattr(base, method)


async def call_method(service: Service, method: str, context: object) -> Any:
    """Call a method with a context, a blocking one in a worker thread, and return what it returns."""
    function = getattr(service, method)
    if inspect.iscoroutinefunction(function):
        return await function(context)
    return await service.run_sync(function, context)
