"""Topic: a named stream of messages. It has the store give each message its place, and keeps its subscriptions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import trio
from attrs import define, evolve, field

from actors.actor import Actor
from actors.audit import AuditEvent, AuditResult
from actors.envelope import Envelope
from actors.errors import NOT_ALLOWED, ActorError, CallError, Forbidden, NotFound, Overloaded
from actors.ports import Cleaned, Clock, Entropy, QueueStore, SubscriptionStore, TopicList, TopicStore
from actors.services.call import PeerIdentity
from actors.settings import OnNoSubs, TopicSettings
from actors.supervision import ChildSpec
from actors.topics.catalogue import Catalogue
from actors.topics.delivery import (
    Attach,
    NewMessages,
    NewSettings,
    PublishEach,
    PublishMany,
    Resume,
    SetOptions,
    Subscribe,
    Unsubscribe,
)
from actors.topics.in_hand import SubscriptionPlan
from actors.topics.publication import Publish, SubscriptionRecord
from actors.topics.subscription import Subscription
from actors.topics.topic_hooks import TopicHooks

__all__ = ["Topic", "TopicPorts", "TopicState"]

CLEAN_INTERVAL = 10.0
"""Seconds between two rounds of cleaning."""

CLEAN_PAUSE = 0.02
"""Seconds between two steps of a round, so that publishing is not held up."""

WARN_AFTER = 3600.0
"""Seconds that a message may wait before its topic warns, and between two warnings."""

_PUBLISHED = (Publish, PublishMany)


@define
class TopicState:
    """A topic's subscriptions by sub_key, over its restarts."""

    plans: dict[str, SubscriptionPlan] = field(factory=dict)


@define
class TopicPorts:
    """What a topic and its subscriptions are given of the outside.

    Args:
        store: Where messages are.
        topics: Which topics there are.
        queues: How far subscriptions have come.
        subscriptions: Where it is kept who subscribes.
        clock: When messages expire.
        entropy: Sub_keys, ids of deliveries, jitter.
    """

    store: TopicStore
    topics: TopicList
    queues: QueueStore
    subscriptions: SubscriptionStore
    clock: Clock
    entropy: Entropy


