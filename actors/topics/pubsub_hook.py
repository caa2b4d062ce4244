"""PubSubHook: a service that a topic asks about what is published, delivered and subscribed to.

A topic names it as its `hook_service`. It overrides the methods that it cares for; the others are not called. This
module owns what the methods get and how the topic's questions reach them; when a topic asks is in
`actors.topics.topic_hooks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar

from attrs import asdict, define, field, frozen

from actors.errors import CallError, RemoteError
from actors.failures import single
from actors.services.hook_methods import call_method, is_overridden
from actors.services.service import Service
from actors.topics.publication import ORDINARY, Publish

__all__ = [
    "DeliveryContext",
    "Draft",
    "HookAction",
    "HookAnswer",
    "HookCalls",
    "PubSubHook",
    "PublishContext",
    "SubscriptionContext",
]


class HookAction(Enum):
    """What a hook wants; a method may also return its value, or None for the default."""

    PUBLISH = "publish"  # before_publish: the default
    DELIVER = "deliver"  # before_delivery: the default
    SKIP = "skip"  # do not publish; or: deliver later
    DELETE = "delete"  # before_delivery: be done with the message, for this subscription


@define
class Draft:
    """A message about to be published; a hook may change any of it."""

    data: Any
    msg_id: str = ""
    priority: int = ORDINARY
    expiration: int = 0
    correl_id: str = ""
    in_reply_to: str = ""
    ext_client_id: str = ""
    ext_pub_time: str = ""
    mime_type: str = ""
    has_gd: bool | None = None
    reply_to_sk: Sequence[str] = ()
    deliver_to_sk: Sequence[str] = ()
    user_ctx: Any = None

    @classmethod
    def of(cls, publish: Publish) -> Draft:
        """Return what a hook gets of a publish."""
        return cls(**{one: getattr(publish, one) for one in cls.__annotations__})

    def publish(self, before: Publish) -> Publish:
        """Return what is to be published now.

        Raises:
            BadInput: Naming what a hook set to a wrong value.
        """
        options = asdict(self, filter=lambda one, value: one.name != "data" and value not in ("", None, ()))
        return Publish.of(self.data, options, publisher=before.publisher, pattern=before.pattern)


@define
class PublishContext:
    """What before_publish gets."""

    hook_type: ClassVar[str] = "before_publish"

    msg: Draft
    topic: str


@frozen
class DeliveryContext:
    """What before_delivery gets: the message as on_message would receive it."""

    hook_type: ClassVar[str] = "before_delivery"

    msg: Mapping[str, Any]
    topic: str
    sub: str


@frozen
class SubscriptionContext:
    """What on_subscribed and on_unsubscribed get: the topic, the sub_key and whose subscription it is."""

    topic: str
    sub: str
    owner: str
    client: str = ""
    hook_type: str = "on_subscribed"


@frozen
class HookAnswer:
    """What a method said about one context: an action, or the error that it ended with."""

    action: HookAction | None = None
    error: CallError | None = None


@frozen
class HookCalls:
    """A topic's question: one of the methods, for each of some contexts, and what it said about each."""

    method: str
    contexts: Sequence[Any] = field(repr=False)
    answers: list[HookAnswer] = field(factory=list, repr=False)


class PubSubHook(Service):
    """Override what you care for, `async def` or `def`; what is not overridden is not called.

    An exception out of `before_publish` is the publisher's answer and nothing is published; one out of
    `before_delivery` puts the message off.
    """

    _METHODS: ClassVar[frozenset[str]] = frozenset(
        ("before_publish", "before_delivery", "on_subscribed", "on_unsubscribed")
    )

    def before_publish(self, ctx: PublishContext) -> Any:
        """Look at a message, change `ctx.msg`, or return `HookAction.SKIP` to have nothing published."""

    def before_delivery(self, ctx: DeliveryContext) -> Any:
        """Say by a `HookAction` whether a message is delivered now, later, or not at all."""

    def on_subscribed(self, ctx: SubscriptionContext) -> Any:
        """Hear of a new subscription."""

    def on_unsubscribed(self, ctx: SubscriptionContext) -> Any:
        """Hear of the end of a subscription."""

    async def handle(self, request: Any) -> None:
        """Answer a topic's question."""
        calls: HookCalls = request
        if not isinstance(calls, HookCalls) or calls.method not in self._METHODS:
            msg = f"{self.name!r} is a topic's hook and cannot be invoked"
            raise RemoteError(msg)
        if not is_overridden(self, PubSubHook, calls.method):
            calls.answers.extend([HookAnswer()] * len(calls.contexts))
            return
        for context in calls.contexts:
            calls.answers.append(await self._ask(calls.method, context))

    async def _ask(self, method: str, context: Any) -> HookAnswer:
        try:
            said = await call_method(self, method, context)
            return HookAnswer(None if said is None else HookAction(said))
        except Exception as error:  # whatever a user's method raises
            cause = single(error)
            self.logger.exception("topic hook failed", method=method)
            text = f"the hook {self.name!r} failed: {type(cause).__name__}"
            return HookAnswer(error=cause if isinstance(cause, CallError) else RemoteError(text))
