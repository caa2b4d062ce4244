"""Publishing to a store: a message gets its place unless its id was used before or a queue is full."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from actors.errors import BadInput, CallError, Conflict, Overloaded, StoreFailed
from actors.settings import OnFull, TopicSettings
from actors.topics.publication import Publish, Published, Stored
from runtime.store.arriving import Arriving
from runtime.store.consuming import mark, marking
from runtime.store.ledger import Ledger
from runtime.store.prepared import Prepared
from runtime.store.schema import MAX_PLACE, key_of
from runtime.store.state import SubscriptionState, TopicState

__all__ = ["append", "append_to_memory", "are_ordinary", "forget_old_ids", "made_of", "prepare_append"]

FORGET_AT_ONCE = 1000


def append(ledger: Ledger, name: str, publishes: Sequence[Publish]) -> list[str | CallError]:
    """Give messages the next places of a topic; see `TopicStore.append`."""
    topic, settings = ledger.topic(name), ledger.settings(name)
    results = _append(ledger, topic, settings, publishes, has_room=_has_room(topic, settings, publishes))
    for one in topic.live:
        if one.is_hungry and topic.place > one.marked_upto:
            mark(ledger, one, topic.place)
            one.is_hungry = False
    return results


def prepare_append(
    ledger: Ledger, name: str, publishes: Sequence[Publish]
) -> Prepared[Sequence[str | CallError]] | None:
    """Prepare `append`, where nothing has to be read for it: all are guaranteed, and all subscriptions get them."""
    topic, settings = ledger.topics.get(name), ledger.settings(name)
    if topic is None or ledger.not_durable or not all(one.is_taking for one in topic.live):
        return None
    if not are_ordinary(publishes, settings, are_guaranteed=True) or not _has_room(topic, settings, publishes):
        return None
    made = made_of(ledger, name, publishes, settings, are_guaranteed=True)
    arriving = [Arriving(one, (), _extra(publish)) for one, publish in zip(made, publishes, strict=True)]
    found, statements = ledger.place(topic, arriving)
    live, upto = topic.live, topic.place
    if topic.is_waiting:
        topic.depth_gd += len(found)
    marked = [one for one in live if one.is_hungry]
    for one in live:
        one.depth_gd += len(found)
    for one in marked:
        one.is_hungry = False
        statements.append(marking(one, upto))

    def offer() -> Sequence[str | CallError]:
        for one in live:
            one.head.offer_all(found)
        for one in marked:
            one.marked_upto = upto
        return [one.msg_id for one in made]

    return Prepared(statements, offer)


def are_ordinary(publishes: Sequence[Publish], settings: TopicSettings, *, are_guaranteed: bool) -> bool:
    """Tell whether all are guaranteed, or none is, and nothing is to be looked up or refused for any of them."""
    kinds = {publish.has_gd for publish in publishes}
    if {settings.guaranteed if kind is None else kind for kind in kinds} != {are_guaranteed}:
        return False
    if {publish.msg_id for publish in publishes} != {""} or {publish.deliver_to_sk for publish in publishes} != {()}:
        return False
    return not settings.max_message_size or max(publish.size for publish in publishes) <= settings.max_message_size


def made_of(
    ledger: Ledger, name: str, publishes: Sequence[Publish], settings: TopicSettings, *, are_guaranteed: bool
) -> list[Published]:
    """Make of ordinary messages what subscribers get, with ids of their own."""
    hex_id = ledger.entropy.hex_id
    return Published.all_of(
        publishes,
        [f"zpsm{hex_id()}" for _ in publishes],
        topic=name,
        now=ledger.now,
        guaranteed=are_guaranteed,
        max_expiration=settings.limit_message_expiry,
    )


def append_to_memory(ledger: Ledger, name: str, publishes: Sequence[Publish]) -> list[str | CallError] | None:
    """Do it without the database, where the topic is known and all is held in memory only; None where it cannot be."""
    topic, settings = ledger.topics.get(name), ledger.settings(name)
    if topic is None or any(_is_guaranteed(publish, settings) for publish in publishes):
        return None
    if any(not one.is_taking for one in topic.live) or any(publish.deliver_to_sk for publish in publishes):
        return None  # whoever does not get a message has that written down
    if not _has_room(topic, settings, publishes):
        return None
    return _append(ledger, topic, settings, publishes, has_room=True)


def _has_room(topic: TopicState, settings: TopicSettings, publishes: Sequence[Publish]) -> bool:
    """Tell whether all queues have room for all of the messages, whoever gets which."""
    kinds = [publish.has_gd for publish in publishes]
    guaranteed = kinds.count(True) + (kinds.count(None) if settings.guaranteed else 0)
    live = topic.live
    for limit, count, depths in (
        (settings.max_depth_gd, guaranteed, [topic.depth_gd, *(one.depth_gd for one in live)]),
        (
            settings.max_depth_non_gd,
            len(publishes) - guaranteed,
            [topic.depth_memory, *(one.depth_memory for one in live)],
        ),
    ):
        if count and limit and max(depths) + count > limit:
            return False
    return True


def _is_guaranteed(publish: Publish, settings: TopicSettings) -> bool:
    return settings.guaranteed if publish.has_gd is None else publish.has_gd


def _append(
    ledger: Ledger, topic: TopicState, settings: TopicSettings, publishes: Sequence[Publish], *, has_room: bool
) -> list[str | CallError]:
    """Return for each message its id, or why it is not stored; those that are get their places together.

    Where there is not room for all of them, each is stored before it is seen whether there is room for the next.
    """
    arriving: list[Arriving] = []
    results: list[str | CallError] = []
    for publish in publishes:
        is_guaranteed = _is_guaranteed(publish, settings)
        digest = _digest(publish) if publish.msg_id else b""
        result = _result_without(ledger, topic, settings, publish, digest, is_guaranteed=is_guaranteed)
        if result is None and not has_room:
            ledger.insert_all(topic, arriving)
            arriving = []
            result = _make_room(ledger, topic, settings, publish, is_guaranteed=is_guaranteed)
        if result is None:
            result = publish.msg_id or f"zpsm{ledger.entropy.hex_id()}"
            arriving.append(_arriving(ledger, topic, settings, publish, result, is_guaranteed=is_guaranteed))
            if publish.msg_id:
                _remember(ledger, topic, settings, publish.msg_id, digest, is_guaranteed=is_guaranteed)
        results.append(result)
    ledger.insert_all(topic, arriving)
    return results


def _arriving(
    ledger: Ledger, topic: TopicState, settings: TopicSettings, publish: Publish, msg_id: str, *, is_guaranteed: bool
) -> Arriving:
    published = Published.of(
        publish,
        topic=topic.name,
        msg_id=msg_id,
        now=ledger.now,
        guaranteed=is_guaranteed,
        max_expiration=settings.limit_message_expiry,
    )
    return Arriving(published, publish.deliver_to_sk, _extra(publish))


def _extra(publish: Publish) -> Mapping[str, object] | None:
    """Return what is kept beside a message."""
    return {"publisher": publish.publisher, "pattern": publish.pattern} if publish.pattern else None


def _result_without(
    ledger: Ledger, topic: TopicState, settings: TopicSettings, publish: Publish, digest: bytes, *, is_guaranteed: bool
) -> str | CallError | None:
    """Return what a message is answered with that is not to be stored, or was before; None for one that may be."""
    if is_guaranteed and ledger.not_durable:
        return StoreFailed(f"a guaranteed message cannot be kept: {ledger.not_durable}")
    if settings.max_message_size and publish.size > settings.max_message_size:
        return BadInput(f"the message has {publish.size} bytes, topic {topic.name!r} takes {settings.max_message_size}")
    earlier = _earlier(ledger, topic, publish.msg_id) if publish.msg_id else None
    if earlier is None:
        return None
    if earlier == digest:
        return publish.msg_id
    return Conflict(f"message id {publish.msg_id!r} was used before with other data")


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
    *,
    is_guaranteed: bool,
) -> None:
    now = ledger.now
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
) -> Overloaded | None:
    """See to it that every queue that gets the message has room.

    Returns why there is none, where one is full and the topic rejects then, or the dead-letter topic is full, too.
    """
    limit = settings.max_depth_gd if is_guaranteed else settings.max_depth_non_gd
    if not limit:
        return None
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
        return Overloaded(msg)
    try:
        for one in full:
            _give_way(ledger, topic, one, limit, is_guaranteed=is_guaranteed)
    except Overloaded as error:
        return error
    return None


def _give_way(
    ledger: Ledger, topic: TopicState, one: SubscriptionState | None, limit: int, *, is_guaranteed: bool
) -> None:
    """Take what has waited longest out of a full queue; guaranteed messages become dead letters."""
    oldest = _oldest(ledger, topic, one, is_guaranteed=is_guaranteed)
    if oldest is None:
        return
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
        else (stored for place, stored in topic.volatile.items() if place > begin)
    )
    for stored in candidates:
        if one is None or not (one.is_done_with(stored.place) or stored.place in one.head.taken):
            return stored
    return None
