"""Subscription: a durable interest in a topic, with a queue and the sessions that it delivers to.

It takes messages from its queue in the store, sends them to its sessions in deliveries, and is done with what they
acknowledge. A session that speaks the native format is sent further deliveries before the first is answered, within
its window; others are sent one at a time, and so are all of an ordered subscription. After a failed delivery its
messages go out one by one, and only a failure alone counts against a message: it goes out again after a pause that
grows, does not hold up the others meanwhile, and is given up after `delivery_max_retry` of them. What is in hand is
kept in `actors.topics.in_hand`; the queue, the attached sessions and what is acknowledged outlive this actor's crash.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import Any

import msgspec
import trio

from actors.actor import Actor
from actors.errors import ActorError, CallError
from actors.messages import Deliver, Delivered, Refusal
from actors.ports import Clock, Entropy, QueueStore
from actors.settings import DeliverySettings, TopicSettings
from actors.topics.attachment import Attachment, next_free
from actors.topics.catalogue import Catalogue, is_dead_letter_topic
from actors.topics.delivery import (
    Attach,
    Attached,
    Detach,
    Extended,
    GetRecord,
    NewMessages,
    SendDelivery,
    Settled,
    TakeMessages,
    Unsubscribe,
)
from actors.topics.handing_out import hand_out
from actors.topics.in_hand import InHand, SubscriptionPlan, UnderWay
from actors.topics.publication import Stored
from actors.topics.pubsub_hook import HookAction
from actors.topics.subscribing import delivery_settings
from actors.topics.topic_hooks import TopicHooks

__all__ = ["Subscription"]

STORE_PAUSE = 1.0
"""Seconds until a store that failed is asked again."""

BATCHES_AT_ONCE = 8
"""How many deliveries' messages are taken from the queue at once."""


