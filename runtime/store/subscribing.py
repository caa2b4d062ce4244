"""Subscriptions of a store: where they begin, and what becomes of messages that are left in them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from msgspec.structs import replace

from actors.settings import DeliverFrom
from actors.topics.publication import SubscriptionRecord
from runtime.store.ledger import FIRST, Ledger
from runtime.store.places import Places
from runtime.store.queue import QueueHead
from runtime.store.schema import MAX_PLACE, key_of
from runtime.store.state import Fate, SubscriptionState, TopicState

__all__ = ["drop", "subscribe", "unsubscribe"]


def subscribe(ledger: Ledger, record: SubscriptionRecord) -> None:
    """Keep a subscription, or its new options; see `SubscriptionStore.subscribe`."""
    known = ledger.subscriptions.get(record.sub_key)
    defaults = ledger.settings(record.topic).delivery
    if known is not None:
        known.record = record
        known.read_options(defaults)
        ledger.database.execute(
            "UPDATE subscriptions SET options = ?, pattern = ?, client = ?, is_lasting = ?, seen_at = ?"
            " WHERE sub_key = ?",
            (_options(record), record.pattern, record.client, record.is_lasting, ledger.now, record.sub_key),
        )
        return
    topic = ledger.topic(record.topic)
    one = SubscriptionState(record, topic, 0, 0, ledger.now, QueueHead(FIRST))
    start = _start(topic, one.read_options(defaults))
    rests = [] if record.is_lasting or one.is_observing else _rests(topic, record)
    _begin(one, start, rests)
    owner = record.owner
    ledger.database.execute(
        "INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            record.sub_key,
            topic.id,
            owner.security,
            owner.cluster,
            owner.connection,
            _options(record),
            record.pattern,
            record.client,
            record.is_lasting,
            one.acked_upto,
            one.sent_upto,
            one.seen_at,
        ),
    )
    ledger.database.executemany(
        "INSERT INTO done VALUES (?, ?, ?)", [(record.sub_key, first, last) for first, last in one.done]
    )
    if rests:
        _readdress(ledger, topic, {rest.record.sub_key for rest in rests}, record.sub_key)
    for rest in rests:
        drop(ledger, rest)
    ledger.remember(one)
    ledger.measure(one)
    if not one.is_observing:
        topic.depth_gd = topic.depth_memory = 0


def _options(record: SubscriptionRecord) -> str:
    return json.dumps({"own": dict(record.options), "set": dict(record.overrides)})


def _start(topic: TopicState, deliver_from: DeliverFrom) -> int:
    match deliver_from:
        case DeliverFrom.NOW:
            return topic.place
        case DeliverFrom.BEGINNING:
            return min(topic.cleaned_upto, topic.backlog_from)
        case DeliverFrom.BACKLOG:
            return topic.backlog_from if topic.is_waiting else topic.place


def _rests(topic: TopicState, record: SubscriptionRecord) -> list[SubscriptionState]:
    return [
        one
        for one in topic.subscriptions.values()
        if one.fate is Fate.HEIR and one.record.owner.security == record.owner.security
    ]


def _begin(one: SubscriptionState, start: int, rests: list[SubscriptionState]) -> None:
    """Set the position from which a subscription gets what is beyond `start` and what was left by others."""
    done = Places([(1, start)] if start else [])
    for rest in rests:
        theirs = Places([*([(1, rest.acked_upto)] if rest.acked_upto else []), *rest.done])
        theirs.add((rest.upto or 0) + 1, MAX_PLACE)
        done = done.common(theirs)
        one.sent_upto = max(one.sent_upto, rest.sent_upto)
    one.acked_upto = done.end_of_run(1) or 0
    done.discard_upto(one.acked_upto)
    one.done = done
    one.sent_upto = one.marked_upto = max(one.sent_upto, one.acked_upto)


def _readdress(ledger: Ledger, topic: TopicState, left: set[str], heir: str) -> None:
    """Have messages that only certain subscriptions were to get go to the one that takes up what these have left."""

    def readdressed(deliver_to: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(heir if key in left else key for key in deliver_to))

    rows = ledger.database.execute(
        "SELECT key, extra FROM messages WHERE key > ? AND key <= ? AND extra LIKE '%\"deliver_to\"%'",
        (key_of(topic.id, 0), key_of(topic.id, MAX_PLACE)),
    ).fetchall()
    for key, extra in rows:
        kept = json.loads(extra)
        kept["deliver_to"] = readdressed(kept["deliver_to"])
        ledger.database.execute("UPDATE messages SET extra = ? WHERE key = ?", (json.dumps(kept), key))
    for place, stored in topic.volatile.items():
        if stored.deliver_to:
            topic.volatile[place] = replace(stored, deliver_to=readdressed(stored.deliver_to))


def unsubscribe(ledger: Ledger, one: SubscriptionState, *, leave_rest: bool) -> None:
    """End a subscription; see `SubscriptionStore.unsubscribe`."""
    topic = one.topic
    if one.is_observing:
        drop(ledger, one)
        return
    one.upto, one.fate = topic.place, Fate.HEIR if leave_rest else Fate.BURY
    one.head.begin_anew()
    if topic.is_waiting:
        topic.backlog_from = topic.place
        sql = "UPDATE topics SET backlog_from = ? WHERE id = ?"
        ledger.database.execute(sql, (topic.backlog_from, topic.id))
    if not leave_rest:
        _forget_memory(ledger, one)
    if not one.depth_gd and not one.depth_memory:
        drop(ledger, one)
        return
    ledger.database.execute(
        "UPDATE subscriptions SET upto = ?, fate = ? WHERE sub_key = ?",
        (one.upto, one.fate.value, one.record.sub_key),
    )


def _forget_memory(ledger: Ledger, one: SubscriptionState) -> None:
    ledger.settle(one, [place for place in one.topic.volatile if not one.is_done_with(place)])


def drop(ledger: Ledger, one: SubscriptionState) -> None:
    """Forget a subscription altogether."""
    sub_key = one.record.sub_key
    ledger.subscriptions.pop(sub_key, None)
    one.topic.subscriptions.pop(sub_key, None)
    for table in ("subscriptions", "done", "failures"):
        ledger.database.execute(f"DELETE FROM {table} WHERE sub_key = ?", (sub_key,))  # noqa: S608 - three fixed names
