"""What topics and the subscriptions of services are set to."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.settings.delivery import DeliveryOptions, DeliverySettings

__all__ = ["OnFull", "OnNoSubs", "SubscriptionSettings", "TopicSettings"]


class OnNoSubs(Enum):
    """What becomes of a message published to a topic that nobody subscribes to."""

    ACCEPT = "accept"  # it waits for the first subscriber
    DROP = "drop"  # it is gone


class OnFull(Enum):
    """What becomes of messages when a subscription's queue is as deep as it may be."""

    DEAD_LETTER = "dead_letter"  # guaranteed: the oldest; memory messages are dropped then
    REJECT = "reject"  # the publisher is refused
    DROP = "drop"  # memory messages: the oldest, which is counted


@frozen
class TopicSettings:
    """A named stream of messages; with `*` or `**` in its name, what topics are made with when they are first used.

    Limits of 0 are none.
    """

    guaranteed: bool = False  # whether messages are on disk before `publish` returns, unless one says otherwise
    active: bool = True  # with `false` publishing is refused
    on_no_subs: OnNoSubs = OnNoSubs.ACCEPT  # what becomes of messages that nobody is subscribed to
    is_api_sub_allowed: bool = True  # whether peers may subscribe; the cluster's own services always may
    max_depth_gd: int = 1_000_000  # guaranteed messages in the queue of a subscription
    max_depth_non_gd: int = 1_000  # other messages in the queue of a subscription
    on_full: OnFull = OnFull.DEAD_LETTER  # what becomes of messages when a queue is as deep as it may be
    limit_retention: float = 0.0  # seconds that messages are kept; 0: no limit
    limit_message_expiry: float = 0.0  # seconds after which messages expire at the latest; 0: no limit
    limit_sub_inactivity: float = 0.0  # seconds after which a subscription without sessions ends; 0: no limit
    max_message_size: int = 1_000_000  # bytes of one message
    publish_dedup_window: float = 24 * 3600.0  # seconds that the ids of published messages are remembered
    max_publish_dedup_ids: int = 1_000_000  # ids that are remembered
    hook_service: str | None = None  # a `PubSubHook` that is asked about messages and told of subscribers
    delivery: DeliverySettings = field(factory=DeliverySettings)  # how messages are delivered to subscribers


@frozen
class SubscriptionSettings:
    """A service of this cluster that receives the messages of topics of this cluster."""

    service: str  # the service of this cluster that receives the messages
    topics: tuple[str, ...]  # topics of this cluster
    delivery: DeliveryOptions = field(factory=DeliveryOptions)  # how they are delivered
