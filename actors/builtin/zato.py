"""Built-in services under the names and in the shapes in which Zato's clients know them."""

from __future__ import annotations

from typing import Any

from actors.services.service import Service

__all__ = ["Echo", "Ping"]


class Echo(Service):
    """Returns its input."""

    name = "demo.echo"

    async def handle(self, data: Any) -> Any:
        """Return the input."""
        return data


class Ping(Service):
    """Tells that the cluster answers."""

    name = "zato.ping"

    async def handle(self, _data: Any) -> dict[str, str]:
        """Return what Zato's clients expect."""
        return {"pong": "zato"}
