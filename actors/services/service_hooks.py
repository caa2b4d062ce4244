"""The hooks of a service: what it may override beside `handle`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["ServiceHooks", "may_be_deployed", "tell_deployed"]

_AROUND_HANDLE = (
    "accept",
    "validate_input",
    "before_handle",
    "after_handle",
    "validate_output",
    "finalize_handle",
)


class ServiceHooks:
    """What runs around `handle`, `async def` or `def` whatever `handle` is, and when a service is deployed.

    In order: `accept`, reading the input, `validate_input`, `before_handle`, `handle`, `after_handle`,
    `validate_output`, writing the output, `finalize_handle`. What is not overridden costs nothing.
    """

    @staticmethod
    def before_add_to_store(logger: Any) -> Any:
        """Override as a static method to say by False that the service is not to be deployed."""

    @staticmethod
    def after_add_to_store(logger: Any) -> Any:
        """Override as a static method to hear that the service has been deployed."""

    def accept(self) -> Any:
        """Override to refuse a request by returning False, before its input is read; the caller gets `Forbidden`."""

    def validate_input(self) -> Any:
        """Override to look at the input; what it raises is the answer, and `handle` does not run."""

    def before_handle(self) -> Any:
        """Override to do something before `handle`; what it raises is logged."""

    def after_handle(self) -> Any:
        """Override to do something after a `handle` that did not fail; what it raises is logged."""

    def validate_output(self) -> Any:
        """Override to look at `self.response.payload`; what it raises is the answer."""

    def finalize_handle(self) -> Any:
        """Override to do something at the end, however it came about; what it raises is logged."""

    def own_hooks(self) -> dict[str, Callable[[], Any]]:
        """Return the hooks around `handle` that the service overrides, by name."""
        cls = type(self)
        return {
            name: getattr(self, name)
            for name in _AROUND_HANDLE
            if getattr(cls, name) is not getattr(ServiceHooks, name)
        }


def may_be_deployed(service: type[ServiceHooks], logger: Any) -> bool:
    """Ask a service's `before_add_to_store`; one that raises is not deployed either, which is logged."""
    try:
        is_refused = service.before_add_to_store(logger) is False
    except Exception:  # whatever a user's hook raises
        logger.exception("not deployed: before_add_to_store failed")
        return False
    if is_refused:
        logger.warning("not deployed: before_add_to_store says no")
    return not is_refused


def tell_deployed(service: type[ServiceHooks], logger: Any) -> None:
    """Call a service's `after_add_to_store`; what it raises is logged."""
    try:
        service.after_add_to_store(logger)
    except Exception:  # whatever a user's hook raises
        logger.exception("after_add_to_store failed")
