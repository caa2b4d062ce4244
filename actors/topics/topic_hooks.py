"""How a topic and its subscriptions ask the topic's hook service."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen
from msgspec.structs import replace

from actors.envelope import Envelope
from actors.errors import ActorError, AskTimeout, CallError, RemoteError
from actors.ref import ActorRef
from actors.services.call import Call
from actors.topics.publication import Publish, Stored, SubscriptionRecord, published_of
from actors.topics.pubsub_hook import (
    DeliveryContext,
    Draft,
    HookAction,
    HookAnswer,
    HookCalls,
    PublishContext,
    SubscriptionContext,
)
from actors.topics.received import delivered

__all__ = ["TopicHooks"]

HOOK_TIMEOUT = 10.0


@frozen
class TopicHooks:
    """Asks the hook service of one topic.

    Args:
        topic: The topic's name.
        service: The hook service.
        ref: Finds actors.
        log: The asking actor's logger.
    """

    topic: str
    service: str
    _ref: Callable[[str, str], ActorRef]
    _log: Any

    async def before_publish(self, publishes: Sequence[Publish]) -> list[Publish | CallError | None]:
        """Return for each what is to be published, None for what is not, or why it cannot be."""
        contexts = [PublishContext(Draft.of(one), self.topic) for one in publishes]
        answers = await self._ask("before_publish", contexts)
        return [
            _decided(publish, context, answer)
            for publish, context, answer in zip(publishes, contexts, answers, strict=True)
        ]

    async def before_delivery(self, messages: Sequence[Stored], sub_key: str) -> dict[HookAction, list[Stored]]:
        """Sort messages by what is to be done with them; what the hook fails over is to be delivered later."""
        contexts = [
            DeliveryContext(delivered(published_of(one.body), sub_key, 1, ""), self.topic, sub_key) for one in messages
        ]
        answers = await self._ask("before_delivery", contexts)
        found: dict[HookAction, list[Stored]] = {action: [] for action in HookAction}
        for stored, answer in zip(messages, answers, strict=True):
            found[HookAction.SKIP if answer.error is not None else answer.action or HookAction.DELIVER].append(stored)
        return found

    def tell(self, method: str, record: SubscriptionRecord) -> None:
        """Have on_subscribed or on_unsubscribed hear of a subscription; nobody waits for it."""
        context = SubscriptionContext(record.topic, record.sub_key, str(record.owner), record.client, method)
        try:
            self._ref("service", self.service).send_nowait(Envelope(Call(HookCalls(method, [context]))))
        except ActorError as error:
            self._log.error("topic hook not told", hook=self.service, method=method, error=str(error))

    async def _ask(self, method: str, contexts: Sequence[Any]) -> Sequence[HookAnswer]:
        """Ask about all; where there is no answer, each has the reason for that."""
        calls = HookCalls(method, contexts)
        try:
            await self._ref("service", self.service).ask(Call(calls), timeout=HOOK_TIMEOUT)
        except (ActorError, AskTimeout, CallError) as error:
            self._log.error("topic hook gave no answer", hook=self.service, method=method, error=str(error))
            failure = HookAnswer(error=RemoteError(f"the topic's hook {self.service!r} gave no answer", status=503))
            return [failure] * len(contexts)
        return calls.answers


def _decided(publish: Publish, context: PublishContext, answer: HookAnswer) -> Publish | CallError | None:
    if answer.error is not None:
        return answer.error
    if answer.action is HookAction.SKIP:
        return None
    try:
        return replace(context.msg.publish(publish), correl_id=context.msg.correl_id)
    except CallError as error:
        return error
