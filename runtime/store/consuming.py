"""Taking messages from the queues of a store, and being done with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from actors.topics.publication import Stored, Taken
from runtime.store.ledger import Ledger
from runtime.store.prepared import Prepared, Statement
from runtime.store.queue import MAX_HELD, Order
from runtime.store.state import SubscriptionState

__all__ = ["bury", "failed", "mark", "marking", "prepare_take", "take", "take_held"]

URGENCIES = range(9, 0, -1)


def take_held(one: SubscriptionState, max_count: int, max_bytes: int) -> Taken | None:
    """Take messages without the database; None where it has to be asked, or told."""
    if one.head.is_low:
        return None
    has_guaranteed = one.head.has_guaranteed
    found = one.head.take(max_count, max_bytes)
    if has_guaranteed and any(stored.place > one.marked_upto for stored in found if stored.is_guaranteed):
        one.head.put_back(found)
        return None
    return _taken(one, found, max_count)


def prepare_take(one: SubscriptionState, max_count: int, max_bytes: int) -> Prepared[Taken] | None:
    """Prepare `take`, where the database has neither to be asked nor told."""
    found = take_held(one, max_count, max_bytes)
    return None if found is None else Prepared((), lambda: found)


def take(ledger: Ledger, one: SubscriptionState, max_count: int, max_bytes: int) -> Taken:
    """Take the first messages that wait; see `QueueStore.take`."""
    if one.head.is_low:
        _refill(ledger, one)
    found = one.head.take(max_count, max_bytes)
    result = _taken(one, found, max_count)
    if one.sent_upto > one.marked_upto:
        mark(ledger, one, one.sent_upto)
    return result


def mark(ledger: Ledger, one: SubscriptionState, upto: int) -> None:
    """Have it on disk that what stands up to a place may have been delivered."""
    ledger.database.execute(*marking(one, upto))
    one.marked_upto = upto


def marking(one: SubscriptionState, upto: int) -> Statement:
    """Return what has it on disk that what stands up to a place may have been delivered."""
    return "UPDATE subscriptions SET sent_upto = ? WHERE sub_key = ?", (upto, one.record.sub_key)


def _taken(one: SubscriptionState, found: Sequence[Stored], max_count: int) -> Taken:
    """Note what is taken; return it with its counts."""
    one.is_hungry = len(found) < max_count
    places, upto, failures = [stored.place for stored in found], one.sent_upto, one.failures
    one.sent_upto = max(upto, max(places, default=0))
    if not failures and upto < min(places, default=upto + 1):
        return Taken(found)
    failed = {place: failures[place][0] for place in places if place in failures}
    sent = {place: max(1, failed.get(place, 0)) for place in places if place <= upto or place in failed}
    return Taken(found, sent, failed)


def _refill(ledger: Ledger, one: SubscriptionState) -> None:
    """Read on from the head's horizon."""
    horizon = one.head.horizon
    if horizon is None:
        return
    found: list[Stored] = []
    further: Order | None = None
    foreign: list[int] = []
    size = 0
    for stored in _rows(ledger, one, horizon):
        if not one.wants(stored):
            foreign.append(stored.place)
            continue
        size += len(stored.body)
        if len(found) >= MAX_HELD or (found and size > MAX_REFILL_BYTES):
            further = stored.order
            break
        found.append(stored)
    for place, stored in one.topic.volatile.items():
        is_due = horizon <= stored.order and (further is None or stored.order < further)
        if is_due and not one.is_done_with(place):
            if one.wants(stored):
                found.append(stored)
            else:
                foreign.append(place)
    one.head.extend(found, further)
    ledger.settle(one, foreign)


MAX_REFILL_BYTES = 8 * 1024 * 1024


def _rows(ledger: Ledger, one: SubscriptionState, horizon: Order) -> Iterator[Stored]:
    """Give the guaranteed messages from the horizon on in their order, without those that are done."""
    last = one.topic.place if one.upto is None else one.upto
    for urgency in URGENCIES:
        if -urgency < horizon[0]:
            continue
        first = max(one.acked_upto + 1, horizon[1] if -urgency == horizon[0] else 0)
        yield from _rows_of(ledger, one, urgency, first, last)


def _rows_of(ledger: Ledger, one: SubscriptionState, urgency: int, first: int, last: int) -> Iterator[Stored]:
    """Give the messages of one urgency; a run of places that are done is stepped over at once."""
    ordinary = "AND priority = 5" if urgency == 5 else f"AND priority != 5 AND priority = {urgency}"
    at: int | None = first
    while at is not None and at <= last:
        begin, at = at, None
        for stored in ledger.messages(one.topic, begin, last, f" {ordinary}"):
            end = one.done.end_of_run(stored.place)
            if end is not None:
                at = end + 1
                break
            yield stored


def failed(ledger: Ledger, one: SubscriptionState, place: int, reason: str) -> None:
    """Count a delivery that failed; see `QueueStore.failed`."""
    count = one.failures.get(place, (0, ""))[0] + 1
    one.failures[place] = (count, reason)
    ledger.database.execute(
        "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)", (one.record.sub_key, place, count, reason)
    )


def bury(ledger: Ledger, one: SubscriptionState, places: Sequence[int], reason: str) -> None:
    """Move messages to the dead-letter topic; see `QueueStore.bury`."""
    for place in places:
        stored = None if one.is_done_with(place) else one.head.taken.get(place) or ledger.message_at(one.topic, place)
        if stored is not None:
            ledger.bury(one, stored, one.topic, reason)
    ledger.settle(one, places)
