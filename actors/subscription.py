"""Subscription: a durable interest in a topic, with a queue and the sessions that it delivers to.

One delivery is under way at a time. What is acknowledged leaves the queue; what is refused, or not answered in
time, goes out again after a pause. The queue is in the store and the attached sessions are kept by the topic's
side, so a crash of this actor loses neither.
"""

from __future__ import annotations

from typing import Any

import trio
from attrs import define, field, frozen

from actors.actor import Actor
from actors.call import PeerIdentity
from actors.delivery import (
    Attach,
    Attached,
    Attachment,
    Detach,
    NewMessages,
    SendDelivery,
    Settled,
    Unsubscribe,
)
from actors.errors import ActorError
from actors.messages import Deliver
from actors.ports import Entropy, TopicStore
from actors.publication import Stored, delivered
from actors.retry import BackoffState
from actors.settings import Compat
from actors.supervision import Backoff

__all__ = ["Subscription", "SubscriptionPlan"]

BATCH = 500
ACK_TIMEOUT = 60.0


@define
class SubscriptionPlan:
    """What a subscription is, over its restarts; only a lasting owner's outlives its last session."""

    sub_key: str
    topic: str
    owner: PeerIdentity
    attached: list[Attachment] = field(factory=list)


@frozen
class _UnderWay:
    """The delivery that waits for its answer."""

    id: str
    session: str
    msg_ids: tuple[str, ...]


class Subscription(Actor):
    """Delivers one subscription's queue.

    Args:
        plan: What it is; shared with all instances that follow a crash.
        store: Holds the queue.
        entropy: Ids of deliveries.
    """

    kind = "subscription"
    pauses = Backoff(first=1.0, longest=600.0, reset_after=0.0)

    def __init__(self, plan: SubscriptionPlan, *, store: TopicStore, entropy: Entropy) -> None:
        self._plan = plan
        self._store = store
        self._entropy = entropy
        self._under_way: _UnderWay | None = None
        self._counts: dict[str, int] = {}
        self._pause = BackoffState(self.pauses)
        self._paused_until = 0.0
        self._one_by_one = 0
        self._wake = trio.Event()

    async def setup(self) -> None:
        """Show what it is."""
        self._show()

    async def run(self) -> None:
        """Deliver until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages)
            nursery.start_soon(self._deliver_for_ever)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def receive(self, message: Any) -> None:
        """Note what changed and look for work."""
        match message:
            case Attach(attachment=attachment):
                self._attach(attachment)
            case Detach(session=session):
                self._drop_session(session)
                self._end_with_last_session()
            case Settled(delivery_id=delivery_id, refused=refused):
                await self._settle(delivery_id, refused)
            case NewMessages():
                pass
        self._show()
        self._wake.set()

    def _attach(self, attachment: Attachment) -> None:
        self._drop_session(attachment.session)
        try:
            self.ref("session", attachment.session).tell_nowait(Attached(self.actor))
        except ActorError:
            self._end_with_last_session()
        else:
            self._plan.attached.append(attachment)

    def _end_with_last_session(self) -> None:
        if not self._plan.attached and not self._plan.owner.is_lasting:
            topic = self.ref("topic", self._plan.topic)
            topic.tell_nowait(Unsubscribe(self._plan.owner, self._plan.sub_key))

    def _drop_session(self, session: str) -> None:
        self._plan.attached[:] = [one for one in self._plan.attached if one.session != session]
        if self._under_way is not None and self._under_way.session == session:
            self._under_way = None

    async def _settle(self, delivery_id: str, refused: str | None) -> None:
        under_way = self._under_way
        if under_way is None or under_way.id != delivery_id:
            return
        self._under_way = None
        if refused is None:
            await self._store.acknowledge(self._plan.sub_key, under_way.msg_ids)
            for msg_id in under_way.msg_ids:
                self._counts.pop(msg_id, None)
            self._one_by_one = max(0, self._one_by_one - 1)
            self._pause.succeeded_for(0.0)
            self._paused_until = 0.0
        else:
            self._put_off(refused, under_way)

    def _put_off(self, reason: str, under_way: _UnderWay) -> None:
        """After a failed delivery its messages go out one by one, after a pause."""
        self._one_by_one = max(self._one_by_one, len(under_way.msg_ids))
        delay = self._pause.next_delay(self._entropy.uniform)
        self._paused_until = trio.current_time() + delay
        self._log.warning("delivery failed", reason=reason, retry_in=round(delay, 1), topic=self._plan.topic)

    async def _deliver_for_ever(self) -> None:
        while True:
            self._wake = trio.Event()
            now = trio.current_time()
            if self._under_way is not None:
                with trio.move_on_after(ACK_TIMEOUT) as waiting:
                    await self._wake.wait()
                if waiting.cancelled_caught and self._under_way is not None:
                    late, self._under_way = self._under_way, None
                    self._put_off(f"no answer within {ACK_TIMEOUT:g} s", late)
            elif now < self._paused_until:
                with trio.move_on_at(self._paused_until):
                    await self._wake.wait()
            elif not self._plan.attached or not await self._deliver_next():
                await self._wake.wait()

    async def _deliver_next(self) -> bool:
        """Send the next batch to one session; tell whether there was any."""
        batch = await self._store.waiting(self._plan.sub_key, 1 if self._one_by_one else BATCH)
        if not batch or not self._plan.attached:
            return False
        attachment = self._plan.attached[0]
        self._plan.attached.append(self._plan.attached.pop(0))
        delivery_id = self._entropy.hex_id()
        messages = [self._as_delivered(stored, attachment.compat) for stored in batch]
        order = Deliver(delivery_id, self._plan.sub_key, messages)
        self._under_way = _UnderWay(delivery_id, attachment.session, tuple(one.msg_id for one in batch))
        try:
            self.ref("session", attachment.session).tell_nowait(SendDelivery(self.actor, order))
        except ActorError as error:
            self._log.info("session gone", session=attachment.session, error=str(error))
            self._drop_session(attachment.session)
        return True

    def _as_delivered(self, stored: Stored, compat: Compat) -> dict[str, Any]:
        count = self._counts[stored.msg_id] = self._counts.get(stored.msg_id, 0) + 1
        return delivered(stored, self._plan.sub_key, count, compat)

    def _show(self) -> None:
        plan = self._plan
        self.progress.show(
            "delivering" if plan.attached else "waiting for a session",
            topic=plan.topic,
            owner=str(plan.owner),
            sessions=[one.session for one in plan.attached],
        )