class Subscription(Actor):
    """Delivers one subscription's queue.

    Args:
        plan: What it is; shared with all instances that follow a crash.
        catalogue: What its topic is set to.
        queues: Holds the queue.
        clock: When messages expire.
        entropy: Ids of deliveries, and the jitter of pauses.
    """

    kind = "subscription"
    answers_with = (CallError,)

    def __init__(
        self, plan: SubscriptionPlan, catalogue: Catalogue, *, queues: QueueStore, clock: Clock, entropy: Entropy
    ) -> None:
        self._plan = plan
        self._catalogue = catalogue
        self._queues = queues
        self._clock = clock
        self._entropy = entropy
        self._in_hand = InHand()
        self._may_have_more = True
        self._paused_until = 0.0
        self._wake = trio.Event()
        self._to_settle = trio.Event()

    @property
    def _sub_key(self) -> str:
        return self._plan.record.sub_key

    @property
    def _settings(self) -> DeliverySettings:
        topic = self._catalogue.find(self._plan.record.topic) or TopicSettings()
        return delivery_settings(topic.delivery, self._plan.record.effective)

    async def setup(self) -> None:
        """Begin anew with what an earlier instance had in hand."""
        for delivery in self._plan.in_hand.under_way.values():
            delivery.attachment.window.give_back(len(delivery.messages), delivery.size)
        self._plan.in_hand = self._in_hand
        self.progress.measure("in_hand", lambda: sum(len(one.messages) for one in self._in_hand.under_way.values()))
        self.progress.measure("put_off", lambda: self._in_hand.put_off)
        with suppress(CallError):
            await self._settle()
        await self._queues.begin_anew(self._sub_key)
        self._show()

    async def run(self) -> None:
        """Deliver until asked to stop; what was acknowledged by then is kept."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages)
            nursery.start_soon(self._deliver_for_ever)
            nursery.start_soon(self._settle_for_ever)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()
        with suppress(CallError):
            await self._settle()

    async def receive(self, message: Any) -> Any:
        """Note what changed and look for work, or answer what is asked."""
        match message:
            case GetRecord():
                return self._plan.record
            case TakeMessages():
                return await self._hand_out(message)
            case NewMessages():
                self._may_have_more = True
            case Settled():
                await self._take_answer(message)
            case Extended(delivery_id=delivery_id):
                self._in_hand.extend(delivery_id, trio.current_time() + self._settings.ack_timeout)
            case Attach(attachment=attachment, is_alone=is_alone):
                self._attach(attachment, is_alone=is_alone)
                self._show()
            case Detach(session=session):
                self._drop_session(session)
                self._end_with_last_session()
                self._show()
        self._wake.set()
        return None

    # Sessions

    def _attach(self, attachment: Attachment, *, is_alone: bool) -> None:
        for session in [one.session for one in self._plan.attached if is_alone or one.session == attachment.session]:
            self._drop_session(session)
        try:
            self.ref(attachment.kind, attachment.session).tell_nowait(Attached(self.actor))
        except ActorError:
            self._end_with_last_session()
        else:
            self._plan.attached.append(attachment)
            self._in_hand.release_all()

    def _drop_session(self, session: str) -> None:
        """Forget a session; what was on its way to it goes to another one after a while, or to its next link."""
        self._plan.attached[:] = [one for one in self._plan.attached if one.session != session]
        lost = self._in_hand.lost(session)
        pause = self._settings.wait_sock_err if self._plan.attached else 0.0
        for delivery in lost:
            self._give_room_back(delivery)
            self._in_hand.again(delivery.messages, at=trio.current_time() + pause if pause else 0.0)

    def _end_with_last_session(self) -> None:
        record = self._plan.record
        if not self._plan.attached and not record.is_lasting:
            order = Unsubscribe(record.owner, self._sub_key, leave_rest=True)
            self.ref("topic", record.topic).tell_nowait(order)

    @staticmethod
    def _give_room_back(delivery: UnderWay) -> None:
        delivery.attachment.window.give_back(len(delivery.messages), delivery.size)

    # Answers

    async def _take_answer(self, answer: Settled) -> None:
        delivery = self._in_hand.answered(answer.delivery_id)
        if delivery is None:
            late = self._in_hand.answered_late(answer.delivery_id) if answer.refused is None else []
            self.progress.count("late" if late else "ignored")
            self._acknowledge(_without(late, answer.refusals), late=True)
            return
        self._give_room_back(delivery)
        if answer.refused is not None:
            await self._failed(delivery, answer.refused)
            return
        self.progress.count("acknowledged")
        self._acknowledge(_without(delivery.messages, answer.refusals))
        refused = {refusal.msg_id: refusal for refusal in answer.refusals}
        for stored in delivery.messages if refused else ():
            if (refusal := refused.get(stored.msg_id)) is not None:
                await self._failed_alone(stored, refusal.reason or "refused", after=refusal.redeliver_after)

    def _acknowledge(self, messages: Sequence[Stored], *, late: bool = False) -> None:
        self._in_hand.done(messages, late=late)
        self.progress.count("messages_acknowledged", len(messages))
        self._plan.acknowledged += [stored.place for stored in messages]
        self._to_settle.set()

    async def _failed(self, delivery: UnderWay, reason: str) -> None:
        """Deliver the messages of a failed delivery one by one; put off, or give up, the one that failed alone."""
        self.progress.count("failed")
        if len(delivery.messages) > 1:
            self._in_hand.again(delivery.messages, alone=True)
            count = len(delivery.messages)
            self._log.warning("delivery failed, its messages go out one by one", reason=reason, messages=count)
            return
        for stored in delivery.messages:
            await self._failed_alone(stored, reason)

    async def _failed_alone(self, stored: Stored, reason: str, *, after: float | None = None) -> None:
        settings = self._settings
        count = self._in_hand.failed_alone(stored)
        is_last = count >= settings.delivery_max_retry and not is_dead_letter_topic(self._plan.record.topic)
        if is_last and await self._bury([stored], f"given up after {count} attempts: {reason}"):
            self._log.error("message given up", msg_id=stored.msg_id, attempts=count, reason=reason)
            self.progress.count("dead")
            return
        with suppress(CallError):  # the count is for the time after a restart
            await self._queues.failed(self._sub_key, stored.place, reason)
        ceiling = min(settings.longest_pause, settings.wait_non_sock_err * 2 ** min(count - 1, 30))
        pause = self._entropy.uniform(ceiling / 2, ceiling) if after is None else max(0.0, after)
        if is_last:
            pause = settings.longest_pause
        self._in_hand.again([stored], at=trio.current_time() + pause)
        self._log.warning(
            "delivery failed", msg_id=stored.msg_id, reason=reason, attempt=count, retry_in=round(pause, 1)
        )

    async def _bury(self, messages: list[Stored], reason: str) -> bool:
        """Move messages to the dead-letter topic; tell whether it took them."""
        try:
            await self._queues.bury(self._sub_key, [stored.place for stored in messages], reason)
        except CallError as error:
            self._log.error("not moved to the dead-letter topic", error=str(error), messages=len(messages))
            return False
        self._in_hand.done(messages)
        return True

    async def _settle_for_ever(self) -> None:
        """Tell the store what is done with, all that there is at once."""
        while True:
            self._to_settle = trio.Event()
            if not self._plan.acknowledged:
                await self._to_settle.wait()
            try:
                await self._settle()
            except CallError as error:
                self._log.error("acknowledgements are not kept yet", error=str(error))
                await trio.sleep(STORE_PAUSE)

    async def _settle(self) -> None:
        places = tuple(self._plan.acknowledged)
        if places:
            await self._queues.settle(self._sub_key, places, may_come_again=True)
            del self._plan.acknowledged[: len(places)]

    # Deliveries

    async def _deliver_for_ever(self) -> None:
        while True:
            self._wake = trio.Event()
            for delivery in self._in_hand.overdue(trio.current_time()):
                self._give_room_back(delivery)
                await self._failed(delivery, f"no answer within {self._settings.ack_timeout:g} s")
            if not await self._deliver_next():
                with trio.move_on_at(max(self._in_hand.next_at, self._paused_until)):
                    await self._wake.wait()

    async def _deliver_next(self) -> bool:
        """Send the next delivery to a session that has room; tell whether there may be another."""
        settings = self._settings
        now = trio.current_time()
        if now < self._paused_until or not settings.active_status.delivers:
            return False
        self._in_hand.release_due(now)
        attachment = self._free_attachment(settings)
        if attachment is None:
            return False
        await self._take_more(settings, attachment)
        if settings.ordered and self._in_hand.put_off:
            return False
        room, room_bytes = attachment.window.room_of(self._sub_key)
        ready = self._in_hand.ready
        batch = self._in_hand.next_batch(
            min(settings.delivery_batch_size, max(1, room)), min(attachment.max_delivery_bytes, room_bytes)
        )
        if not batch:
            return self._in_hand.ready < ready  # what was ready has been answered late, and more may wait
        batch = await self._deliverable(batch)
        if attachment not in self._plan.attached:
            self._in_hand.again(batch, was_sent=False)  # the session ended meanwhile
        elif batch:
            self._send(attachment, batch, settings)
        return True

    async def _hand_out(self, request: TakeMessages) -> list[tuple[Stored, int]]:
        """Give the first messages to whoever asks for them, for good."""
        if not self._settings.active_status.delivers:
            return []
        self._in_hand.release_due(trio.current_time())
        return await hand_out(request, self._sub_key, self._in_hand, self._queues, self._deliverable)

    async def _deliverable(self, batch: list[Stored]) -> list[Stored]:
        return await self._wanted_by_hook(await self._without_expired(batch))

    def _free_attachment(self, settings: DeliverySettings) -> Attachment | None:
        """Return the session that is to get the next delivery, each in its turn; None where none can take one."""
        under_way, attached = self._in_hand.under_way, self._plan.attached
        if not settings.ordered:
            busy = {one.attachment.session for one in under_way.values()}
            return next_free(attached, busy, self._sub_key, self._look_again)
        return None if under_way else next_free(attached[:1], (), self._sub_key, self._look_again)

    def _look_again(self) -> None:
        self._wake.set()

    async def _take_more(self, settings: DeliverySettings, attachment: Attachment) -> None:
        """Have a batch ready, as far as the queue has one."""
        batch_size, hand = settings.delivery_batch_size, self._in_hand
        if not self._may_have_more or hand.ready >= batch_size or not hand.may_take_more:
            return
        batches = BATCHES_AT_ONCE if attachment.is_pipelined and not settings.ordered else 1
        self._may_have_more = False
        try:
            taken = await self._queues.take(
                self._sub_key, batch_size * batches - hand.ready, attachment.max_delivery_bytes * batches
            )
        except CallError as error:
            self._log.error("the queue cannot be read", error=str(error))
            self._may_have_more = True
            self._paused_until = trio.current_time() + STORE_PAUSE
            return
        if taken.messages:
            self._may_have_more = True
            hand.add(taken)

    async def _without_expired(self, batch: list[Stored]) -> list[Stored]:
        """Return what has not expired; guaranteed messages that have go to the dead-letter topic."""
        if min([stored.expires_at for stored in batch], default=inf) == inf:
            return batch
        now = self._clock.utc_now().replace(tzinfo=datetime.UTC).timestamp()
        expired = [stored for stored in batch if stored.expires_at <= now]
        if expired:
            self.progress.count("expired")
            if not await self._bury(expired, "expired"):
                self._in_hand.again(expired, at=trio.current_time() + self._settings.longest_pause, was_sent=False)
        return [stored for stored in batch if stored.expires_at > now]

    async def _wanted_by_hook(self, batch: list[Stored]) -> list[Stored]:
        """Return what the topic's hook lets through; the others come later, or are done with."""
        topic = self._plan.record.topic
        settings = self._catalogue.find(topic)
        if settings is None or settings.hook_service is None or not batch:
            return batch
        hooks = TopicHooks(topic, settings.hook_service, self.ref, self._log)
        found = await hooks.before_delivery(batch, self._sub_key)
        if later := found[HookAction.SKIP]:
            self.progress.count("skipped")
            self._in_hand.again(later, at=trio.current_time() + self._settings.wait_non_sock_err, was_sent=False)
        if deleted := found[HookAction.DELETE]:
            self.progress.count("deleted")
            self._acknowledge(deleted)
        return found[HookAction.DELIVER]

    def _send(self, attachment: Attachment, batch: list[Stored], settings: DeliverySettings) -> None:
        bodies = [stored.body for stored in batch]
        size = sum(map(len, bodies))
        delivery = UnderWay(self._entropy.hex_id(), attachment, tuple(batch), size)
        counts = self._in_hand.start(delivery, trio.current_time() + settings.ack_timeout)
        attachment.window.take(self._sub_key, len(batch), size)
        self.progress.count("messages_delivered", len(batch))
        if max(counts) > 1:
            self.progress.count("messages_redelivered", sum(count > 1 for count in counts))
        message = Deliver(
            delivery.id,
            self._sub_key,
            list(map(Delivered, counts, map(msgspec.Raw, bodies))),
            ack_timeout=settings.ack_timeout,
            compat=attachment.compat,
            is_bare=len(batch) == 1 and not settings.wrap_one_msg_in_list,
        )
        try:
            self.ref(attachment.kind, attachment.session).tell_nowait(SendDelivery(self.actor, message, size))
        except ActorError as error:
            self._log.info("session gone", session=attachment.session, error=str(error))
            attachment.window.answered(self._sub_key, len(batch), size)
            self._drop_session(attachment.session)

    def _show(self) -> None:
        plan = self._plan
        self.progress.show(
            "delivering" if plan.attached else "waiting for a session",
            topic=plan.record.topic,
            owner=str(plan.record.owner),
            sessions=[one.session for one in plan.attached],
        )


def _without(messages: Sequence[Stored], refusals: Sequence[Refusal]) -> Sequence[Stored]:
    refused = {refusal.msg_id for refusal in refusals}
    return [stored for stored in messages if stored.msg_id not in refused] if refused else messages
