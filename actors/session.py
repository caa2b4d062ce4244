"""Session: one peer of a channel, from its arrival to the end of its link.

It has the peer upgrade and say hello, asks the channel whether it may stay, and from then on hands its requests to
the channel's service and sends back what that answers, carries deliveries of subscriptions and their
acknowledgements. It never waits for user code while it reads.
"""

from __future__ import annotations

from typing import Any

import trio
from attrs import frozen

from actors.actor import Actor
from actors.admission import NOT_AUTHORIZED, Admit, Admitted, Older, Renew
from actors.call import Call, Caller
from actors.delivery import Attached, Detach, Extended, SendDelivery, Settled
from actors.envelope import Envelope, ReplySlot
from actors.errors import (
    ActorError,
    DialFailed,
    Forbidden,
    LinkClosed,
    MailboxFull,
    Overloaded,
    ServiceNotFound,
)
from actors.failures import failure_of
from actors.message_log import MessageLogs
from actors.messages import (
    Acknowledge,
    Cancel,
    Denied,
    Extend,
    Goodbye,
    Hello,
    Invoke,
    Message,
    Refuse,
    Reply,
)
from actors.ports import Arrival, Entropy, Link
from actors.session_context import log_context
from actors.settings import ChannelSettings
from actors.supervision import Restart
from actors.turns import Turns

__all__ = ["CloseSession", "Session"]


@frozen
class CloseSession:
    """An order to end the link, with the code and reason that the peer is told."""

    code: int
    reason: str


@frozen
class Probe:
    """From the session of a newcomer with the same identity: is your peer alive?"""


