"""What a store knows of topics and subscriptions without asking its database."""

from __future__ import annotations

from attrs import define, field

from actors.publication import Stored, SubscriptionRecord

__all__ = ["SubscriptionState", "TopicState"]


@define(eq=False)
class SubscriptionState:
    """A subscription: how far it has come; see `runtime.store.schema`."""

    record: SubscriptionRecord
    topic: TopicState
    acked_upto: int
    sent_upto: int
    done: set[int] = field(factory=set)
    failures: dict[int, tuple[int, str]] = field(factory=dict)


@define(eq=False)
class TopicState:
    """A topic: its last place, and the messages that are held in memory only."""

    id: int
    name: str
    place: int
    backlog_from: int
    cleaned_upto: int
    volatile: dict[int, Stored] = field(factory=dict)
    volatile_ids: dict[str, Stored] = field(factory=dict)
    subscriptions: dict[str, SubscriptionState] = field(factory=dict)
