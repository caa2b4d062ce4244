"""The deliveries of subscriptions to a session's peer: which subscription sent which, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

from actors.errors import LinkClosed
from actors.ports import Link
from actors.topics.delivery import Detach, Extended, SendDelivery, Settled

__all__ = ["PeerDeliveries"]


class PeerDeliveries:
    """Deliveries that the peer has not answered yet, and the subscriptions that deliver to it.

    Args:
        session: The session's name.
        tell: Tells a subscription something; one that is gone is passed over.
    """

    def __init__(self, session: str, tell: Callable[[str, object], None]) -> None:
        self._session = session
        self._tell = tell
        self._unanswered: dict[str, str] = {}
        self.attached: dict[str, None] = {}
        """The subscriptions, by sub_key."""

    async def send(self, link: Link, order: SendDelivery) -> None:
        """Send a delivery as soon as there is room on the link; one that has ended takes none."""
        self._unanswered[order.delivery.id] = order.subscription
        try:
            await link.send(order.delivery)
        except LinkClosed:
            self._unanswered.pop(order.delivery.id, None)

    def settle(self, settled: Settled) -> str | None:
        """Tell a subscription what became of its delivery; return its sub_key, None where there is no such delivery."""
        subscription = self._unanswered.pop(settled.delivery_id, None)
        if subscription is not None:
            self._tell(subscription, settled)
        return subscription

    def extend(self, delivery_ids: list[str]) -> None:
        """Tell subscriptions that the peer is still at their deliveries."""
        for delivery_id in delivery_ids:
            if subscription := self._unanswered.get(delivery_id):
                self._tell(subscription, Extended(delivery_id))

    def detach(self) -> None:
        """Tell the subscriptions that the session is over."""
        for subscription in self.attached:
            self._tell(subscription, Detach(self._session))
