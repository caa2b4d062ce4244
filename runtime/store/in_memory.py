"""Messages that are held in memory only: published and done with without the database, all that comes together at once.

What the database has to be told of a subscription's position it learns with the next change there.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import islice
from operator import attrgetter

import msgspec

from actors.errors import CallError
from actors.settings import OnFull
from actors.topics.publication import NEVER, Publish, Stored
from runtime.store import publishing
from runtime.store.ledger import Ledger
from runtime.store.state import SubscriptionState

__all__ = ["append", "settle"]

_encode = msgspec.msgpack.Encoder().encode


def append(ledger: Ledger, name: str, publishes: Sequence[Publish]) -> Sequence[str | CallError] | None:
    """Give messages the next places of a topic; None where the database is needed for that.

    Ordinary ones are made, held and offered to subscriptions in one go; where a queue is full, its oldest go.
    """
    topic, settings = ledger.topics.get(name), ledger.settings(name)
    if topic is None or not publishing.are_ordinary(publishes, settings, are_guaranteed=False):
        return publishing.append_to_memory(ledger, name, publishes)
    live, count, limit = topic.live, len(publishes), settings.max_depth_non_gd
    if not all(one.is_taking for one in live) or (limit and topic.depth_memory + count > limit):
        return publishing.append_to_memory(ledger, name, publishes)
    crowded = [one for one in live if limit and one.depth_memory + count > limit]
    if crowded and (settings.on_full is OnFull.REJECT or any(one.failures for one in crowded)):
        return publishing.append_to_memory(ledger, name, publishes)
    surplus = [_surplus(one, limit, count) for one in crowded]
    now = ledger.now
    made = publishing.made_of(ledger, name, publishes, settings, are_guaranteed=False)
    messages = [
        Stored(
            place,
            one.priority,
            one.msg_id,
            _encode(one),
            math.inf if one.expiration >= NEVER else now + one.expiration,
            is_guaranteed=False,
        )
        for place, one in enumerate(made, start=topic.place + 1)
    ]
    topic.place += count
    topic.hold(messages)
    if len({one.priority for one in messages}) > 1:
        messages.sort(key=attrgetter("order"))
    for subscription in live:
        subscription.depth_memory += count
        subscription.head.offer_all(messages)
    if topic.is_waiting:
        topic.depth_memory += count
    for subscription, places in zip(crowded, surplus, strict=True):
        subscription.head.remove(places)
        _be_done(subscription, places)
    return [one.msg_id for one in made]


def _surplus(one: SubscriptionState, limit: int, count: int) -> list[int]:
    """Return what a subscription loses while so many more come: for each beyond the limit what has waited longest.

    What is under way is not lost; where all is, one more than the limit gets in.
    """
    topic, taken = one.topic, one.head.taken
    free = max(0, limit - one.depth_memory)
    beyond = count - free
    waiting = (place for place in topic.volatile if place not in taken and not one.is_done_with(place))
    found = list(islice(waiting, beyond))
    new = range(topic.place + 1, topic.place + count + 1)
    return [*found, *new][: beyond - (not free and not found)]


def _be_done(one: SubscriptionState, places: Collection[int]) -> None:
    """Note that places, which nobody holds for it any more, are none of a subscription's business."""
    one.depth_memory -= len(places)
    if one.advance(places):
        one.topic.let_go()


def settle(one: SubscriptionState, places: Sequence[int]) -> bool:
    """Be done with messages of a subscription, where all of them are held in memory only; tell whether they are."""
    fresh = one.not_done_with(places)
    if not fresh:
        return True
    first, last = min(fresh), max(fresh)
    topic, taken = one.topic, one.head.taken
    if not (taken.keys() >= fresh and topic.volatile.keys() >= fresh and one.failures.keys().isdisjoint(fresh)):
        return False
    for place in fresh:
        del taken[place]
    _be_done(one, range(first, last + 1) if last - first < len(fresh) else fresh)
    return True
