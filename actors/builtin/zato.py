"""Built-in services under the names and in the shapes in which Zato's clients know them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from actors.call import Caller
from actors.delivery import Subscribe, Unsubscribe
from actors.errors import ActorNotFound, BadInput, Forbidden, NotFound
from actors.publication import Publish
from actors.service import Service

__all__ = ["CreateSubscription", "Echo", "Ping", "PublishMessage", "Unsubscription"]

_FORBIDDEN = "You are not allowed to access this resource"


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


def _topic_name(request: Any) -> str:
    name = request.get("topic_name") if isinstance(request, dict) else None
    if not isinstance(name, str) or not name:
        msg = "topic_name: expected the name of a topic"
        raise BadInput(msg)
    return name


class PublishMessage(Service):
    """Publishes a message for a peer, where its endpoint lets it."""

    name = "zato.pubsub.pubapi.publish-message"

    async def handle(self, request: Any) -> dict[str, str]:
        """Return the message's id."""
        topic = _topic_name(request)
        caller = self.caller
        if caller is not None and not caller.is_admin:
            allowed = caller.endpoint.may_publish(topic) if caller.endpoint is not None else None
            if allowed is None:
                self.logger.warning("publish denied", topic=topic, channel=caller.channel, peer=caller.peer)
                raise Forbidden(_FORBIDDEN)
        options = {key: value for key, value in request.items() if key not in ("topic_name", "data")}
        message = Publish.of(request.get("data"), options, cid=self.cid)
        try:
            return {"msg_id": await self.ref("topic", topic).ask(message)}
        except ActorNotFound:
            msg = f"No such topic `{topic}`"
            raise NotFound(msg) from None


def _require_peer(caller: Caller | None) -> Caller:
    if caller is None:
        msg = "Only a peer with a session can subscribe"
        raise BadInput(msg)
    return caller


class CreateSubscription(Service):
    """Subscribes the calling peer's session to a topic, or to several."""

    name = "zato.pubsub.subscription.create-wsx-subscription"

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return the sub_key; for a list of topics, a list of each with its sub_key."""
        caller = _require_peer(self.caller)
        names = request.get("topic_name_list") if isinstance(request, dict) else None
        has_name = isinstance(request, dict) and bool(request.get("topic_name"))
        if names and has_name:
            msg = "Cannot provide both topic_name and topic_name_list on input"
            raise BadInput(msg)
        if not names and not has_name:
            msg = "Either or topic_name or topic_name_list is required"
            raise BadInput(msg)
        if has_name:
            return {"sub_key": await self._subscribe(caller, _topic_name(request))}
        return {
            "sub_data": [{"topic_name": name, "sub_key": await self._subscribe(caller, name)} for name in names or ()]
        }

    async def _subscribe(self, caller: Caller, topic: str) -> str:
        allowed = caller.is_admin or (caller.endpoint is not None and caller.endpoint.may_subscribe(topic) is not None)
        if not allowed:
            self.logger.warning("subscription denied", topic=topic, channel=caller.channel, peer=caller.peer)
            raise Forbidden(_FORBIDDEN)
        if caller.attachment is None:
            msg = "Only a peer with a session can subscribe"
            raise BadInput(msg)
        order = Subscribe(caller.identity, caller.attachment, caller.client_id, is_lasting=caller.is_lasting)
        try:
            sub_key: str = await self.ref("topic", topic).ask(order)
        except ActorNotFound:
            msg = f"No such topic `{topic}`"
            raise NotFound(msg) from None
        return sub_key


class Unsubscription(Service):
    """Ends the calling peer's subscription to a topic; repeating it is harmless."""

    name = "zato.pubsub.pubapi.unsubscribe"

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return an empty object, whether there was a subscription or not."""
        caller = _require_peer(self.caller)
        order = Unsubscribe(caller.identity, str(request.get("sub_key") or ""))
        with suppress(ActorNotFound):
            await self.ref("topic", _topic_name(request)).ask(order)
        return {}
