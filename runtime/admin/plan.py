"""Administrative services that compare a running cluster with clusters.toml, and have it follow the file."""

from __future__ import annotations

from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import BadInput
from actors.services.service import Service
from runtime.admin.change import Change
from runtime.applying import Applier, Target

__all__ = ["plan_services"]


def plan_services(applier: Applier | None, target: Target) -> tuple[type[Service], ...]:
    """Return the services of a cluster that comes from a file; none of any other."""
    if applier is None:
        return ()
    of_file = applier

    class Plan(Service):
        """Tells what would be changed."""

        name = f"{ADMIN_PREFIX}plan"

        async def handle(self, request: dict[str, Any]) -> Any:
            """Return the steps, and the digest to apply them by."""
            return await of_file.plan(target, _text(request, "path"))

    class Apply(Change):
        """Changes what a plan has shown."""

        name = f"{ADMIN_PREFIX}apply"
        tells = ("path", "digest")
        tells_after = ("steps",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return what became of each step, and what remains."""
            return await of_file.apply(target, _text(request, "path"), _text(request, "digest"))

    return Plan, Apply


def _text(request: dict[str, Any], key: str) -> str:
    value = request.get(key)
    if not isinstance(value, str) or not value:
        msg = f"{key}: expected text, got {value!r}"
        raise BadInput(msg)
    return value
