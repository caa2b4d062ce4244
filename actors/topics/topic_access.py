"""Who may do what with topics, and the way to them: for `self.pubsub` and for the services that peers call alike.

A cluster's own services may use every topic, unless an endpoint of theirs says otherwise; a peer may use what its
endpoint lets it. Whoever may not is told the same whether a topic exists or not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
import trio

from actors.audit import AuditEvent, AuditResult
from actors.envelope import Envelope
from actors.errors import NOT_ALLOWED, ActorNotFound, BadInput, Forbidden, NotFound, Overloaded
from actors.ref import actor_name, ask_mailbox, mailbox_of
from actors.services.call import Caller, who_calls
from actors.services.reach import LOCAL_TIMEOUT, Reach
from actors.settings import Compat, TopicSettings
from actors.signals import traced
from actors.topics.delivery import (
    TOPICS,
    FindTopic,
    GetRecord,
    PublishMany,
    Resume,
    Subscribe,
    TakeMessages,
    Unsubscribe,
)
from actors.topics.endpoint import Endpoint
from actors.topics.publication import Publish, SubscriptionRecord, published_of
from actors.topics.received import delivered
from actors.topics.subscribing import subscription_options

__all__ = [
    "find_topic",
    "get_messages",
    "hand_over",
    "hand_over_nowait",
    "may_publish",
    "may_subscribe",
    "publish",
    "require_peer",
    "resume",
    "right_to_publish",
    "subscribe_peer",
    "unsubscribe",
]

NEEDS_A_PEER = "Only a peer with a session can subscribe"

MAX_HANDED_OUT = 1000
MAX_HANDED_OUT_BYTES = 512 * 1024

TURN = 500
"""How many messages wait for a topic before it gets a turn, where nobody waits for it."""

_log = structlog.get_logger(kind="pubsub")


def require_peer(caller: Caller | None) -> Caller:
    """Return the peer that calls.

    Raises:
        BadInput: When no peer does.
    """
    if caller is None or caller.attachment is None:
        raise BadInput(NEEDS_A_PEER)
    return caller


def _no_topic(topic: str) -> NotFound:
    return NotFound(f"No such topic `{topic}`")


def _denied(reach: Reach, what: str, topic: str, caller: Caller | None, endpoint: Endpoint | None) -> Forbidden:
    _log.warning(
        f"{what} denied",
        topic=topic,
        endpoint=None if endpoint is None else endpoint.name,
        channel=None if caller is None else caller.channel,
        peer=None if caller is None else caller.peer,
    )
    reach.audit.note(
        AuditEvent.TOPIC,
        AuditResult.DENIED,
        cid=reach.position()[0],
        action=what,
        topic=topic,
        endpoint=None if endpoint is None else endpoint.name,
        **who_calls(caller),
    )
    return Forbidden(NOT_ALLOWED)


def _rules(reach: Reach, caller: Caller | None) -> tuple[bool, Endpoint | None]:
    """Tell whether everything is allowed, and else the endpoint that decides; without one nothing is allowed."""
    if caller is None:
        return reach.endpoint is None, reach.endpoint
    return caller.is_admin, caller.endpoint


def right_to_publish(topic: str, *, is_free: bool, endpoint: Endpoint | None) -> dict[str, str] | None:
    """Return which endpoint and pattern let somebody publish; None where none does."""
    if is_free:
        return {}
    pattern = None if endpoint is None else endpoint.may_publish(topic)
    return None if endpoint is None or pattern is None else {"publisher": endpoint.name, "pattern": pattern}


def may_publish(reach: Reach, topic: str, caller: Caller | None) -> dict[str, str]:
    """Return which endpoint and pattern let the caller, or the service itself where there is none, publish.

    Raises:
        Forbidden: When none does.
    """
    if caller is None and reach.endpoint is None:
        return {}
    is_free, endpoint = _rules(reach, caller)
    right = right_to_publish(topic, is_free=is_free, endpoint=endpoint)
    if right is None:
        raise _denied(reach, "publish", topic, caller, endpoint)
    return right


def may_subscribe(reach: Reach, topic: str, caller: Caller | None) -> str:
    """Return which pattern lets the caller, or the service itself where there is none, subscribe.

    Raises:
        Forbidden: When none does.
    """
    is_free, endpoint = _rules(reach, caller)
    if is_free:
        return ""
    pattern = None if endpoint is None else endpoint.may_subscribe(topic)
    if pattern is None:
        raise _denied(reach, "subscription", topic, caller, endpoint)
    return pattern


def _ask(reach: Reach, kind: str, name: str, message: object) -> Coroutine[Any, Any, Any]:
    cid, latest = reach.position()
    name = actor_name(kind, name)
    return ask_mailbox(mailbox_of(reach.directory, name), name, message, LOCAL_TIMEOUT, latest=latest, cid=cid)


async def find_topic(reach: Reach, topic: str) -> TopicSettings | None:
    """Have a topic run where there may be one of that name; return what it is set to, or None."""
    settings: TopicSettings | None = await _ask(reach, "topics", TOPICS, FindTopic(topic))
    return settings


def publish(reach: Reach, topic: str, message: Publish | PublishMany) -> Awaitable[Any]:
    """Have a topic store a message, or several together; return the id, or the list of ids.

    Raises:
        NotFound: When there is no such topic, and may be none.
        CallError: Why the topic did not take it.
    """
    if reach.signals is None:
        return _publish(reach, topic, message)
    return reach.signals.publish(topic, message, partial(_publish, reach, topic), reach.position()[0])


async def _publish(reach: Reach, topic: str, message: Publish | PublishMany) -> Any:
    try:
        return await _ask(reach, "topic", topic, message)
    except ActorNotFound:
        if await find_topic(reach, topic) is None:
            raise _no_topic(topic) from None
    return await _ask(reach, "topic", topic, message)


def hand_over_nowait(reach: Reach, topic: str, message: Publish, cid: str) -> bool:
    """Have a message wait for a topic, where it needs no waiting; tell whether it does. Else `hand_over` is the way."""
    mailbox = reach.directory.find_mailbox(actor_name("topic", topic))
    if mailbox is None or reach.trace() or not (len(mailbox) + 1) % TURN:
        return False
    return mailbox.put_if_room(Envelope(message, cid, size=message.size))


async def hand_over(reach: Reach, topic: str, message: Publish | PublishMany) -> None:
    """Have a message, or several, wait for a topic, and wait for nothing but room there.

    Raises:
        NotFound: When there is no such topic, and may be none.
        Overloaded: When there is no room in time.
    """
    name = actor_name("topic", topic)
    mailbox = reach.directory.find_mailbox(name)
    if mailbox is None and await find_topic(reach, topic) is not None:
        mailbox = reach.directory.find_mailbox(name)
    if mailbox is None:
        raise _no_topic(topic)
    if trace := reach.trace():
        message = traced(message, trace)
    size = message.size if isinstance(message, Publish) else sum(one.size for one in message.messages)
    envelope = Envelope(message, reach.position()[0], size=size)
    if mailbox.put_if_room(envelope):
        if not len(mailbox) % TURN:
            await trio.lowlevel.checkpoint()
        return
    wait = reach.time_left(LOCAL_TIMEOUT)
    with trio.move_on_after(wait) as waiting:
        await mailbox.put(envelope)
    if waiting.cancelled_caught:
        msg = f"topic {topic!r} had no room for {wait:g} s"
        raise Overloaded(msg)


async def subscribe_peer(
    reach: Reach,
    caller: Caller,
    topics: list[str],
    options: Mapping[str, Any],
    *,
    unsub_on_wsx_close: bool | None = None,
    label: str = "",
) -> list[str]:
    """Subscribe a peer's session to topics, to all or to none; return the sub_keys.

    Args:
        reach: The way to the topics.
        caller: The peer.
        topics: The topics' names.
        options: What it sets of `actors.settings.DeliverySettings`.
        unsub_on_wsx_close: Whether the subscriptions end with the session; None for what the channel says.
        label: What the subscriber calls the subscriptions.

    Raises:
        Forbidden: When it may not, or there is no such topic.
        BadInput: When an option has a wrong value.
    """
    attachment = require_peer(caller).attachment
    patterns = [may_subscribe(reach, topic, caller) for topic in topics]
    checked = subscription_options(options)
    is_lasting = caller.is_lasting
    if unsub_on_wsx_close is not None:
        is_lasting = not (unsub_on_wsx_close or caller.is_admin)
    for topic in topics:
        settings = await find_topic(reach, topic)
        if settings is None:
            raise (
                _no_topic(topic) if caller.is_admin else _denied(reach, "subscription", topic, caller, caller.endpoint)
            )
        if not (settings.is_api_sub_allowed or caller.is_admin):
            raise _denied(reach, "subscription", topic, caller, caller.endpoint)
    client = label or caller.client_id
    return [
        await _ask(reach, "topic", topic, Subscribe(caller.identity, attachment, client, pattern, checked, is_lasting))
        for topic, pattern in zip(topics, patterns, strict=True)
        if attachment is not None
    ]


async def unsubscribe(reach: Reach, caller: Caller | None, topic: str, sub_key: str = "") -> None:
    """End a peer's subscription, all of it to the topic without a sub_key, or any that a service knows the key of."""
    if caller is None:
        record = await _record(reach, sub_key)
        if record is None or record.topic != topic:
            return
        order = Unsubscribe(record.owner, sub_key)
    else:
        order = Unsubscribe(caller.identity, sub_key, session=caller.session)
    try:
        await _ask(reach, "topic", topic, order)
    except ActorNotFound:
        return


