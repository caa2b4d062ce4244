"""Administrative services; the gateway lets only sessions of the admin socket reach them."""

from __future__ import annotations

import os
from typing import Any

import trio

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import BadInput
from actors.services.service import Service
from runtime.admin.change import Change
from runtime.admin.overview import overview_services
from runtime.admin.publishing import PUBLISHING_SERVICES
from runtime.registry import Registry

__all__ = ["admin_services"]


def admin_services(registry: Registry, cluster: str) -> tuple[type[Service], ...]:
    """Return the administrative services of a cluster."""

    class Status(Service):
        """Shows every actor of the registry."""

        name = f"{ADMIN_PREFIX}status"

        async def handle(self) -> dict[str, Any]:
            """Return the cluster, the process id and all actors."""
            return {"cluster": cluster, "pid": os.getpid(), "actors": registry.snapshot()}

    class InvokeVia(Change):
        """Invokes a remote service over one of the cluster's outgoing connections."""

        name = f"{ADMIN_PREFIX}invoke-via"
        tells = ("connection",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return the remote service's result."""
            if not isinstance(request.get("connection"), str):
                msg = "connection: expected the name of an outgoing connection"
                raise BadInput(msg)
            timeout = float(request.get("timeout") or 5.0)
            async with self.out.wsx.get(request["connection"]).conn.client() as client:
                response = await client.invoke(request.get("data"), timeout=timeout)
            return response.data

    class Changes(Service):
        """Tells what has changed in the registry after a revision, as soon as anything has."""

        name = f"{ADMIN_PREFIX}changes"

        async def handle(self, request: Any) -> Any:
            """Return the actors that changed, the names of those that ended, and the revision to go on from.

            After `timeout` seconds (at most 60) without a change these are empty.
            """
            since = int(request.get("since") or 0)
            changes = None
            with trio.move_on_after(min(60.0, float(request.get("timeout") or 20.0))):
                changes = await registry.wait_changes(since)
            if changes is None:
                return {"revision": since, "changed": [], "removed": [], "is_complete": False}
            return changes

    return Status, InvokeVia, Changes, *overview_services(registry, cluster), *PUBLISHING_SERVICES
