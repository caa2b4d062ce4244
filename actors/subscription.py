"""Subscription: a durable interest in a topic, with a queue and the sessions that it delivers to.

One delivery is under way at a time. What is acknowledged leaves the queue. After a failed delivery its messages go
out one by one, and only a failure alone counts against a message: it goes out again after a pause that grows, does
not hold up the others meanwhile, and is given up after `max_retry` of them. The queue is in the store and the
attached sessions outlive this actor's crash, so a crash loses neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio
from attrs import define, field, frozen

from actors.actor import Actor
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
from actors.ports import Clock, Entropy, TopicStore
from actors.publication import SubscriptionRecord, Waiting, delivered
from actors.settings import DeliverySettings

__all__ = ["Subscription", "SubscriptionPlan"]


@define
class SubscriptionPlan:
    """What a subscription is, over its restarts; only a lasting owner's outlives its last session."""

    record: SubscriptionRecord
    attached: list[Attachment] = field(factory=list)


@frozen
class _UnderWay:
    """The delivery that waits for its answer."""

    id: str
    session: str
    batch: tuple[Waiting, ...]

    @property
    def places(self) -> list[int]:
        return [one.stored.place for one in self.batch]


class Subscription(Actor):
    """Delivers one subscription's queue.

    Args:
        plan: What it is; shared with all instances that follow a crash.
        settings: How much is delivered at once, how long and how often it is tried.
        dead_letter_topic: Where messages go that are given up.
        store: Holds the queue.
        clock: When messages expire.
        entropy: Ids of deliveries, and the jitter of pauses.
    """

    kind = "subscription"

    def __init__(
        self,
        plan: SubscriptionPlan,
        settings: DeliverySettings,
        *,
        dead_letter_topic: str,
        store: TopicStore,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._dead_letter_topic = dead_letter_topic
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._under_way: _UnderWay | None = None
        self._alone: set[int] = set()
        self._retry_at: dict[int, float] = {}
        self._failures: dict[int, int] = {}
        self._wake = trio.Event()

    @property
    def _sub_key(self) -> str:
        return self._plan.record.sub_key

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
        if not self._plan.attached and not self._plan.record.owner.is_lasting:
            topic = self.ref("topic", self._plan.record.topic)
            topic.tell_nowait(Unsubscribe(self._plan.record.owner, self._sub_key))

    def _drop_session(self, session: str) -> None:
        self._plan.attached[:] = [one for one in self._plan.attached if one.session != session]
        if self._under_way is not None and self._under_way.session == session:
            self._under_way = None

    async def _settle(self, delivery_id: str, refused: str | None) -> None:
        under_way = self._under_way
        if under_way is None or under_way.id != delivery_id:
            self.progress.count("ignored")
            return
        self._under_way = None
        if refused is None:
            await self._be_done_with(under_way.places)
            self.progress.count("acknowledged")
        else:
            await self._put_off(under_way, refused)

    async def _be_done_with(self, places: list[int], *, bury: bool = False, reason: str = "") -> None:
        grave = self._dead_letter_topic if bury else ""
        await self._store.settle(self._sub_key, places, bury_in=grave, reason=reason, now=self._clock.utc_now())
        self._alone.difference_update(places)
        for place in places:
            self._retry_at.pop(place, None)
            self._failures.pop(place, None)

    async def _put_off(self, under_way: _UnderWay, reason: str) -> None:
        """Deliver the messages of a failed delivery one by one; put off, or give up, the one that failed alone."""
        self.progress.count("failed")
        places = under_way.places
        if len(places) > 1:
            self._alone.update(places)
            self._log.warning("delivery failed, its messages go out one by one", reason=reason, messages=len(places))
            return
        [place], [waiting] = places, under_way.batch
        self._alone.add(place)
        count = self._failures[place] = max(self._failures.get(place, 0), waiting.deliveries) + 1
        settings = self._settings
        if count >= settings.delivery_max_retry:
            self._log.error("message given up", msg_id=waiting.stored.msg_id, attempts=count, reason=reason)
            self.progress.count("dead")
            await self._be_done_with([place], bury=True, reason=f"given up after {count} attempts: {reason}")
            return
        await self._store.failed(self._sub_key, [place], reason)
        ceiling = min(settings.longest_pause, settings.first_pause * 2 ** min(count - 1, 30))
        pause = self._entropy.uniform(ceiling / 2, ceiling)
        self._retry_at[place] = trio.current_time() + pause
        self._log.warning(
            "delivery failed", msg_id=waiting.stored.msg_id, reason=reason, attempt=count, retry_in=round(pause, 1)
        )

    async def _deliver_for_ever(self) -> None:
        while True:
            self._wake = trio.Event()
            if self._under_way is not None:
                await self._wait_for_answer(self._under_way)
            elif not self._plan.attached or not await self._deliver_next():
                with trio.move_on_at(min(self._retry_at.values(), default=float("inf"))):
                    await self._wake.wait()

    async def _wait_for_answer(self, under_way: _UnderWay) -> None:
        timeout = self._settings.ack_timeout
        with trio.move_on_after(timeout) as waiting:
            await self._wake.wait()
        if waiting.cancelled_caught and self._under_way is under_way:
            self._under_way = None
            await self._put_off(under_way, f"no answer within {timeout:g} s")

    async def _deliver_next(self) -> bool:
        """Send the next batch to one session; tell whether there was any."""
        now = trio.current_time()
        later = [place for place, at in self._retry_at.items() if at > now]
        if later and self._settings.ordered:
            return False
        found = await self._store.waiting(self._sub_key, self._settings.delivery_batch_size, later)
        batch = self._together(await self._without_expired(found))
        if not self._plan.attached:
            return False
        if not batch:
            return len(found) > 0
        attachment = self._plan.attached[0]
        if not self._settings.ordered:
            self._plan.attached.append(self._plan.attached.pop(0))
        await self._store.sent(self._sub_key, [one.stored.place for one in batch])
        delivery_id = self._entropy.hex_id()
        messages = [delivered(one.stored, self._sub_key, one.deliveries + 1, attachment.compat) for one in batch]
        self._under_way = _UnderWay(delivery_id, attachment.session, tuple(batch))
        order = SendDelivery(self.actor, Deliver(delivery_id, self._sub_key, messages))
        try:
            self.ref("session", attachment.session).tell_nowait(order)
        except ActorError as error:
            self._log.info("session gone", session=attachment.session, error=str(error))
            self._drop_session(attachment.session)
        return True

    def _together(self, found: list[Waiting]) -> list[Waiting]:
        """Return the first messages that may go out together."""
        for number, one in enumerate(found):
            if one.stored.place in self._alone:
                return found[: max(1, number)]
        return found

    async def _without_expired(self, found: Sequence[Waiting]) -> list[Waiting]:
        """Return what has not expired; guaranteed messages that have go to the dead-letter topic."""
        now = self._clock.utc_now()
        expired = [one.stored.place for one in found if one.stored.expires_at <= now]
        if expired:
            await self._be_done_with(expired, bury=True, reason="expired")
            self.progress.count("expired")
        return [one for one in found if one.stored.expires_at > now]

    def _show(self) -> None:
        plan = self._plan
        self.progress.show(
            "delivering" if plan.attached else "waiting for a session",
            topic=plan.record.topic,
            owner=str(plan.record.owner),
            sessions=[one.session for one in plan.attached],
        )