class Session(Actor):
    """A peer of a channel.

    Args:
        arrival: The peer, which has connected and said nothing yet.
        settings: The channel's settings.
        channel: The channel's name.
        entropy: Ids of messages.
        logs: Where the last messages are kept, if the channel says so.
    """

    kind = "session"
    restart = Restart.TEMPORARY
    _link: Link
    _caller: Caller

    def __init__(
        self, arrival: Arrival, settings: ChannelSettings, *, channel: str, entropy: Entropy, logs: MessageLogs
    ) -> None:
        self._arrival = arrival
        self._settings = settings
        self._channel = channel
        self._entropy = entropy
        self._logs = logs
        self._turns = Turns(self._hand_over, is_sequential=settings.sequential)
        self._in_flight: dict[str, ReplySlot] = {}
        self._deliveries: dict[str, str] = {}
        self._attached: set[str] = set()
        self._answered = trio.Event()
        self._close: tuple[int, str] | None = None
        self._origin = "local"

    async def setup(self) -> None:
        """Show that a peer has arrived."""
        self.progress.show("connecting", peer=self._arrival.peer)
        self.progress.measure("in_flight", lambda: len(self._in_flight))

    async def run(self) -> None:
        """See the peer through until its link ends or the session is asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._see_through, nursery.cancel_scope)
            await self.stopping.wait()
            if self._close is None:
                await self._wait_until_answered()
                self._close = (1001, "Server is shutting down")
            nursery.cancel_scope.cancel()

    async def _wait_until_answered(self) -> None:
        """Let requests under way end while the link is up; whoever stops the session bounds the wait."""
        while self._in_flight:
            await self._answered.wait()

    async def teardown(self) -> None:
        """Cancel what the peer asked for, and tell its subscriptions."""
        for slot in list(self._in_flight.values()):
            slot.abandon()
        for subscription in self._attached:
            self._tell_subscription(subscription, Detach(self.actor))
        self._logs.forget(self.actor)

    async def _see_through(self, scope: trio.CancelScope) -> None:
        try:
            async with self._arrival.open() as opened:
                self._link = link = self._logs.watch(opened, self.actor, self._settings)
                try:
                    await self._serve(link)
                finally:
                    await link.aclose(*(self._close or (1011, "the session ended unexpectedly")))
        except (DialFailed, LinkClosed) as error:
            self._log.info("connection ended", peer=self._arrival.peer, reason=str(error))
        scope.cancel()

    async def _serve(self, link: Link) -> None:
        """Let the peer in, then read what it sends and what comes for it, side by side."""
        self.progress.show("authenticating", peer=link.peer, wire=link.wire)
        admitted = await self._log_in(link)
        self._arrival.admitted()
        if admitted is None:
            return
        caller = self._caller = admitted.caller
        self.progress.show(
            "ready",
            peer=caller.peer,
            wire=caller.wire,
            security=caller.identity.security,
            client=caller.client_name or caller.client_id,
            cluster=caller.identity.cluster,
        )
        log = self._log.debug if caller.is_admin else self._log.info  # commands come and go
        log("session opened", peer=caller.peer, wire=caller.wire, client=caller.client_name)
        log_context(self._log, self._settings, caller)
        link.send_nowait(admitted.welcome)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_until_closed, nursery.cancel_scope)
                await self.handle_messages()
        finally:
            code, reason = self._close or (1011, "")
            log("session closed", peer=caller.peer, code=code, reason=reason, origin=self._origin)

    # Letting the peer in

    async def _log_in(self, link: Link) -> Admitted | None:
        """Return what the channel grants; None after the peer was told why not."""
        hello = await self._hello(link)
        if hello is None:
            wait = self._settings.new_token_wait_time
            self._log.warning("no session was created in time", peer=link.peer, seconds=wait)
            self._deny(link, NOT_AUTHORIZED)
            return None
        try:
            return await self._ask_channel(link, hello)
        except Forbidden as error:
            self._deny(link, str(error))
        except ActorError as error:
            self._log.error("the peer could not be admitted", peer=link.peer, error=str(error))
            self._close = (1013, "Try again later")
        return None

    async def _hello(self, link: Link) -> Hello | None:
        with trio.move_on_after(self._settings.new_token_wait_time):
            while True:
                for message in await link.receive():
                    if isinstance(message, Hello):
                        return message
        return None

    async def _ask_channel(self, link: Link, hello: Hello) -> Admitted:
        channel = self.ref("channel", self._channel)
        answer = await channel.ask(Admit(self.actor, hello, link.peer, link.wire))
        if isinstance(answer, Older):
            if await self._is_alive(answer.session):
                self._log.warning("identity in use", peer=link.peer, session=answer.session)
                msg = f"identity in use: {hello.cluster}/{hello.connection} has a live session from another process"
                raise Forbidden(msg)
            answer = await channel.ask(Admit(self.actor, hello, link.peer, link.wire, replaces=answer.session))
        if not isinstance(answer, Admitted):
            msg = "identity in use: another process was faster"
            raise Forbidden(msg)
        return answer

    async def _is_alive(self, session: str) -> bool:
        try:
            return bool(await self.ref("session", session).ask(Probe()))
        except ActorError:
            return False

    def _deny(self, link: Link, reason: str) -> None:
        link.send_nowait(Denied("denied", reason))
        self._close = (1008, reason)

    # Serving it

    async def receive(self, message: Any) -> Any:
        """Send a delivery, tell whether the peer lives, or end the session."""
        match message:
            case Probe():
                return await self._link.is_alive()
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
        return None

    async def _read_until_closed(self, scope: trio.CancelScope) -> None:
        try:
            while True:
                for message in await self._link.receive():
                    self._take(message)
        except LinkClosed as closed:
            self._close = (closed.code, closed.reason)
            self._origin = closed.origin
            scope.cancel()

    def _take(self, message: Message) -> None:
        match message:
            case Invoke():
                self._invoke(message)
            case Cancel(in_reply_to=call_id):
                if slot := self._forget(call_id):
                    slot.abandon()
                    self._turns.advance()
                else:
                    self.progress.count("ignored")
            case Acknowledge(in_reply_to=delivery_id):
                self._settle_delivery(Settled(delivery_id))
            case Refuse(in_reply_to=delivery_id, messages=refusals, reason=reason):
                refused = None if refusals else reason or "refused"
                self._settle_delivery(Settled(delivery_id, refused, tuple(refusals)))
            case Extend(in_reply_to=delivery_ids):
                for delivery_id in delivery_ids:
                    if subscription := self._deliveries.get(delivery_id):
                        self._tell_subscription(subscription, Extended(delivery_id))
            case Hello():
                self._renew(message)
            case Goodbye():
                pass  # the end of the link follows
            case _:
                self.progress.count("ignored")

    def _invoke(self, invoke: Invoke) -> None:
        """Hand a request to the channel's service; its slot answers the peer, without a task for it."""
        if invoke.id in self._in_flight:
            self.progress.count("ignored")
            return
        slot = ReplySlot(lambda slot: self._answer(invoke, slot))
        settings = self._settings
        if self.stopping.is_set():
            slot.fail(Overloaded("the server is shutting down"))
            return
        if len(self._in_flight) >= settings.max_in_flight:
            slot.fail(Overloaded(f"more than {settings.max_in_flight} requests of this session are under way"))
            return
        deadline = float("inf") if invoke.timeout is None else trio.current_time() + invoke.timeout
        self._in_flight[invoke.id] = slot
        self._turns.add(Envelope(Call(invoke.data, self._caller), cid=invoke.cid, deadline=deadline, reply=slot))

    def _hand_over(self, envelope: Envelope) -> None:
        """Give a request to the channel's service, or have it fail where that takes none."""
        slot = envelope.reply
        try:
            self.ref("service", self._settings.service).send_nowait(envelope)
        except MailboxFull as error:
            if slot is not None:
                slot.fail(Overloaded(str(error)))
        except ActorError:
            if slot is not None:
                slot.fail(ServiceNotFound(f"No such service {self._settings.service!r}"))

    def _answer(self, invoke: Invoke, slot: ReplySlot) -> None:
        """Send what a request's slot was settled with."""
        self._forget(invoke.id)
        self.progress.count("handled")
        if slot.error is None:
            self._link.send_nowait(Reply(self._entropy.hex_id(), invoke.id, slot.value))
        else:
            self._link.send_nowait(failure_of(slot.error, self._entropy.hex_id(), invoke.id))
        self._turns.advance()

    def _forget(self, call_id: str) -> ReplySlot | None:
        slot = self._in_flight.pop(call_id, None)
        if not self._in_flight:
            self._answered.set()
            self._answered = trio.Event()
        return slot

    def _renew(self, hello: Hello) -> None:
        """Have the channel check a second create-session; a refusal ends the link."""

        def settled(slot: ReplySlot) -> None:
            if slot.error is None:
                self._link.send_nowait(slot.value)
            else:
                reason = str(slot.error) if isinstance(slot.error, Forbidden) else "Internal server error"
                self._link.send_nowait(Denied(self._entropy.hex_id(), reason))
                self.mailbox.put_nowait(Envelope(CloseSession(1008, reason)))

        envelope = Envelope(Renew(hello), reply=ReplySlot(settled))
        try:
            self.ref("channel", self._channel).send_nowait(envelope)
        except ActorError as error:
            if envelope.reply is not None:
                envelope.reply.fail(error)

    def _settle_delivery(self, settled: Settled) -> None:
        subscription = self._deliveries.pop(settled.delivery_id, None)
        if subscription is None:
            self.progress.count("ignored")
        else:
            self._tell_subscription(subscription, settled)

    def _tell_subscription(self, subscription: str, message: object) -> None:
        try:
            self.ref("subscription", subscription).tell_nowait(message)
        except ActorError:
            self._log.debug("the subscription is gone", subscription=subscription)