async def _record(reach: Reach, sub_key: str) -> SubscriptionRecord | None:
    try:
        record: SubscriptionRecord = await _ask(reach, "subscription", sub_key, GetRecord())
    except ActorNotFound:
        return None
    return record


async def get_messages(
    reach: Reach, caller: Caller | None, topic: str, sub_key: str, limit: int
) -> list[dict[str, Any]]:
    """Take the first messages of a subscription, urgent ones first, and be done with them.

    Raises:
        Forbidden: When the caller has no such subscription, or may not read the topic any more.
        BadInput: When the limit is none.
    """
    if type(limit) is not int or not 1 <= limit <= MAX_HANDED_OUT:
        msg = f"limit: expected a whole number from 1 to {MAX_HANDED_OUT}, got {limit!r}"
        raise BadInput(msg)
    may_subscribe(reach, topic, caller)
    record = await _record(reach, sub_key)
    if record is None or record.topic != topic or (caller is not None and record.owner != caller.identity):
        raise _denied(reach, "taking messages", topic, caller, None if caller is None else caller.endpoint)
    attachment = None if caller is None else caller.attachment
    max_bytes = MAX_HANDED_OUT_BYTES if attachment is None else attachment.max_delivery_bytes
    found = await _ask(reach, "subscription", sub_key, TakeMessages(limit, max_bytes))
    compat = caller.compat.value if caller is not None and caller.compat is Compat.ZATO_3_0 else ""
    return [delivered(published_of(stored.body), sub_key, count, compat) for stored, count in found]


async def resume(reach: Reach, caller: Caller, sub_key: str) -> None:
    """Have a peer's session receive what a subscription delivers.

    Raises:
        Forbidden: When there is none of that sub_key, another security definition made it, or the peer may not
            subscribe to its topic any more.
    """
    attachment = require_peer(caller).attachment
    record = await _record(reach, sub_key)
    if record is None or attachment is None or record.owner.security != caller.identity.security:
        raise _denied(reach, "resuming", "of an unknown sub_key", caller, caller.endpoint)
    may_subscribe(reach, record.topic, caller)
    await _ask(reach, "topic", record.topic, Resume(caller.identity, attachment, sub_key))
