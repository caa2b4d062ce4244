"""Administrative services over the clients that are connected to a cluster's channels."""

from __future__ import annotations

from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import BadInput
from actors.services.service import Service
from runtime.admin.change import Change

__all__ = ["SESSION_SERVICES"]


class Sessions(Service):
    """Lists the clients of a channel, or of all."""

    name = f"{ADMIN_PREFIX}sessions"

    async def handle(self, request: dict[str, Any]) -> Any:
        """Return a dict for each."""
        return await self.wsx.channel.get_connection_list(str(request.get("channel") or ""))


class CloseSession(Change):
    """Disconnects a client."""

    name = f"{ADMIN_PREFIX}close-session"
    tells = ("client",)

    async def change(self, request: dict[str, Any]) -> Any:
        """Return its id."""
        client = _client(request)
        await self.wsx.channel.disconnect_client(self.cid, client)
        self.logger.info("client disconnected by an operator", client=client)
        return {"closed": client}


class InvokeSession(Change):
    """Sends a client a request."""

    name = f"{ADMIN_PREFIX}invoke-session"
    tells = ("client",)

    async def change(self, request: dict[str, Any]) -> Any:
        """Return its answer."""
        timeout = float(request.get("timeout") or 5.0)
        return await self.wsx.channel.invoke(
            pub_client_id=_client(request), request=request.get("data"), timeout=timeout
        )


SESSION_SERVICES: tuple[type[Service], ...] = (Sessions, CloseSession, InvokeSession)


def _client(request: dict[str, Any]) -> str:
    client = request.get("client")
    if not isinstance(client, str) or not client:
        msg = f"client: expected the pub_client_id of a client, got {client!r}"
        raise BadInput(msg)
    return client
