"""Cleaning a store in small steps: what all are done with, what has expired, what nobody asks for any more."""

from __future__ import annotations

from collections.abc import Collection

from actors.errors import Overloaded
from actors.ports import Cleaned
from actors.topics.publication import Stored, published_of
from runtime.store.ledger import Ledger
from runtime.store.places import Places
from runtime.store.prepared import Statement
from runtime.store.publishing import forget_old_ids
from runtime.store.schema import MAX_PLACE, key_of, place_of
from runtime.store.state import Fate, SubscriptionState, TopicState
from runtime.store.subscribing import drop, unsubscribe

__all__ = ["clean", "clean_done", "cleaned"]

AT_ONCE = 500
DELETED_AT_ONCE = 5000


def clean(ledger: Ledger, name: str, attached: Collection[str]) -> Cleaned:
    """Do a step for a topic; see `TopicStore.clean`."""
    topic = ledger.topics.get(name)
    if topic is None:
        return Cleaned()
    ended: list[str] = []
    settings = ledger.settings(name)
    if settings.limit_sub_inactivity:
        seen = ledger.now - settings.limit_sub_inactivity
        for one in topic.live:
            if one.seen_at < seen and one.record.sub_key not in attached:
                unsubscribe(ledger, one, leave_rest=False)
                ended.append(one.record.sub_key)
    try:
        has_more = [
            _bury_rests(ledger, topic),
            _give_up(ledger, topic, _expired(ledger, topic), "expired"),
            bool(settings.limit_retention)
            and _give_up(
                ledger, topic, _older(ledger, topic, ledger.now - settings.limit_retention), "kept for too long"
            ),
        ]
    except Overloaded:
        has_more = []  # the dead-letter topic is full: what should go there stays
    for one in topic.live:
        if one.unwritten.has_moved:
            ledger.write_position(one)
    clean_done(ledger, topic)
    has_more += [_clean_beyond(ledger, topic), forget_old_ids(ledger, topic, settings)]
    waiting = max((one.depth_gd + one.depth_memory for one in topic.live), default=0)
    oldest, laggard = _oldest(ledger, topic)
    return Cleaned(any(has_more), tuple(ended), waiting, oldest, laggard)


def _oldest(ledger: Ledger, topic: TopicState) -> tuple[float, str]:
    """Return for how long the oldest guaranteed message has waited, and for which subscription."""
    found = (0.0, "")
    for one in topic.live:
        first = next(
            (s for s in ledger.messages(topic, one.acked_upto + 1, topic.place) if not one.is_done_with(s.place)), None
        )
        if first is not None:
            found = max(found, (ledger.now - published_of(first.body).recv_time, one.record.sub_key))
    return found


def _bury_rests(ledger: Ledger, topic: TopicState) -> bool:
    """Move what ended subscriptions left to the dead-letter topic."""
    for one in list(topic.subscriptions.values()):
        if one.fate is not Fate.BURY:
            continue
        waiting = _pending(ledger, one)
        for stored in waiting:
            ledger.bury(one, stored, topic, "the subscription has ended")
        ledger.settle(one, [stored.place for stored in waiting])
        if len(waiting) == AT_ONCE:
            return True
        drop(ledger, one)
    return False


def _pending(ledger: Ledger, one: SubscriptionState) -> list[Stored]:
    found: list[Stored] = []
    for stored in ledger.messages(one.topic, one.acked_upto + 1, one.upto or one.topic.place):
        if not one.is_done_with(stored.place):
            found.append(stored)
            if len(found) == AT_ONCE:
                break
    return found


def _expired(ledger: Ledger, topic: TopicState) -> list[Stored]:
    now = ledger.now
    keys = ledger.database.execute(
        "SELECT key FROM messages WHERE expires_at <= ? AND key > ? AND key <= ? ORDER BY expires_at LIMIT ?",
        (now, key_of(topic.id, 0), key_of(topic.id, MAX_PLACE), AT_ONCE),
    ).fetchall()
    found = [ledger.message_at(topic, place_of(key)) for (key,) in keys]
    return [
        *(stored for stored in found if stored is not None),
        *(stored for stored in topic.volatile.values() if stored.expires_at <= now),
    ]


def _older(ledger: Ledger, topic: TopicState, received: float) -> list[Stored]:
    keys = ledger.database.execute(
        "SELECT key FROM (SELECT key, recv_time FROM messages WHERE key > ? AND key <= ? ORDER BY key LIMIT ?)"
        " WHERE recv_time < ?",
        (key_of(topic.id, topic.cleaned_upto), key_of(topic.id, MAX_PLACE), AT_ONCE, received),
    ).fetchall()
    found = [ledger.message_at(topic, place_of(key)) for (key,) in keys]
    return [stored for stored in found if stored is not None]


def _give_up(ledger: Ledger, topic: TopicState, messages: list[Stored], reason: str) -> bool:
    """Be done with messages for everybody, but for subscriptions that are delivering them right now."""
    count = 0
    for stored in messages:
        place = stored.place
        waiting = [one for one in topic.subscriptions.values() if not one.is_done_with(place)]
        if any(place in one.head.taken for one in waiting):
            continue
        waiting = [one for one in waiting if not one.is_observing]
        for one in waiting:
            ledger.bury(one, stored, topic, reason)
        if topic.is_waiting and place > topic.backlog_from and not waiting:
            ledger.bury(None, stored, topic, reason)
        ledger.delete(topic, [place])
        count += 1
    return count >= AT_ONCE


def clean_done(ledger: Ledger, topic: TopicState) -> None:
    """Delete, a few thousand at once, what everybody is done with in order."""
    for sql, values in cleaned(topic):
        ledger.database.execute(sql, values)


def cleaned(topic: TopicState) -> list[Statement]:
    """Note that this is deleted, and return what deletes it."""
    upto = min(
        [
            topic.cleaned_upto + DELETED_AT_ONCE,
            *(one.acked_upto for one in topic.subscriptions.values()),
            *((topic.backlog_from,) if topic.is_waiting else ()),
        ]
    )
    if upto <= topic.cleaned_upto:
        return []
    statement = _deleted(topic, topic.cleaned_upto + 1, upto)
    topic.cleaned_upto = upto
    topic.cleaned.discard_upto(upto)
    return [statement]


def _clean_beyond(ledger: Ledger, topic: TopicState) -> bool:
    """Delete what everybody is done with behind something that somebody is not done with."""
    common: Places | None = None
    if topic.is_waiting:  # what is published waits for a first subscription
        common = Places([(1, topic.backlog_from)] if topic.backlog_from else [])
    for one in topic.subscriptions.values():
        theirs = Places([*([(1, one.acked_upto)] if one.acked_upto else []), *one.done])
        if one.upto is not None:
            theirs.add(one.upto + 1, topic.place + 1)
        common = theirs if common is None else common.common(theirs)
    if common is None:
        return False
    common.discard_upto(topic.cleaned_upto)
    left = DELETED_AT_ONCE
    for first, last in common.without(topic.cleaned):
        last = min(last, first + left - 1)
        ledger.database.execute(*_deleted(topic, first, last))
        topic.cleaned.add(first, last)
        left -= last - first + 1
        if not left:
            return True
    return False


def _deleted(topic: TopicState, first: int, last: int) -> Statement:
    """Hold no more what stands at places in memory, and return what deletes the rest."""
    if topic.volatile:
        for place in [place for place in topic.volatile if first <= place <= last]:
            del topic.volatile[place]
    return "DELETE FROM messages WHERE key >= ? AND key <= ?", (key_of(topic.id, first), key_of(topic.id, last))
