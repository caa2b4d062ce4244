"""Session: one peer that a channel let in, as long as its link lives.

It hands requests to the channel's service and sends back what that answers, carries deliveries of
subscriptions and their acknowledgements, and never waits for user code while it reads.
"""

from __future__ import annotations

from typing import Any

import trio
from attrs import frozen

from actors.actor import Actor
from actors.call import Call, Caller
from actors.delivery import Attached, Detach, SendDelivery, Settled
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorError, Forbidden, LinkClosed, MailboxFull, Overloaded, ServiceNotFound
from actors.failures import failure_of
from actors.messages import (
    Acknowledge,
    Cancel,
    Denied,
    Failure,
    Goodbye,
    Hello,
    Invoke,
    Message,
    Refuse,
    Reply,
    Welcome,
)
from actors.ports import Entropy, Link

__all__ = ["CloseSession", "Renew", "Session"]


@frozen
class CloseSession:
    """An order to end the link, with the code and reason that the peer is told."""

    code: int
    reason: str


@frozen
class Renew:
    """A peer asks anew for its session; the channel checks it and answers `Welcome` or `Denied`."""

    hello: Hello
    session: str


class Session(Actor):
    """A peer of a channel.

    Args:
        link: Its link; the session closes it when it ends.
        caller: Who it is, for the services that it invokes.
        service: The channel's service.
        max_in_flight: How many of its requests may be under way at once.
        welcome: What it is told first.
        entropy: Ids of messages.
        ended: Set when the session is over.
    """

    def __init__(
        self,
        link: Link,
        caller: Caller,
        *,
        service: str,
        max_in_flight: int,
        welcome: Welcome,
        entropy: Entropy,
        ended: trio.Event,
    ) -> None:
        self._link = link
        self._caller = caller
        self._service = service
        self._max_in_flight = max_in_flight
        self._welcome = welcome
        self._entropy = entropy
        self._ended = ended
        self._in_flight: dict[str, ReplySlot] = {}
        self._deliveries: dict[str, str] = {}
        self._attached: set[str] = set()
        self._close = (1011, "the session ended unexpectedly")

    async def setup(self) -> None:
        """Show who it is and let the peer begin."""
        caller = self._caller
        self.progress.show(
            "ready",
            peer=caller.peer,
            wire=caller.wire,
            security=caller.identity.security,
            client=caller.client_name or caller.client_id,
            cluster=caller.identity.cluster,
        )
        self._log.info("session opened", peer=caller.peer, wire=caller.wire, client=caller.client_name)
        self._link.send_nowait(self._welcome)

    async def run(self) -> None:
        """Read until the link ends or the session is asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read_until_closed, nursery.cancel_scope)
            nursery.start_soon(self.handle_messages)
            await self.stopping.wait()
            self._close = (1001, "Server is shutting down")
            nursery.cancel_scope.cancel()

    async def teardown(self) -> None:
        """Cancel what the peer asked for, tell its subscriptions, and end the link."""
        for slot in list(self._in_flight.values()):
            slot.abandon()
        for subscription in self._attached:
            self._tell_subscription(subscription, Detach(self.actor))
        try:
            await self._link.aclose(*self._close)
        finally:
            self._ended.set()
            self._log.info("session closed", peer=self._caller.peer, code=self._close[0], reason=self._close[1])

    async def receive(self, message: Any) -> None:
        """Send a delivery, or end the session."""
        match message:
            case Attached(subscription=subscription):
                self._attached.add(subscription)
            case SendDelivery(subscription=subscription, delivery=delivery):
                self._deliveries[delivery.id] = subscription
                try:
                    await self._link.send(delivery)
                except LinkClosed:
                    self._deliveries.pop(delivery.id, None)
            case CloseSession(code=code, reason=reason):
                self._close = (code, reason)
                self.stopping.set()
                await self._link.aclose(code, reason)

    async def _read_until_closed(self, scope: trio.CancelScope) -> None:
        try:
            while True:
                for message in await self._link.receive():
                    self._take(message)
        except LinkClosed as closed:
            self._close = (closed.code, closed.reason)
            self._log.info("link closed", code=closed.code, reason=closed.reason, origin=closed.origin)
            scope.cancel()

    def _take(self, message: Message) -> None:
        match message:
            case Invoke():
                self._invoke(message)
            case Cancel(in_reply_to=call_id):
                if slot := self._in_flight.pop(call_id, None):
                    slot.abandon()
            case Acknowledge(in_reply_to=delivery_id):
                self._settle_delivery(delivery_id, None)
            case Refuse(in_reply_to=delivery_id, reason=reason):
                self._settle_delivery(delivery_id, reason or "refused")
            case Hello():
                self._renew(message)
            case Reply() | Failure() | Goodbye():
                pass  # nothing of ours waits for it
            case _:
                self._log.warning("unexpected message ignored", message=type(message).__name__)

    def _invoke(self, invoke: Invoke) -> None:
        """Hand a request to the channel's service; its slot answers the peer, without a task for it."""

        def settled(slot: ReplySlot) -> None:
            self._in_flight.pop(invoke.id, None)
            self.progress.count_handled()
            if slot.error is None:
                self._link.send_nowait(Reply(self._entropy.hex_id(), invoke.id, slot.value))
            else:
                self._link.send_nowait(failure_of(slot.error, self._entropy.hex_id(), invoke.id))

        slot = ReplySlot(settled)
        if len(self._in_flight) >= self._max_in_flight:
            slot.fail(Overloaded(f"more than {self._max_in_flight} requests of this session are under way"))
            return
        deadline = float("inf") if invoke.timeout is None else trio.current_time() + invoke.timeout
        self._in_flight[invoke.id] = slot
        envelope = Envelope(Call(invoke.data, self._caller), cid=invoke.cid, deadline=deadline, reply=slot)
        try:
            self.ref("service", self._service).send_nowait(envelope)
        except MailboxFull as error:
            slot.fail(Overloaded(str(error)))
        except ActorError:
            slot.fail(ServiceNotFound(f"No such service {self._service!r}"))

    def _renew(self, hello: Hello) -> None:
        """Have the channel check a second create-session; a refusal ends the link."""

        def settled(slot: ReplySlot) -> None:
            if slot.error is None:
                self._link.send_nowait(slot.value)
            else:
                reason = str(slot.error) if isinstance(slot.error, Forbidden) else "Internal server error"
                self._link.send_nowait(Denied(self._entropy.hex_id(), reason))
                self.mailbox.put_nowait(Envelope(CloseSession(1008, reason)))

        envelope = Envelope(Renew(hello, self.actor), reply=ReplySlot(settled))
        try:
            self.ref("channel", self._caller.channel).send_nowait(envelope)
        except ActorError as error:
            if envelope.reply is not None:
                envelope.reply.fail(error)

    def _settle_delivery(self, delivery_id: str, reason: str | None) -> None:
        subscription = self._deliveries.pop(delivery_id, None)
        if subscription is not None:
            self._tell_subscription(subscription, Settled(delivery_id, reason))

    def _tell_subscription(self, subscription: str, message: object) -> None:
        try:
            self.ref("subscription", subscription).tell_nowait(message)
        except ActorError:
            self._log.debug("the subscription is gone", subscription=subscription)