class Topic(Actor):
    """A stream of messages with subscriptions.

    Args:
        catalogue: What topics are set to.
        state: Its subscriptions; shared with all instances that follow a crash.
        ports: What it is given of the outside.
    """

    kind = "topic"
    intensity = None
    answers_with = (CallError,)

    def __init__(self, catalogue: Catalogue, state: TopicState, ports: TopicPorts) -> None:
        self._catalogue = catalogue
        self._state = state
        self._ports = ports
        self._cleaned = Cleaned()
        self._warned_at = -WARN_AFTER

    @property
    def _settings(self) -> TopicSettings:
        return self._catalogue.find(self.actor) or TopicSettings()

    async def setup(self) -> None:
        """Bring back the subscriptions that are kept."""
        for record in await self._ports.subscriptions.subscriptions(self.actor):
            if record.sub_key not in self._state.plans:
                self._start(record)
        self.progress.measure("oldest", lambda: self._cleaned.oldest)
        self._show()

    async def run(self) -> None:
        """Handle messages, and clean up from time to time, until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages)
            nursery.start_soon(self._clean_for_ever)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def handle_messages(self) -> None:
        """Take messages in batches; those to be published that follow one another are stored together."""
        take = self.mailbox.take_lent
        while True:
            await self.mailbox.drain()
            batch: list[Envelope] = []
            while (envelope := take()) is not None:
                if envelope.reply is not None and not envelope.is_wanted:
                    continue
                if isinstance(envelope.payload, _PUBLISHED):
                    batch.append(envelope)
                    continue
                await self._publish(batch)
                batch = []
                await self.handle_envelope(envelope)
            await self._publish(batch)

    async def receive(self, message: Any) -> Any:
        """Subscribe, unsubscribe, or tell subscriptions that there is something new."""
        match message:
            case Subscribe():
                return await self._subscribe(message)
            case Resume():
                return self._resume(message)
            case Unsubscribe():
                return await self._unsubscribe(message)
            case SetOptions():
                return await self._set_options(message)
            case NewMessages():
                self._wake_subscriptions()
            case NewSettings():
                self._show()
                self._wake_subscriptions()
        return None

    # Publishing

    async def _publish(self, batch: list[Envelope]) -> None:
        """Store messages and answer those who publish them."""
        if not batch:
            return
        publishes: list[Publish] = []
        for envelope in batch:
            if isinstance(payload := envelope.payload, Publish):
                publishes.append(payload)
            else:
                publishes.extend(payload.messages)
        try:
            results = await self._store(publishes)
        except CallError as error:
            results = [error] * len(publishes)
        except BaseException as error:
            for envelope in batch:
                if envelope.reply is not None:
                    envelope.reply.fail(self.ended_over(error))
            raise
        self._wake_subscriptions()
        refused = sum([isinstance(one, CallError) for one in results])
        self.progress.count("published", len(results) - refused)
        self.progress.count("refused", refused)
        self.progress.count("handled", len(batch))
        if refused or any(envelope.reply is not None for envelope in batch):
            self._answer(batch, results)

    def _answer(self, batch: Sequence[Envelope], results: Sequence[str | CallError | None]) -> None:
        rest = iter(results)
        for envelope in batch:
            result = next(rest) if isinstance(envelope.payload, Publish) else _result_of(envelope.payload, rest)
            if envelope.reply is None:
                if isinstance(result, CallError):
                    self._log.warning("message not published", error=str(result), cid=envelope.cid)
            elif isinstance(result, CallError):
                envelope.reply.fail(result)
            else:
                envelope.reply.answer(result)

    async def _store(self, publishes: list[Publish]) -> list[str | CallError | None]:
        """Return for each its id, why it is not published, or None where a hook skipped it."""
        settings = self._settings
        if not settings.active:
            msg = f"topic {self.actor!r} is not active"
            raise Overloaded(msg)
        if not self._state.plans and settings.on_no_subs is OnNoSubs.DROP:
            self.progress.count("dropped")
            return [publish.msg_id or f"zpsm{self._ports.entropy.hex_id()}" for publish in publishes]
        hooks = self._hooks(settings)
        if hooks is None:
            return list(await self._ports.store.append(self.actor, publishes))
        decided = await hooks.before_publish(publishes)
        wanted = [one for one in decided if isinstance(one, Publish)]
        stored = iter(await self._ports.store.append(self.actor, wanted) if wanted else ())
        return [next(stored) if isinstance(one, Publish) else one for one in decided]

    def _hooks(self, settings: TopicSettings) -> TopicHooks | None:
        service = settings.hook_service
        return None if service is None else TopicHooks(self.actor, service, self.ref, self._log)

    def _wake_subscriptions(self) -> None:
        for sub_key in self._state.plans:
            self._tell(sub_key, NewMessages())

    # Subscribing

    async def _subscribe(self, request: Subscribe) -> str:
        """Return the peer's sub_key: the one that it has, where it can prove to be the same peer."""
        sub_key = self._existing(request.identity) if request.identity.is_lasting else None
        if sub_key is None:
            label = request.identity.cluster or request.client_id or "zeci"
            sub_key = f"zpsk.websockets.{label}.{self._ports.entropy.hex_id()}"
        known = self._state.plans.get(sub_key)
        record = SubscriptionRecord(
            sub_key,
            self.actor,
            request.identity,
            dict(request.options),
            request.pattern,
            request.client_id,
            request.is_lasting,
            {} if known is None else known.record.overrides,
        )
        if known is None or known.record != record:
            await self._ports.subscriptions.subscribe(record)
        if known is None:
            self._start(record)
            self._show()
            self._tell_hook("on_subscribed", record)
        else:
            known.record = record
        self._tell(sub_key, Attach(request.attachment, is_alone=request.identity.is_lasting))
        return sub_key

    async def _set_options(self, request: SetOptions) -> dict[str, Any]:
        plan = self._state.plans.get(request.sub_key)
        if plan is None:
            raise NotFound(f"there is no subscription {request.sub_key!r} any more")
        record = evolve(plan.record, overrides={**plan.record.overrides, **request.options})
        await self._ports.subscriptions.subscribe(record)
        plan.record = record
        self._tell(request.sub_key, NewMessages())
        return dict(record.effective)

    def _resume(self, request: Resume) -> str:
        plan = self._state.plans.get(request.sub_key)
        if plan is None or plan.record.owner.security != request.identity.security:
            self.audit.note(
                AuditEvent.TOPIC,
                AuditResult.DENIED,
                who=request.identity.security,
                action="resuming",
                topic=self.actor,
                session=request.attachment.session,
            )
            raise Forbidden(NOT_ALLOWED)
        self._tell(request.sub_key, Attach(request.attachment))
        return request.sub_key

    def _start(self, record: SubscriptionRecord) -> None:
        plan = self._state.plans[record.sub_key] = SubscriptionPlan(record)

        def make() -> Subscription:
            return Subscription(
                plan,
                self._catalogue,
                queues=self._ports.queues,
                clock=self._ports.clock,
                entropy=self._ports.entropy,
            )

        self.children.start(ChildSpec.of(Subscription, name=record.sub_key, make=make))

    def _existing(self, identity: PeerIdentity) -> str | None:
        return next((key for key, plan in self._state.plans.items() if plan.record.owner == identity), None)

    async def _unsubscribe(self, request: Unsubscribe) -> None:
        """Remove the peer's own subscriptions; those of others are as if unknown."""
        for sub_key, plan in list(self._state.plans.items()):
            is_meant = request.sub_key == sub_key or (not request.sub_key and _is_of(plan, request))
            if plan.record.owner == request.identity and is_meant:
                await self._end(sub_key)
                await self._ports.subscriptions.unsubscribe(sub_key, leave_rest=request.leave_rest)
                self._tell_hook("on_unsubscribed", plan.record)
        self._show()

    def _tell_hook(self, method: str, record: SubscriptionRecord) -> None:
        if (hooks := self._hooks(self._settings)) is not None:
            hooks.tell(method, record)

    async def _end(self, sub_key: str) -> None:
        await self.children.stop("subscription", sub_key)
        self._state.plans.pop(sub_key, None)

    def _tell(self, sub_key: str, message: object) -> None:
        try:
            self.ref("subscription", sub_key).tell_nowait(message)
        except ActorError as error:
            self._log.warning("subscription not told", subscription=sub_key, error=str(error))

    # Cleaning up

    async def _clean_for_ever(self) -> None:
        while True:
            await trio.sleep(CLEAN_INTERVAL)
            has_more = True
            while has_more:
                attached = [key for key, plan in self._state.plans.items() if plan.attached]
                try:
                    cleaned = await self._ports.store.clean(self.actor, attached)
                except CallError as error:
                    self._log.warning("cleaning failed", error=str(error))
                    break
                for sub_key in cleaned.ended:
                    self._log.warning("inactive subscription ended", subscription=sub_key)
                    record = self._state.plans[sub_key].record
                    await self._end(sub_key)
                    self._tell_hook("on_unsubscribed", record)
                has_more = cleaned.has_more
                self._note_waiting(cleaned)
                await trio.sleep(CLEAN_PAUSE)

    def _note_waiting(self, cleaned: Cleaned) -> None:
        """Show what waits, and warn, once an hour, of messages that have waited for long."""
        if cleaned.waiting or self._cleaned.waiting:
            self._cleaned = cleaned
            self._show()
        if cleaned.oldest >= WARN_AFTER and trio.current_time() >= self._warned_at + WARN_AFTER:
            self._warned_at = trio.current_time()
            self._log.warning(
                "messages wait", subscription=cleaned.laggard, waiting=cleaned.waiting, oldest=_age(cleaned.oldest)
            )

    def _show(self) -> None:
        settings = self._settings
        self.progress.show(
            "active" if settings.active else "not active",
            guaranteed=settings.guaranteed,
            subscriptions=len(self._state.plans),
            waiting=self._cleaned.waiting or None,
            oldest=_age(self._cleaned.oldest) if self._cleaned.waiting else "",
        )


def _age(seconds: float) -> str:
    """Say how old something is, in its two largest units."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour}h"
    return f"{hour}h {minute}m" if hour else f"{minute}m {second}s"


def _result_of(
    payload: PublishMany, results: Iterator[str | CallError | None]
) -> str | CallError | Sequence[str | CallError | None] | None:
    """Return what a publisher of several is answered with, of what is left of the results."""
    found = list(islice(results, len(payload.messages)))
    if isinstance(payload, PublishEach):
        return found
    ids = [one for one in found if not isinstance(one, CallError)]
    for number, one in enumerate(found, start=1):
        if isinstance(one, CallError):
            failed, total = len(found) - len(ids), len(found)
            return type(one)(f"{failed} of {total} messages are not published; message {number}: {one}")
    return ids


def _is_of(plan: SubscriptionPlan, request: Unsubscribe) -> bool:
    """Tell whether a subscription is the asking peer's, as far as its link or its identity can show that."""
    return request.identity.is_lasting or request.session in [one.session for one in plan.attached]
