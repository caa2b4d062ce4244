"""Topic: a named stream of messages. It gives each message its place and keeps its subscriptions."""

from __future__ import annotations

from typing import Any

from actors.actor import Actor
from actors.call import PeerIdentity
from actors.delivery import Attach, NewMessages, Subscribe, Unsubscribe
from actors.errors import ActorError, CallError, Overloaded
from actors.ports import Clock, Entropy, SubscriptionStore, TopicStore
from actors.publication import Publish, SubscriptionRecord
from actors.settings import OnNoSubs, TopicSettings
from actors.subscription import Subscription, SubscriptionPlan
from actors.supervision import ChildSpec

__all__ = ["Topic", "TopicState"]


class TopicState:
    """A topic's subscriptions by sub_key, over its restarts."""

    def __init__(self) -> None:
        self.plans: dict[str, SubscriptionPlan] = {}


class Topic(Actor):
    """A stream of messages with subscriptions.

    Args:
        settings: Its section of clusters.toml.
        state: Its subscriptions; shared with all instances that follow a crash.
        cluster: The cluster's name, for the dead-letter topic.
        store: Where messages are.
        subscriptions: Where it is kept who subscribes.
        clock: When a message came.
        entropy: Sub_keys.
    """

    kind = "topic"
    intensity = None
    answers_with = (CallError,)

    def __init__(
        self,
        settings: TopicSettings,
        state: TopicState,
        *,
        cluster: str,
        store: TopicStore,
        subscriptions: SubscriptionStore,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._settings = settings
        self._state = state
        self._cluster = cluster
        self._store = store
        self._subscriptions = subscriptions
        self._clock = clock
        self._entropy = entropy

    async def setup(self) -> None:
        """Bring back the subscriptions that are kept."""
        for record in await self._subscriptions.subscriptions(self.actor):
            if record.sub_key not in self._state.plans:
                self._start(record)
        self._show()

    async def receive(self, message: Any) -> Any:
        """Publish, subscribe or unsubscribe."""
        match message:
            case Publish():
                return await self._publish(message)
            case Subscribe():
                return await self._subscribe(message)
            case Unsubscribe():
                return await self._unsubscribe(message)
            case NewMessages():
                self._wake_subscriptions()
        return None

    async def _publish(self, publish: Publish) -> str:
        if not self._settings.active:
            msg = f"topic {self.actor!r} is not active"
            raise Overloaded(msg)
        if not self._state.plans and self._settings.on_no_subs is OnNoSubs.DROP:
            return publish.msg_id
        stored = await self._store.append(
            publish, self.actor, now=self._clock.utc_now(), guaranteed=self._settings.guaranteed
        )
        self._wake_subscriptions()
        return stored.msg_id

    def _wake_subscriptions(self) -> None:
        for sub_key in self._state.plans:
            self._tell(sub_key, NewMessages())

    async def _subscribe(self, request: Subscribe) -> str:
        """Return the peer's sub_key: the one that it has, where it can prove to be the same peer."""
        sub_key = self._existing(request.identity) if request.identity.is_lasting else None
        if sub_key is None:
            label = request.identity.cluster or request.client_id or "zeci"
            sub_key = f"zpsk.websockets.{label}.{self._entropy.hex_id()}"
            record = SubscriptionRecord(sub_key, self.actor, request.identity)
            await self._subscriptions.subscribe(record)
            self._start(record)
            self._show()
        self._tell(sub_key, Attach(request.attachment))
        return sub_key

    def _start(self, record: SubscriptionRecord) -> None:
        plan = self._state.plans[record.sub_key] = SubscriptionPlan(record)

        def make() -> Subscription:
            return Subscription(
                plan,
                self._settings.delivery,
                dead_letter_topic=f"/dead-letter/{self._cluster}{self.actor}",
                store=self._store,
                clock=self._clock,
                entropy=self._entropy,
            )

        self.children.start(ChildSpec.of(Subscription, name=record.sub_key, make=make))

    def _existing(self, identity: PeerIdentity) -> str | None:
        return next((key for key, plan in self._state.plans.items() if plan.record.owner == identity), None)

    async def _unsubscribe(self, request: Unsubscribe) -> None:
        """Remove the peer's own subscriptions; those of others are as if unknown."""
        for sub_key, plan in list(self._state.plans.items()):
            if plan.record.owner == request.identity and request.sub_key in ("", sub_key):
                await self.children.stop("subscription", sub_key)
                await self._subscriptions.unsubscribe(sub_key)
                del self._state.plans[sub_key]
        self._show()

    def _tell(self, sub_key: str, message: object) -> None:
        try:
            self.ref("subscription", sub_key).tell_nowait(message)
        except ActorError as error:
            self._log.warning("subscription not told", subscription=sub_key, error=str(error))

    def _show(self) -> None:
        self.progress.show(
            "active" if self._settings.active else "not active",
            guaranteed=self._settings.guaranteed,
            subscriptions=len(self._state.plans),
        )
