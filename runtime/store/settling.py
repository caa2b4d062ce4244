"""Being done with messages of a subscription: its position moves on, and what all are done with is deleted."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.store.cleaning import clean_done, cleaned
from runtime.store.ledger import Ledger
from runtime.store.prepared import Prepared
from runtime.store.state import SubscriptionState

__all__ = ["prepare_settle", "settle"]


def settle(ledger: Ledger, one: SubscriptionState, places: Sequence[int]) -> None:
    """Be done with messages; see `QueueStore.settle`."""
    ledger.settle(one, places)
    clean_done(ledger, one.topic)


def prepare_settle(
    ledger: Ledger, one: SubscriptionState, places: Sequence[int], *, may_be_lost: bool
) -> Prepared[None] | None:
    """Prepare `settle`, where nothing has to be read for it: all were taken, and so was what the position waits for."""
    fresh = one.not_done_with(places)
    taken, topic = one.head.taken, one.topic
    if not taken.keys() >= fresh or not one.failures.keys().isdisjoint(fresh) or one.acked_upto + 1 not in taken:
        return None
    guaranteed = sum(taken.pop(place).is_guaranteed for place in fresh)
    one.depth_gd -= guaranteed
    one.depth_memory -= len(fresh) - guaranteed
    one.advance(fresh)
    return Prepared([*ledger.position(one), *cleaned(topic)], lambda: None, may_be_lost=may_be_lost)
