"""Subscriber: a service of a cluster that receives the messages of topics of the same cluster.

It is to a subscription what a session with an outgoing connection behind it is: it takes deliveries, has the service
handle them one after the other for each subscription, and answers when that is recorded. What was handled is known as
it is for a remote subscriber (`actors.topics.handling`).
"""

from __future__ import annotations

from typing import Any

import trio

from actors.actor import Actor
from actors.connections.hooks import IncomingRequest, MessageReceived
from actors.envelope import Envelope, HandlerRun, ask_by
from actors.errors import ActorError, ActorNotFound, ActorStopped, CallError, NotFound
from actors.messages import Deliver
from actors.ports import Entropy
from actors.services.call import Call, Origin, PeerIdentity
from actors.settings import MIB, SubscriptionSettings
from actors.topics.attachment import Attachment, Window
from actors.topics.delivery import Attached, Detach, Extended, SendDelivery, Settled, SubKeyOf, Subscribe
from actors.topics.handling import Handling, Verdict
from actors.topics.lanes import Lanes
from actors.topics.settlement import Settlement

__all__ = ["LOCAL", "Subscriber"]

LOCAL = "local-service"
"""The security definition, so to speak, of subscribers within the cluster."""

_PUBLISH = Origin("publish")

RETRY_INTERVAL = 5.0
MAX_DELIVERIES = 2000
MAX_DELIVERY_BYTES = 8 * MIB


class Subscriber(Actor):
    """Subscribes a service to topics of its own cluster.

    Args:
        settings: Which service, which topics, and what is set of the subscriptions.
        handling: What it has handled; shared with all instances that follow a crash.
        entropy: Correlation ids.
        gives_messages: Whether the service gets the messages alone, as what is published to a service does, instead of
            the event that they belong to.
    """

    kind = "subscriber"

    def __init__(
        self, settings: SubscriptionSettings, *, handling: Handling, entropy: Entropy, gives_messages: bool = False
    ) -> None:
        self._settings = settings
        self._lanes = Lanes(handling, self._run_service, self._answer, self._extend)
        self._window = Window(MAX_DELIVERIES, MAX_DELIVERY_BYTES)
        self._entropy = entropy
        self._gives_messages = gives_messages
        self._attached: dict[str, None] = {}
        self._sub_keys: dict[str, str] = {}
        self._asked: list[Envelope] = []

    async def setup(self) -> None:
        """Show what it is."""
        self._show(list(self._settings.topics))

    async def run(self) -> None:
        """Subscribe, and take deliveries, until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages)
            self._lanes.may_run_in(nursery)
            self._lanes.may_extend_in(nursery)
            nursery.start_soon(self._subscribe_to_all)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def teardown(self) -> None:
        """Tell the subscriptions, and those who wait for a sub_key."""
        for envelope in self._asked:
            if envelope.reply is not None:
                envelope.reply.fail(ActorStopped(f"{self.actor!r} ended before it was subscribed"))
        for subscription in self._attached:
            self._tell(subscription, Detach(self.actor))

    async def handle_envelope(self, envelope: Envelope) -> None:
        """Take a delivery, or tell a sub_key as soon as there is one, which holds up nothing else."""
        if isinstance(envelope.payload, SubKeyOf):
            self._asked.append(envelope)
            self._tell_sub_keys()
        else:
            await super().handle_envelope(envelope)

    def _tell_sub_keys(self) -> None:
        """Answer those who asked for a sub_key that is known now, or will never be."""
        for envelope in list(self._asked):
            topic = envelope.payload.topic
            if topic in self._settings.topics and topic not in self._sub_keys:
                continue
            self._asked.remove(envelope)
            if envelope.reply is not None and topic in self._sub_keys:
                envelope.reply.answer(self._sub_keys[topic])
            elif envelope.reply is not None:
                envelope.reply.fail(NotFound(f"{self.actor!r} does not subscribe to {topic!r}"))

    async def receive(self, message: Any) -> None:
        """Take a delivery."""
        match message:
            case Attached(subscription=subscription):
                self._attached[subscription] = None
            case SendDelivery(delivery=delivery):
                self._lanes.take(delivery)

    # Subscribing

    async def _subscribe_to_all(self) -> None:
        """Subscribe to each topic; one that is not there yet is tried again."""
        missing = list(self._settings.topics)
        while missing:
            missing = [topic for topic in missing if not await self._subscribe(topic)]
            self._show(missing)
            if missing:
                await trio.sleep(RETRY_INTERVAL)

    async def _subscribe(self, topic: str) -> bool:
        order = Subscribe(
            PeerIdentity(LOCAL, ".", self.actor),
            Attachment(self.actor, self._window, is_pipelined=True, kind=self.kind),
            self._settings.service,
            options=self._settings.delivery.given,
        )
        try:
            self._sub_keys[topic] = await self.ref("topic", topic).ask(order)
        except ActorNotFound:
            self._log.warning("no such topic yet", topic=topic)
        except (ActorError, CallError) as error:
            self._log.warning("not subscribed", topic=topic, error=str(error))
        else:
            self._tell_sub_keys()
            return True
        return False

    def _show(self, missing: list[str]) -> None:
        topics = [topic for topic in self._settings.topics if topic not in missing]
        self.progress.show(
            "waiting for topics" if missing else "ready", service=self._settings.service, topics=topics, missing=missing
        )

    # Deliveries

    async def _run_service(
        self, delivery: Deliver, messages: Any, settlement: Settlement, run: HandlerRun
    ) -> Exception | None:
        """Run the service; what it raises is logged and refuses its messages."""
        request = IncomingRequest(delivery.id, delivery.timestamp, messages)
        event = MessageReceived(self._settings, None, request, settlement)
        data = messages if self._gives_messages else {"ctx": event}
        cid = self._entropy.hex_id()

        async def send(envelope: Envelope) -> None:
            envelope.run = run
            self.ref("service", self._settings.service).send_nowait(envelope)

        async def handle(trace: str = "") -> None:
            await ask_by(send, Call(data, origin=_PUBLISH, trace=trace), timeout=float("inf"), cid=cid)

        try:
            await (handle() if self.signals is None else self.signals.delivery(delivery, handle, cid))
        except Exception as error:  # whatever a user's service raises
            self._log.error("service failed", service=self._settings.service, cid=cid, error=repr(error))
            return error
        return None

    def _answer(self, verdict: Verdict) -> None:
        delivery = verdict.delivery
        self._tell(delivery.sub_key, Settled(delivery.id, verdict.refused, verdict.refusals))

    def _extend(self, held: list[Deliver]) -> None:
        for delivery in held:
            self._tell(delivery.sub_key, Extended(delivery.id))

    def _tell(self, subscription: str, message: object) -> None:
        try:
            self.ref("subscription", subscription).tell_nowait(message)
        except ActorError:
            self._log.debug("the subscription is gone", subscription=subscription)
