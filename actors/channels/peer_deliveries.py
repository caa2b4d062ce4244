"""The deliveries of subscriptions to a session's peer: which subscription sent which, and what became of it."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from actors.errors import LinkClosed
from actors.ports import Link
from actors.topics.attachment import Window
from actors.topics.delivery import Detach, Extended, SendDelivery, Settled

__all__ = ["PeerDeliveries"]


@frozen
class _Unanswered:
    """A delivery: of which subscription, and how much of its credit it takes."""

    subscription: str
    count: int
    size: int


class PeerDeliveries:
    """Deliveries that the peer has not answered yet, and the subscriptions that deliver to it.

    Args:
        session: The session's name.
        tell: Tells a subscription something; one that is gone is passed over.
    """

    def __init__(self, session: str, tell: Callable[[str, object], None]) -> None:
        self._session = session
        self._tell = tell
        self._unanswered: dict[str, _Unanswered] = {}
        self.attached: dict[str, None] = {}
        """The subscriptions, by sub_key."""
        self.window: Window | None = None
        """How much the peer takes, once it has been let in."""

    async def send(self, link: Link, order: SendDelivery) -> None:
        """Send a delivery as soon as there is room on the link; one that has ended takes none."""
        delivery = order.delivery
        self._unanswered[delivery.id] = _Unanswered(order.subscription, len(delivery.messages), order.size)
        try:
            await link.send(delivery)
        except LinkClosed:
            self._unanswered.pop(delivery.id, None)

    def settle(self, settled: Settled) -> str | None:
        """Tell a subscription what became of its delivery; return its sub_key, None where there is no such delivery."""
        unanswered = self._unanswered.pop(settled.delivery_id, None)
        if unanswered is None:
            return None
        if self.window is not None:
            self.window.answered(unanswered.subscription, unanswered.count, unanswered.size)
        self._tell(unanswered.subscription, settled)
        return unanswered.subscription

    def extend(self, delivery_ids: list[str]) -> None:
        """Tell subscriptions that the peer is still at their deliveries."""
        for delivery_id in delivery_ids:
            if unanswered := self._unanswered.get(delivery_id):
                self._tell(unanswered.subscription, Extended(delivery_id))

    def detach(self) -> None:
        """Tell the subscriptions that the session is over."""
        for subscription in self.attached:
            self._tell(subscription, Detach(self._session))
