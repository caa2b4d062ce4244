"""WSXHook: a service that hears of the peers of a channel, with a method for each event."""

from __future__ import annotations

from typing import Any, ClassVar

from actors.channels.channel_events import ON_CONNECTED, ON_DISCONNECTED, ON_PUBSUB_RESPONSE, ChannelEvent
from actors.errors import RemoteError
from actors.services.hook_methods import call_method, is_overridden
from actors.services.service import Service

__all__ = ["WSXHook"]


class WSXHook(Service):
    """Override what you care for, `async def` or `def`; what is not overridden is not called.

    A channel, or a cluster for all of its channels, names it as `hook_service`.
    """

    _METHODS: ClassVar[dict[str, str]] = {
        ON_CONNECTED: "on_connected",
        ON_DISCONNECTED: "on_disconnected",
        ON_PUBSUB_RESPONSE: "on_pubsub_response",
    }

    def on_connected(self, ctx: ChannelEvent) -> Any:
        """Hear of a new session, before its peer does; what is put into `ctx.user_data` is there for its requests.

        The peer waits for the end of this, at most the channel's `hook_timeout`, and has its session in any case.
        """

    def on_disconnected(self, ctx: ChannelEvent) -> Any:
        """Hear that a peer has gone, also one that never had a session; comes once, after on_connected has ended."""

    def on_pubsub_response(self, ctx: ChannelEvent) -> Any:
        """Hear that a client has answered a delivery of messages; `ctx.msg` is the answer."""

    async def handle(self, event: Any) -> Any:
        """Hand an event to its method."""
        if not isinstance(event, ChannelEvent):
            msg = f"{self.name!r} is a channel's hook and cannot be invoked"
            raise RemoteError(msg)
        method = self._METHODS[event.hook_type]
        if not is_overridden(self, WSXHook, method):
            return None
        return await call_method(self, method, event)
