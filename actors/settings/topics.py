"""What topics and the subscriptions of services are set to."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.settings.delivery import DeliveryOptions, DeliverySettings

__all__ = ["OnFull", "OnNoSubs", "SubscriptionSettings", "TopicSettings"]


class OnNoSubs(Enum):
    """What becomes of a message published to a topic that nobody subscribes to."""

    ACCEPT = "accept"
    DROP = "drop"


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

    guaranteed: bool = False
    active: bool = True
    on_no_subs: OnNoSubs = OnNoSubs.ACCEPT
    is_api_sub_allowed: bool = True
    max_depth_gd: int = 1_000_000
    max_depth_non_gd: int = 1_000
    on_full: OnFull = OnFull.DEAD_LETTER
    limit_retention: float = 0.0
    limit_message_expiry: float = 0.0
    limit_sub_inactivity: float = 0.0
    max_message_size: int = 1_000_000
    publish_dedup_window: float = 24 * 3600.0
    max_publish_dedup_ids: int = 1_000_000
    hook_service: str | None = None
    delivery: DeliverySettings = field(factory=DeliverySettings)


@frozen
class SubscriptionSettings:
    """A service of this cluster that receives the messages of topics of this cluster."""

    service: str
    topics: tuple[str, ...]
    delivery: DeliveryOptions = field(factory=DeliveryOptions)
