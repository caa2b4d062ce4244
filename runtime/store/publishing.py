"""Publishing to a store: a message gets its place unless its id was used before or a queue is full."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from actors.errors import BadInput, CallError, Conflict, Overloaded, StoreFailed
from actors.settings import OnFull, TopicSettings
from actors.topics.publication import Publish, Published, Stored
from runtime.store.consuming import mark
from runtime.store.ledger import Ledger
from runtime.store.schema import MAX_PLACE, key_of
from runtime.store.state import SubscriptionState, TopicState

__all__ = ["append", "append_to_memory", "forget_old_ids"]

FORGET_AT_ONCE = 1000


def append(ledger: Ledger, name: str, publishes: Sequence[Publish]) -> list[str | CallError]:
    """Give messages the next places of a topic; see `TopicStore.append`."""
    topic, settings, now = ledger.topic(name), ledger.settings(name), ledger.now
    results = [_append(ledger, topic, settings, publish, now) for publish in publishes]
    for one in topic.live:
        if one.is_hungry and topic.place > one.marked_upto:
            mark(ledger, one, topic.place)
            one.is_hungry = False
    return results


def append_to_memory(ledger: Ledger, name: str, publishes: Sequence[Publish]) -> list[str | CallError] | None:
    """Do it without the database, where the topic is known and all is held in memory only; None where it cannot be."""
    topic, settings = ledger.topics.get(name), ledger.settings(name)
    if topic is None or any(_is_guaranteed(publish, settings) for publish in publishes):
        return None
    if any(not one.is_taking for one in topic.live) or any(publish.deliver_to_sk for publish in publishes):
        return None  # whoever does not get a message has that written down
    if settings.max_depth_non_gd and _deepest(topic) + len(publishes) > settings.max_depth_non_gd:
        return None
    now = ledger.now
    return [_append(ledger, topic, settings, publish, now) for publish in publishes]


def _deepest(topic: TopicState) -> int:
    return max([topic.depth_memory, *(one.depth_memory for one in topic.live)])


def _is_guaranteed(publish: Publish, settings: TopicSettings) -> bool:
    return settings.guaranteed if publish.has_gd is None else publish.has_gd


def _append(
    ledger: Ledger, topic: TopicState, settings: TopicSettings, publish: Publish, now: float
) -> str | CallError:
    is_guaranteed = _is_guaranteed(publish, settings)
    if is_guaranteed and ledger.not_durable:
        return StoreFailed(f"a guaranteed message cannot be kept: {ledger.not_durable}")
    if settings.max_message_size and publish.size > settings.max_message_size:
        return BadInput(f"the message has {publish.size} bytes, topic {topic.name!r} takes {settings.max_message_size}")
    digest = _digest(publish) if publish.msg_id else b""
    if publish.msg_id and (earlier := _earlier(ledger, topic, publish.msg_id)) is not None:
        if earlier == digest:
            return publish.msg_id
        return Conflict(f"message id {publish.msg_id!r} was used before with other data")
    try:
        _make_room(ledger, topic, settings, publish, is_guaranteed=is_guaranteed)
    except Overloaded as error:
        return error
    msg_id = publish.msg_id or f"zpsm{ledger.entropy.hex_id()}"
    published = Published.of(
        publish,
        topic=topic.name,
        msg_id=msg_id,
        now=now,
        guaranteed=is_guaranteed,
        max_expiration=settings.limit_message_expiry,
    )
    extra = {"publisher": publish.publisher, "pattern": publish.pattern} if publish.pattern else None
    ledger.insert(published, deliver_to=publish.deliver_to_sk, extra=extra)
    if publish.msg_id:
        _remember(ledger, topic, settings, publish.msg_id, digest, now, is_guaranteed=is_guaranteed)
    return msg_id


# Ids that were used before


def _digest(publish: Publish) -> bytes:
    return hashlib.blake2b(msgspec.msgpack.encode(publish.data), digest_size=16).digest()


def _earlier(ledger: Ledger, topic: TopicState, msg_id: str) -> bytes | None:
    """Return the digest of what was published under an id before."""
    held = topic.volatile_ids.get(msg_id)
    if held is not None:
        return held[0]
    if not topic.published_kept:
        return None
    row = ledger.database.execute(
        "SELECT digest FROM published WHERE topic = ? AND msg_id = ?", (topic.id, msg_id)
    ).fetchone()
    return None if row is None else row[0]


def _remember(
    ledger: Ledger,
    topic: TopicState,
    settings: TopicSettings,
    msg_id: str,
    digest: bytes,
    now: float,
    *,
    is_guaranteed: bool,
) -> None:
    if not is_guaranteed:
        topic.volatile_ids[msg_id] = (digest, now)
        oldest = now - settings.publish_dedup_window
        while topic.volatile_ids:
            key, (_digest, at) = next(iter(topic.volatile_ids.items()))
            if at >= oldest and len(topic.volatile_ids) <= settings.max_publish_dedup_ids:
                break
            del topic.volatile_ids[key]
        return
    topic.published += 1
    topic.published_kept += 1
    ledger.database.execute(
        "INSERT INTO published VALUES (?, ?, ?, ?, ?)",
        (key_of(topic.id, topic.published), topic.id, msg_id, digest, now),
    )
    if topic.published_kept > settings.max_publish_dedup_ids:
        forget_old_ids(ledger, topic, settings)


def forget_old_ids(ledger: Ledger, topic: TopicState, settings: TopicSettings) -> bool:
    """Forget, a thousand at once, ids that nobody needs to remember; tell whether there may be more."""
    surplus = min(max(0, topic.published_kept - settings.max_publish_dedup_ids), FORGET_AT_ONCE)
    rows = ledger.database.execute(
        "SELECT key, at FROM published WHERE key > ? AND key <= ? ORDER BY key LIMIT ?",
        (key_of(topic.id, 0), key_of(topic.id, MAX_PLACE), FORGET_AT_ONCE),
    ).fetchall()
    oldest = ledger.now - settings.publish_dedup_window
    keys = [(key,) for number, (key, at) in enumerate(rows) if number < surplus or at < oldest]
    ledger.database.executemany("DELETE FROM published WHERE key = ?", keys)
    topic.published_kept -= len(keys)
    return len(keys) == FORGET_AT_ONCE


# Room


def _make_room(
    ledger: Ledger, topic: TopicState, settings: TopicSettings, publish: Publish, *, is_guaranteed: bool
) -> None:
    """See to it that every queue that gets the message has room.

    Raises:
        Overloaded: When one has none and the topic rejects then, or the dead-letter topic is full, too.
    """
    limit = settings.max_depth_gd if is_guaranteed else settings.max_depth_non_gd
    if not limit:
        return
    full: list[SubscriptionState | None] = [
        one
        for one in topic.live
        if one.is_taking
        and (one.depth_gd if is_guaranteed else one.depth_memory) >= limit
        and (not publish.deliver_to_sk or one.record.sub_key in publish.deliver_to_sk)
    ]
    if topic.is_waiting and (topic.depth_gd if is_guaranteed else topic.depth_memory) >= limit:
        full.append(None)
    if settings.on_full is OnFull.REJECT and any(one is None or not one.is_observing for one in full):
        kind = "GD" if is_guaranteed else "non-GD"
        msg = f"topic {topic.name!r}: the message would exceed the {kind} max depth of {limit}"
        raise Overloaded(msg)
    for one in full:
        oldest = _oldest(ledger, topic, one, is_guaranteed=is_guaranteed)
        if oldest is not None:
            if one is None or not one.is_observing:
                ledger.bury(one, oldest, topic, f"the queue was full: {limit} messages waited")
            if one is None:
                ledger.delete(topic, [oldest.place])
            else:
                ledger.settle(one, [oldest.place])


def _oldest(ledger: Ledger, topic: TopicState, one: SubscriptionState | None, *, is_guaranteed: bool) -> Stored | None:
    """Return what has waited longest, of what is not under way."""
    begin = topic.backlog_from if one is None else one.acked_upto
    candidates = (
        ledger.messages(topic, begin + 1, topic.place)
        if is_guaranteed
        else (stored for place, stored in sorted(topic.volatile.items()) if place > begin)
    )
    for stored in candidates:
        if one is None or not (one.is_done_with(stored.place) or stored.place in one.head.taken):
            return stored
    return None
