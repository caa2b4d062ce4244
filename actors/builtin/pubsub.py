"""Built-in services around topics, under the names and in the shapes in which Zato's clients know them."""

from __future__ import annotations

from typing import Any, ClassVar

from actors.channels.admission import ListSubscriptions
from actors.errors import BadInput
from actors.messages import PublishTo, SubscribeTo, UnsubscribeFrom
from actors.services.call import Caller
from actors.services.reach import Reach
from actors.services.service import Service
from actors.topics.delivery import TOPIC_REQUESTS, PublishMany
from actors.topics.listed import publishes_of
from actors.topics.publication import Publish
from actors.topics.topic_access import (
    get_messages,
    may_publish,
    publish,
    require_peer,
    resume,
    subscribe_peer,
    unsubscribe,
)

__all__ = [
    "CreateSubscription",
    "GetMessages",
    "OwnSubscriptions",
    "PublishMessage",
    "ResumeSubscription",
    "SubscribeWSX",
    "TopicRequests",
    "Unsubscription",
]

ORDINARY_LIMIT = 50


def _dict_of(request: Any) -> dict[str, Any]:
    if not isinstance(request, dict):
        msg = f"expected an object, got {request!r:.40}"
        raise BadInput(msg)
    return request


def _text(request: Any, key: str, what: str) -> str:
    value = _dict_of(request).get(key)
    if not isinstance(value, str) or not value:
        msg = f"{key}: expected {what}"
        raise BadInput(msg)
    return value


def _topic_name(request: Any) -> str:
    return _text(request, "topic_name", "the name of a topic")


class PublishMessage(Service):
    """Publishes a message for a peer, where its endpoint lets it."""

    name = "zato.pubsub.pubapi.publish-message"

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return the message's id."""
        topic = _topic_name(request)
        allowed = may_publish(self.reach, topic, self.caller)
        options = {key: value for key, value in request.items() if key not in ("topic_name", "data")}
        message = Publish.of(request.get("data"), options, cid=self.cid, **allowed)
        return {"msg_id": await publish(self.reach, topic, message)}


class TopicRequests(Service):
    """Does what a peer asks of topics in messages of their own; only its session hands such a message over."""

    name = TOPIC_REQUESTS
    concurrency: ClassVar[int] = 10_000

    async def handle(self, request: Any) -> list[str | None]:
        """Return the ids of what was published, or the sub_keys."""
        caller = require_peer(self.caller)
        match request:
            case PublishTo(topic=topic, data=messages):
                allowed = may_publish(self.reach, topic, caller)
                publishes = publishes_of(messages, is_list=len(messages) != 1, cid=self.cid, **allowed)
                ids: list[str | None] = await publish(self.reach, topic, PublishMany(publishes))
                return ids
            case SubscribeTo(data=topics, options=options):
                return list(await _subscribe(self.reach, caller, topics, options))
            case UnsubscribeFrom(data=topic, sub_key=sub_key):
                await unsubscribe(self.reach, caller, topic, sub_key)
                return []
        msg = "expected a request about topics, which comes over a native link"
        raise BadInput(msg)


class _Subscribing(Service):
    """Subscribes the calling peer's session."""

    autostart = False

    async def _subscribe(self, request: dict[str, Any], topics: list[str]) -> list[str]:
        options = {key: value for key, value in request.items() if key not in ("topic_name", "topic_name_list")}
        return await _subscribe(self.reach, require_peer(self.caller), topics, options)


async def _subscribe(reach: Reach, caller: Caller, topics: list[str], said: dict[str, Any]) -> list[str]:
    """Subscribe a peer's session with what it says beside the topics; return the sub_keys."""
    options = {key: value for key, value in said.items() if key not in ("unsub_on_wsx_close", "label")}
    unsub = said.get("unsub_on_wsx_close")
    if not isinstance(unsub, bool | None):
        msg = f"unsub_on_wsx_close: expected true or false, got {unsub!r}"
        raise BadInput(msg)
    label = _text(said, "label", "a text") if said.get("label") else ""
    return await subscribe_peer(reach, caller, topics, options, unsub_on_wsx_close=unsub, label=label)


class CreateSubscription(_Subscribing):
    """Subscribes the calling peer's session to a topic, or to several."""

    name = "zato.pubsub.subscription.create-wsx-subscription"
    autostart = True

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return the sub_key; for a list of topics, a list of each with its sub_key."""
        names, name = _dict_of(request).get("topic_name_list"), request.get("topic_name")
        if names and name:
            msg = "Cannot provide both topic_name and topic_name_list on input"
            raise BadInput(msg)
        if not names and not name:
            msg = "Either or topic_name or topic_name_list is required"
            raise BadInput(msg)
        if name:
            [sub_key] = await self._subscribe(request, [_topic_name(request)])
            return {"sub_key": sub_key}
        if not isinstance(names, list) or not all(isinstance(one, str) and one for one in names):
            msg = "topic_name_list: expected a list of names of topics"
            raise BadInput(msg)
        sub_keys = await self._subscribe(request, names)
        return {
            "sub_data": [
                {"topic_name": name, "sub_key": sub_key} for name, sub_key in zip(names, sub_keys, strict=True)
            ]
        }


class SubscribeWSX(_Subscribing):
    """Subscribes the calling peer's session to a topic, under the name that Zato 3.0 has for it."""

    name = "zato.pubsub.pubapi.subscribe-wsx"
    autostart = True

    async def handle(self, request: Any) -> dict[str, str]:
        """Return the sub_key."""
        [sub_key] = await self._subscribe(_dict_of(request), [_topic_name(request)])
        return {"sub_key": sub_key}


class Unsubscription(Service):
    """Ends the calling peer's subscription to a topic; repeating it is harmless."""

    name = "zato.pubsub.pubapi.unsubscribe"

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return an empty object, whether there was a subscription or not."""
        topic = _topic_name(request)
        sub_key = _text(request, "sub_key", "a sub_key") if request.get("sub_key") else ""
        await unsubscribe(self.reach, require_peer(self.caller), topic, sub_key)
        return {}


class GetMessages(Service):
    """Takes messages of one of the calling peer's subscriptions, instead of having them delivered."""

    name = "zato.pubsub.pubapi.get-messages"

    async def handle(self, request: Any) -> list[dict[str, Any]]:
        """Return the first messages, which nobody gets again."""
        topic, sub_key = _topic_name(request), _text(request, "sub_key", "a sub_key")
        limit = request.get("limit", ORDINARY_LIMIT)
        return await get_messages(self.reach, require_peer(self.caller), topic, sub_key, limit)


class ResumeSubscription(Service):
    """Has the calling peer's session receive the messages of a subscription that it had before."""

    name = "zato.pubsub.resume-wsx-subscription"

    async def handle(self, request: Any) -> dict[str, Any]:
        """Return an empty object."""
        await resume(self.reach, require_peer(self.caller), _text(request, "sub_key", "a sub_key"))
        return {}


class OwnSubscriptions(Service):
    """Lists the subscriptions of the calling peer, where its links show that it is the same one each time."""

    name = "isthmus.pubsub.subscriptions"

    async def handle(self) -> list[dict[str, str]]:
        """Return of each the topic, the sub_key and what the subscriber called it."""
        caller = require_peer(self.caller)
        if not caller.identity.is_lasting:
            return []
        records = await self.ref("channel", caller.channel).ask(ListSubscriptions(caller.identity))
        return [{"topic_name": one.topic, "sub_key": one.sub_key, "label": one.client} for one in records]
