"""Gateways: services that invoke another service for a peer, by the name that it gives."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import trio

from actors.audit import AuditEvent, AuditResult
from actors.envelope import Envelope, ReplySlot
from actors.errors import NOT_ALLOWED, ActorError, ActorNotFound, BadInput, CallError, Forbidden
from actors.messages import NATIVE
from actors.ref import actor_name
from actors.services.call import Call, Caller, who_calls
from actors.services.reach import invoke_service, not_taken
from actors.services.service import Service
from actors.settings import Compat
from actors.topics.endpoint import any_matches

__all__ = ["ADMIN_PREFIX", "PubSubGateway", "ServiceGateway", "WebSocketsGateway"]

ALWAYS_ALLOWED = frozenset(
    (
        "isthmus.pubsub.subscriptions",
        "zato.ping",
        "zato.pubsub.pubapi.get-messages",
        "zato.pubsub.pubapi.publish-message",
        "zato.pubsub.pubapi.subscribe-wsx",
        "zato.pubsub.pubapi.unsubscribe",
        "zato.pubsub.resume-wsx-subscription",
        "zato.pubsub.subscription.create-wsx-subscription",
    )
)
"""Callable whatever `services_allowed` says: a channel's endpoint decides about topics."""

ADMIN_PREFIX = "isthmus.admin."

PING = "zato.ping"

MAX_TIME = 3600.0
"""Seconds that a service may take for a peer that does not say how long it waits."""


class _Gateway(Service):
    """Invokes `service` with `request` for a peer, where the channel or the gateway itself lets it."""

    concurrency: ClassVar[int] = 10_000

    @classmethod
    def check_declaration(cls) -> None:
        """Check what a service declares, and that `services_allowed` is a list of patterns.

        Raises:
            TypeError: When it is not, or anything else cannot be.
            ValueError: When a number cannot be.
        """
        super().check_declaration()
        allowed: object = cls.services_allowed
        if not isinstance(allowed, list | tuple) or not all(isinstance(one, str) for one in allowed):
            msg = f'services_allowed: expected a list of patterns such as ["demo.*"], got {allowed!r}'
            raise TypeError(msg)

    async def handle(self, request: Any) -> Any:
        """Return the result of the service, in the shape that the caller's release of Zato gives it."""
        caller = self.caller
        name = self._service_of(request, caller, self.cid)
        timeout = max(0.0, min(self.deadline - trio.current_time(), MAX_TIME))
        result = await invoke_service(
            self.reach, name, None, timeout=timeout, call=Call(request.get("request"), caller)
        )
        return result if caller is None or caller.wire == NATIVE else self.shape(name, result, caller=caller)

    def passing(self) -> Callable[[Envelope], bool] | None:
        """Pass requests on with the slots of their answers, unless a subclass has a say in how they are handled."""
        self._trio_time = trio.lowlevel.current_clock().current_time
        is_ordinary = type(self).handle is _Gateway.handle and not self.own_hooks()
        return self._pass_on if is_ordinary else None

    def _pass_on(self, envelope: Envelope) -> bool:
        """Give a request to the service that it names; no worker of the gateway waits for the answer."""
        call: Call = envelope.payload
        slot, caller = envelope.reply, call.caller
        if slot is None:
            return False
        try:
            name = self._service_of(call.data, caller, envelope.cid)
        except CallError as error:
            self.progress.count("handled")
            slot.fail(error)
            return True
        if caller is not None and caller.wire != NATIVE:
            slot.shape(partial(self.shape, name, caller=caller))
        if caller is not None and caller.is_admin and not name.startswith(ADMIN_PREFIX):
            slot = self._noting(slot, name, envelope, caller)
        further = call.passed_on(call.data.get("request"))
        deadline = min(envelope.deadline, self._trio_time() + MAX_TIME)
        target = self.directory.find_mailbox(actor_name("service", name))
        try:
            if target is None:
                raise ActorNotFound(name)
            target.put_nowait(Envelope(further, envelope.cid, deadline, slot, 0, envelope.run, envelope.sent_at))
        except ActorError as error:
            slot.fail(not_taken(error, name))
        self.progress.count("handled")
        return True

    def _noting(self, slot: ReplySlot, service: str, envelope: Envelope, caller: Caller) -> ReplySlot:
        """Return a slot whose answer goes into another one, and what it was into the audit log."""
        facts = {"service": service, **who_calls(caller)}
        request = envelope.payload.data.get("request")
        if isinstance(request, dict) and isinstance(topic := request.get("topic_name"), str):
            facts["topic"] = topic

        def note(result: AuditResult, **more: str) -> None:
            self.audit.note(AuditEvent.SERVICE, result, cid=envelope.cid, **facts, **more)

        def settled(answer: ReplySlot) -> None:
            if answer.error is not None:
                note(AuditResult.FAILED, reason=type(answer.error).__name__)
                slot.fail(answer.error)
            else:
                note(AuditResult.DONE)
                slot.answer(answer.value)

        def abandon() -> None:
            note(AuditResult.INTERRUPTED)
            answer.abandon()

        answer = ReplySlot(settled)
        slot.on_abandoned(abandon)
        return answer

    def _service_of(self, request: Any, caller: Caller | None, cid: str) -> str:
        """Return the service that a request names, where the caller may invoke it."""
        if not isinstance(request, dict) or not isinstance(request.get("service"), str):
            msg = 'A gateway\'s input is {"service": NAME, "request": DATA}'
            raise BadInput(msg)
        name: str = request["service"]
        if caller is None or caller.is_admin:
            return name
        if not (caller.may_administrate if name.startswith(ADMIN_PREFIX) else self._is_allowed(name, caller)):
            self.logger.warning("service denied", service=name, channel=caller.channel, peer=caller.peer)
            self.audit.note(AuditEvent.SERVICE, AuditResult.DENIED, cid=cid, service=name, **who_calls(caller))
            raise Forbidden(NOT_ALLOWED)
        return name

    def _is_allowed(self, name: str, caller: Caller) -> bool:
        if name in ALWAYS_ALLOWED:
            return True
        too = caller.services_allowed_too
        if too is not None and not any_matches(too, name, "."):
            return False
        return any_matches(caller.services_allowed, name, ".") or any_matches(tuple(self.services_allowed), name, ".")

    def shape(self, service: str, result: Any, *, caller: Caller) -> Any:
        """Return a result as the clients of Zato know it from this gateway."""
        return result


class WebSocketsGateway(_Gateway):
    """Invokes `service` with `request`, where the channel's `services_allowed` or its own lets it.

    Subclass it to have a gateway with services of its own: `services_allowed` is a list of patterns.
    """

    name = "helpers.web-sockets-gateway"

    def shape(self, service: str, result: Any, *, caller: Caller) -> Any:
        """Return a result wrapped as Zato 3.2 does, or bare as 3.0 does."""
        if caller.compat is Compat.ZATO_3_0:
            return result
        return {"response": {"zato_gateway_response": result}}


class PubSubGateway(_Gateway):
    """Invokes services as the other gateway does; its results are bare, but for the wrapper of a ping's."""

    name = "helpers.web-sockets-pub-sub-gateway"

    def shape(self, service: str, result: Any, *, caller: Caller) -> Any:
        """Return a result as it is; that of a ping as Zato's clients expect it."""
        return {"zato_ping_response": result} if service == PING else result


class ServiceGateway(_Gateway):
    """Invokes services as the other gateways do; its results are bare."""

    name = "helpers.service-gateway"
