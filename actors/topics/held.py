"""The deliveries that a subscriber holds, and when their senders have to hear that they are still held. Pure."""

from __future__ import annotations

from attrs import define, field

from actors.messages import Deliver

__all__ = ["Held"]

EXTENSIONS = 3
"""How often a sender is told within its `ack_timeout` that a delivery is still held."""

SHORTEST = 0.05
"""Seconds between two times, whatever a sender says: none can keep this end busy with nothing else."""


@define(eq=False)
class Held:
    """The deliveries whose senders wait for a limited time. Points in time are the caller's."""

    _deliveries: dict[str, Deliver] = field(factory=dict)
    _due: dict[str, float] = field(factory=dict)

    @property
    def next_at(self) -> float:
        """When somebody has to be told next; infinite where nothing is held."""
        return min(self._due.values(), default=float("inf"))

    def add(self, delivery: Deliver, now: float) -> float:
        """Hold a delivery; return when its sender has to be told first."""
        if delivery.ack_timeout <= 0:
            return float("inf")
        self._deliveries[delivery.id] = delivery
        self._due[delivery.id] = due = now + _interval(delivery)
        return due

    def discard(self, delivery_id: str) -> None:
        """Hold a delivery no more."""
        self._deliveries.pop(delivery_id, None)
        self._due.pop(delivery_id, None)

    def take_due(self, now: float) -> list[Deliver]:
        """Return what is to be told now: with what is due, what is due soon, so that one message does for many."""
        if self.next_at > now:
            return []
        found = []
        for delivery in self._deliveries.values():
            interval = _interval(delivery)
            if self._due[delivery.id] - interval / 2 <= now:
                self._due[delivery.id] = now + interval
                found.append(delivery)
        return found


def _interval(delivery: Deliver) -> float:
    return max(SHORTEST, delivery.ack_timeout / EXTENSIONS)
