"""Gateways: services that invoke another service for a peer, by the name that it gives."""

from __future__ import annotations

from typing import Any, ClassVar

import trio

from actors.call import Call, Caller
from actors.endpoint import first_match
from actors.errors import NOT_ALLOWED, BadInput, Forbidden
from actors.reach import invoke_service
from actors.service import Service
from actors.settings import Compat

__all__ = ["PubSubGateway", "WebSocketsGateway"]

ALWAYS_ALLOWED = frozenset(
    (
        "isthmus.pubsub.subscriptions",
        "zato.ping",
        "zato.pubsub.pubapi.get-messages",
        "zato.pubsub.pubapi.publish-message",
        "zato.pubsub.pubapi.subscribe-wsx",
        "zato.pubsub.pubapi.unsubscribe",
        "zato.pubsub.resume-wsx-subscription",
        "zato.pubsub.subscription.create-wsx-subscription",
    )
)
"""Callable whatever `services_allowed` says: a channel's endpoint decides about topics."""

ADMIN_PREFIX = "isthmus.admin."


class WebSocketsGateway(Service):
    """Invokes `service` with `request`, where the channel's `services_allowed` lets it."""

    name = "helpers.web-sockets-gateway"
    concurrency: ClassVar[int] = 10_000

    async def handle(self, request: Any) -> Any:
        """Return the result of the service, in the shape that the caller's release of Zato gives it."""
        if not isinstance(request, dict) or not isinstance(request.get("service"), str):
            msg = 'A gateway\'s input is {"service": NAME, "request": DATA}'
            raise BadInput(msg)
        name, caller = request["service"], self.caller
        self._check(name, caller)
        timeout = max(0.0, min(self.deadline - trio.current_time(), 3600.0))
        result = await invoke_service(
            self.reach, name, None, timeout=timeout, call=Call(request.get("request"), caller)
        )
        return self._shape(result, caller)

    def _check(self, name: str, caller: Caller | None) -> None:
        if caller is None or caller.is_admin:
            return
        allowed = name in ALWAYS_ALLOWED or first_match(caller.services_allowed, name, ".") is not None
        if not allowed or name.startswith(ADMIN_PREFIX):
            self.logger.warning("service denied", service=name, channel=caller.channel, peer=caller.peer)
            raise Forbidden(NOT_ALLOWED)

    def _shape(self, result: Any, caller: Caller | None) -> Any:
        if caller is not None and caller.wire == "zato" and caller.compat is Compat.ZATO_3_2:
            return {"response": {"zato_gateway_response": result}}
        return result


class PubSubGateway(WebSocketsGateway):
    """Invokes services as the other gateway does; its results are bare."""

    name = "helpers.web-sockets-pub-sub-gateway"

    def _shape(self, result: Any, caller: Caller | None) -> Any:
        return result
