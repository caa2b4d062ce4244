"""What `self.pubsub` of a service can do: publish, subscribe, make topics, take messages.

Everything here is called the same way from `async def handle`, where it gives something to await, and from
`def handle` in a worker thread, where it blocks and gives the result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from actors.errors import NotFound
from actors.ref import actor_name
from actors.services.invoking import ServiceName, service_name
from actors.services.reach import LOCAL_TIMEOUT, Reach
from actors.topics.catalogue import service_topic
from actors.topics.delivery import TOPICS, CreateTopic, PublishMany, StartSubscriber, SubKeyOf
from actors.topics.listed import listed, publishes_of
from actors.topics.publication import Publish
from actors.topics.subscribing import delivery_options, subscription_options
from actors.topics.topic_access import (
    find_topic,
    get_messages,
    hand_over,
    hand_over_nowait,
    may_publish,
    may_subscribe,
    publish,
    require_peer,
    resume,
    subscribe_peer,
    unsubscribe,
)
from actors.topics.topic_options import topic_settings

__all__ = ["PubSub"]


@frozen
class PubSub:
    """Publishing to topics of this cluster, and subscribing to them."""

    _reach: Reach

    def publish(
        self,
        name: ServiceName,
        data: object = "",
        *,
        data_list: Sequence[Mapping[str, Any]] | None = None,
        confirm: bool = True,
        **options: Any,
    ) -> Any:
        """Publish a message and return its id, once it is as safe as its topic promises.

        Without `confirm` it returns None as soon as the message waits for its topic, which is many times as fast. What
        the topic then refuses it logs and counts, and a crash may lose what it has not stored; while too much waits
        for the topic, this waits for room.

        Args:
            name: The topic's name, such as `/customer/new`; or a service of this cluster, by name or class, which
                then receives the message.
            data: A str, or anything that JSON can say.
            data_list: Instead of `data`: dicts, each with `data` and options of its own. They are stored together,
                and the list of their ids is returned.
            confirm: Whether to wait until it is stored.
            **options: `msg_id`, `priority` (1 to 9, default 5), `expiration` (seconds), `correl_id`,
                `in_reply_to`, `ext_client_id`, `ext_pub_time`, `mime_type`, `has_gd`, `reply_to_sk`,
                `deliver_to_sk`, `user_ctx`; with `data_list`, what holds for those that say nothing else.

        Raises:
            Forbidden: When an endpoint of the service does not let it publish there.
            NotFound: When there is no such topic or service.
            BadInput: When an option has a wrong value.
            Conflict: When the msg_id was used before, with other data.
            Overloaded: When the topic is full or not active.
        """
        if data_list is None:
            return self._reach.bridge(self._publish if confirm else self._hand_over, name, data, options)
        return self._reach.bridge(lambda: self._publish_list(name, data, data_list, options, confirm=confirm))

    async def _publish(self, name: ServiceName, data: object, options: dict[str, Any]) -> Any:
        reach, topic = self._reach, self._topic_of(name)
        allowed, cid = may_publish(reach, topic, None), reach.position()[0]
        return await publish(reach, topic, Publish.of(data, options, cid=cid, **allowed))

    async def _publish_list(
        self,
        name: ServiceName,
        data: object,
        data_list: Sequence[Mapping[str, Any]],
        options: dict[str, Any],
        *,
        confirm: bool,
    ) -> Any:
        topic = self._topic_of(name)
        allowed = may_publish(self._reach, topic, None)
        cid = self._reach.position()[0]
        messages = publishes_of(listed(data, data_list, options), is_list=True, cid=cid, **allowed)
        if not messages:
            return [] if confirm else None
        return await (publish if confirm else hand_over)(self._reach, topic, PublishMany(messages))

    async def _hand_over(self, name: ServiceName, data: object, options: dict[str, Any]) -> None:
        """Have one message wait for its topic: what a service may do a hundred thousand times a second."""
        reach, topic = self._reach, self._topic_of(name)
        allowed, cid = may_publish(reach, topic, None), reach.position()[0]
        message = Publish.of(data, options, cid=cid, **allowed)
        if not hand_over_nowait(reach, topic, message, cid):
            await hand_over(reach, topic, message)

    def _topic_of(self, name: ServiceName) -> str:
        if isinstance(name, str) and name.startswith("/"):
            return name
        service = service_name(name, "the name of a topic, or a service")
        if self._reach.directory.find_mailbox(actor_name("service", service)) is None:
            msg = f"there is neither a topic nor a service {service!r}"
            raise NotFound(msg)
        return service_topic(service)

    def subscribe(
        self,
        topic: str,
        *,
        use_current_wsx: bool = True,
        service: ServiceName | None = None,
        unsub_on_wsx_close: bool | None = None,
        **options: Any,
    ) -> Any:
        """Subscribe the peer that invokes this service, or a service, to a topic; return the sub_key.

        Args:
            topic: The topic's name.
            use_current_wsx: Subscribe the session of the peer that invokes this service.
            service: A service of this cluster, by name or class, that is to receive the messages instead.
            unsub_on_wsx_close: Whether a peer's subscription ends with its session; None for what its channel says.
            **options: How its messages are delivered: `delivery_batch_size`, `wrap_one_msg_in_list`,
                `delivery_max_retry`, `ack_timeout`, `wait_sock_err`, `wait_non_sock_err`, `longest_pause`,
                `ordered`, `deliver_from`, `active_status`.

        Raises:
            Forbidden: When the peer, or this service, may not subscribe to the topic.
            BadInput: When no peer invokes this service, or an option has a wrong value.
        """
        is_for_service = service is not None and (isinstance(service, str | type) or not use_current_wsx)
        if is_for_service:
            return self._reach.bridge(lambda: self._subscribe_service(topic, service_name(service), options))
        return self._reach.bridge(lambda: self._subscribe_peer(topic, unsub_on_wsx_close, options))

    async def _subscribe_peer(self, topic: str, unsub_on_wsx_close: bool | None, options: dict[str, Any]) -> str:
        caller = require_peer(self._reach.caller())
        [sub_key] = await subscribe_peer(self._reach, caller, [topic], options, unsub_on_wsx_close=unsub_on_wsx_close)
        return sub_key

    async def _subscribe_service(self, topic: str, service: str, options: dict[str, Any]) -> str:
        may_subscribe(self._reach, topic, None)
        checked = subscription_options(options)
        if await find_topic(self._reach, topic) is None:
            msg = f"No such topic `{topic}`"
            raise NotFound(msg)
        kind, name = await self._ask("topics", TOPICS, StartSubscriber(service, topic, delivery_options(checked)))
        sub_key: str = await self._ask(kind, name, SubKeyOf(topic))
        return sub_key

    async def _ask(self, kind: str, name: str, message: object) -> Any:
        return await self._reach.ref(kind, name).ask(message, timeout=self._reach.time_left(LOCAL_TIMEOUT))

    def unsubscribe(self, topic: str, sub_key: str) -> Any:
        """End a subscription: of the peer that invokes this service, or without one any that `sub_key` names."""
        return self._reach.bridge(lambda: unsubscribe(self._reach, self._reach.caller(), topic, sub_key))

    def create_topic(self, name: str, **options: Any) -> Any:
        """Make a topic that is there from now on, also after a restart; again with the same options is harmless.

        Args:
            name: Its name, which begins with `/`.
            **options: `has_gd`, `accept_on_no_sub`, `is_active`, `is_api_sub_allowed`, `max_depth_gd`,
                `max_depth_non_gd`, `hook_service`; or any key of a topic of clusters.toml.

        Raises:
            BadInput: When the name or an option cannot be used.
            Conflict: When there is a topic of that name that is set to something else.
        """
        return self._reach.bridge(lambda: self._create_topic(name, options))

    async def _create_topic(self, name: str, options: dict[str, Any]) -> None:
        await self._ask("topics", TOPICS, CreateTopic(name, topic_settings(options)))

    def get_messages(self, topic: str, sub_key: str, limit: int = 50) -> Any:
        """Take the first messages of a subscription, urgent ones first, then the oldest; nobody gets them again.

        Raises:
            Forbidden: When the peer that invokes this service has no such subscription, or there is none.
        """
        return self._reach.bridge(lambda: get_messages(self._reach, self._reach.caller(), topic, sub_key, limit))

    def resume_wsx_subscription(self, sub_key: str) -> Any:
        """Have the peer that invokes this service receive the messages of a subscription that it had before.

        Raises:
            Forbidden: When there is no such subscription, or it is another security definition's.
        """
        return self._reach.bridge(lambda: resume(self._reach, require_peer(self._reach.caller()), sub_key))
