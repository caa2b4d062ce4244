"""How messages of subscriptions are delivered."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import asdict, frozen

__all__ = ["ActiveStatus", "DeliverFrom", "DeliveryOptions", "DeliverySettings"]


class DeliverFrom(Enum):
    """Where a new subscription begins."""

    NOW = "now"
    BACKLOG = "backlog"  # what nobody was subscribed to, for the first one; now, for others
    BEGINNING = "beginning"  # all that the topic still keeps


class ActiveStatus(Enum):
    """What a subscription's queue does."""

    BOTH = "pub-sub"
    PUBLISH_ONLY = "pub-only"  # it takes messages and delivers none
    SUBSCRIBE_ONLY = "sub-only"  # it delivers what it has and takes nothing new
    DISABLED = "disabled"

    @property
    def takes(self) -> bool:
        """Tell whether published messages get into the queue."""
        return self in (ActiveStatus.BOTH, ActiveStatus.PUBLISH_ONLY)

    @property
    def delivers(self) -> bool:
        """Tell whether messages leave the queue."""
        return self in (ActiveStatus.BOTH, ActiveStatus.SUBSCRIBE_ONLY)


@frozen
class DeliverySettings:
    """How the messages of a subscription are delivered: of a topic for all that subscribe to it, or of one of them."""

    delivery_batch_size: int = 500
    wrap_one_msg_in_list: bool = True
    delivery_max_retry: int = 16
    ack_timeout: float = 60.0
    wait_sock_err: float = 10.0  # before what was under way when a session ended goes to another one
    wait_non_sock_err: float = 3.0  # after a delivery that failed; doubles
    longest_pause: float = 600.0
    ordered: bool = False  # one session at a time; a message that waits for its next attempt holds up the others
    deliver_from: DeliverFrom = DeliverFrom.BACKLOG
    active_status: ActiveStatus = ActiveStatus.BOTH


@frozen
class DeliveryOptions:
    """What a subscriber sets of `DeliverySettings`; None leaves it to the topic."""

    delivery_batch_size: int | None = None
    wrap_one_msg_in_list: bool | None = None
    delivery_max_retry: int | None = None
    ack_timeout: float | None = None
    wait_sock_err: float | None = None
    wait_non_sock_err: float | None = None
    longest_pause: float | None = None
    ordered: bool | None = None
    deliver_from: DeliverFrom | None = None
    active_status: ActiveStatus | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is set, by name, as TOML and JSON say it."""
        return asdict(
            self,
            filter=lambda _field, value: value is not None,
            value_serializer=lambda _self, _field, value: value.value if isinstance(value, Enum) else value,
        )
