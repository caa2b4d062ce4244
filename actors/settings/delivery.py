"""How messages of subscriptions are delivered."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import asdict, frozen

__all__ = ["ActiveStatus", "DeliverFrom", "DeliveryOptions", "DeliverySettings"]


class DeliverFrom(Enum):
    """Where a new subscription begins."""

    NOW = "now"  # with what is published from now on
    BACKLOG = "backlog"  # what nobody was subscribed to, for the first one; now, for others
    BEGINNING = "beginning"  # all that the topic still keeps


class ActiveStatus(Enum):
    """What a subscription's queue does."""

    BOTH = "pub-sub"  # it takes and delivers
    PUBLISH_ONLY = "pub-only"  # it takes messages and delivers none
    SUBSCRIBE_ONLY = "sub-only"  # it delivers what it has and takes nothing new
    DISABLED = "disabled"  # neither

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
    """How the messages of a topic are delivered to those that subscribe to it and say nothing else."""

    delivery_batch_size: int = 500  # messages in one delivery
    wrap_one_msg_in_list: bool = True  # whether a single message is delivered as a list of one
    delivery_max_retry: int = 16  # attempts that may fail before a message goes to the dead-letter topic
    ack_timeout: float = 60.0  # seconds that the answer to a delivery may take
    wait_sock_err: float = 10.0  # seconds before what was under way when a session ended goes to another one
    wait_non_sock_err: float = 3.0  # seconds after a delivery that failed; doubles
    longest_pause: float = 600.0  # seconds that this may grow to
    ordered: bool = False  # one session at a time; a message that waits for its next attempt holds up the others
    deliver_from: DeliverFrom = DeliverFrom.BACKLOG  # where a new subscription begins
    active_status: ActiveStatus = ActiveStatus.BOTH  # what the queue does


@frozen
class DeliveryOptions:
    """What one subscriber sets of how its messages are delivered; what is None here, the topic says."""

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
