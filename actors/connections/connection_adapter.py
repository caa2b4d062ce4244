"""ConnectionAdapter: a hook of an outgoing connection with a method for each event; Zato calls it WSXAdapter."""

from __future__ import annotations

from typing import Any, ClassVar

from actors.connections.hooks import Closed, Connected, MessageReceived
from actors.errors import RemoteError
from actors.services.hook_methods import call_method, is_overridden
from actors.services.service import Service

__all__ = ["ConnectionAdapter", "OnClosed", "OnConnected", "OnMessageReceived", "WSXAdapter"]

OnConnected = Connected
OnMessageReceived = MessageReceived
OnClosed = Closed


class ConnectionAdapter(Service):
    """Override what you care for, `async def` or `def`; what is not overridden is not called.

    Name it as on_connect, on_message and on_close of a connection, or as some of them.
    """

    _METHODS: ClassVar[dict[type, str]] = {
        Connected: "on_connected",
        MessageReceived: "on_message_received",
        Closed: "on_closed",
    }

    def on_connected(self, ctx: OnConnected) -> Any:
        """Hear of a new link."""

    def on_message_received(self, ctx: OnMessageReceived) -> Any:
        """Handle messages, a request or a frame; what this returns is the answer to a request of the server."""

    def on_closed(self, ctx: OnClosed) -> Any:
        """Hear of the end of a link."""

    async def handle(self, event: Any) -> Any:
        """Hand an event of a link to its method."""
        method = self._METHODS.get(type(event))
        if method is None:
            msg = f"{self.name!r} is a connection's hook and cannot be invoked"
            raise RemoteError(msg)
        if not is_overridden(self, ConnectionAdapter, method):
            return None
        return await call_method(self, method, event)


WSXAdapter = ConnectionAdapter
