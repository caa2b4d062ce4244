"""Session: one peer of a channel, from its arrival to the end of its link.

It has the peer upgrade, say hello and be let in (`actors.channels.entrance`), and from then on hands its requests to
the channel's service (`actors.channels.peer_requests`), carries deliveries of subscriptions and their acknowledgements
(`actors.channels.peer_deliveries`) and this cluster's requests to the peer (`actors.channels.client_calls`). It never
waits for user code while it reads, nor for a peer that does not read while it is told something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import trio
from attrs import evolve

from actors.actor import Actor
from actors.channels.admission import Admitted, CloseSession, Probe, Renew
from actors.channels.channel_events import PubSubResponse
from actors.channels.client_calls import ClientCalls
from actors.channels.clients import ConnectedClient
from actors.channels.entrance import Entrance
from actors.channels.message_log import MessageLogs
from actors.channels.peer_deliveries import PeerDeliveries
from actors.channels.peer_requests import PeerRequests
from actors.channels.peer_streams import PeerStreams
from actors.channels.session_context import log_context
from actors.channels.session_hooks import SessionHooks
from actors.credit import CreditAccount, RequestsGranted
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorError, DialFailed, Forbidden, LinkClosed
from actors.lazy import Lazy
from actors.messages import (
    Acknowledge,
    Cancel,
    Credit,
    Denied,
    Extend,
    Failure,
    Goodbye,
    Hello,
    Invoke,
    Message,
    Refuse,
    Reply,
)
from actors.ports import Arrival, Clock, Entropy, Link
from actors.pulse import Pulse
from actors.services.call import Caller, PeerIdentity, RemoteCall
from actors.settings import ChannelSettings
from actors.supervision import Restart
from actors.topics.delivery import Attached, SendDelivery, Settled

__all__ = ["Session"]


class Session(Actor):
    """A peer of a channel.

    Args:
        arrival: The peer, which has connected and said nothing yet.
        settings: The channel's settings.
        channel: The channel's name.
        clients: Where it enters its peer once it has been let in, by pub_client_id.
        open_sessions: Where it enters itself, so that the channel can tell it of changed settings.
        clock: Since when the peer is connected.
        entropy: Ids of messages.
        logs: Where the last messages are kept, if the channel says so.
    """

    # with more attributes than instances share the names of, each would have a dict of its own
    __slots__ = (
        "_arrival",
        "_caller",
        "_calls",
        "_channel",
        "_clients",
        "_clock",
        "_close",
        "_deliveries",
        "_entropy",
        "_granted",
        "_has_credit",
        "_has_link",
        "_hooks",
        "_link",
        "_logs",
        "_open_sessions",
        "_origin",
        "_requests",
        "_sender",
        "_sendings",
        "_settings",
        "_streams",
        "_to_send",
    )

    kind = "session"
    restart = Restart.TEMPORARY
    has_children = False
    _link: Link
    _caller: Caller

    def __init__(
        self,
        arrival: Arrival,
        settings: ChannelSettings,
        *,
        channel: str,
        clients: dict[str, ConnectedClient],
        open_sessions: dict[Session, None],
        clock: Clock,
        entropy: Entropy,
        logs: MessageLogs,
    ) -> None:
        self._arrival = arrival
        self._settings = settings
        self._channel = channel
        self._clients = clients
        self._open_sessions = open_sessions
        self._clock = clock
        self._entropy = entropy
        self._logs = logs
        self._close: CloseSession | None = None
        self._origin = "local"
        self._has_link = False
        self._has_credit = False
        self._granted = RequestsGranted(settings.max_in_flight)
        self._to_send: list[Envelope] = []  # mostly empty, and an empty deque takes a dozen times as much
        self._sendings = Pulse()
        self._sender = Lazy(self._send_in_order)

    async def setup(self) -> None:
        """Show that a peer has arrived."""
        self._streams = PeerStreams(lambda: self._link)
        self._requests = PeerRequests(
            self._settings,
            ref=self.ref,
            send=self._answer,
            entropy=self._entropy,
            streams=self._streams,
            work=None if self.signals is None else self.signals.meters.requests_to(self._channel),
        )
        self._caller = Caller(
            self.actor,
            self._channel,
            PeerIdentity(""),
            peer=self._arrival.peer,
            connection_time=self._clock.utc_now(),
        )
        self._hooks = SessionHooks(self._settings, ref=self.ref, log=self._log, entropy=self._entropy)
        self._deliveries = PeerDeliveries(self.actor, self._tell_subscription)
        self._calls = ClientCalls(self.actor, self._settings.max_in_flight, self._entropy)
        self._open_sessions[self] = None
        self.progress.show("connecting", peer=self._arrival.peer)
        self.progress.measure("in_flight", self._requests.__len__)
        self.progress.measure("streams", self._streams.__len__)
        self.progress.measure("calls", self._calls.__len__)

    async def run(self) -> None:
        """See the peer through until its link ends or the session is asked to stop."""
        async with trio.open_nursery() as nursery:
            self.stopping.when_set(partial(self._stop, nursery.cancel_scope))
            try:
                await self._see_through(nursery)
            finally:
                self.stopping.when_set(None)
            nursery.cancel_scope.cancel()

    def _stop(self, scope: trio.CancelScope) -> None:
        """Take no more requests, and end when those under way are answered: whoever stops the session bounds that."""

        def end() -> None:
            self._close = self._close or CloseSession(1001, "Server is shutting down")
            scope.cancel()

        self._requests.is_stopping = True
        if self._close is None:
            self._requests.when_answered(end)
        else:
            end()

    def _work_in(self, nursery: trio.Nursery | None) -> None:
        """Say where what comes for the peer is handled from now on; None ends that."""
        self._sender.may_run_in(nursery)
        self.handle_messages_in(nursery)

    async def teardown(self) -> None:
        """Cancel what the peer asked for, and tell its subscriptions and the channel's hook."""
        self._open_sessions.pop(self, None)
        self._requests.cancel_all()
        self._deliveries.detach()
        self._logs.forget(self.actor)
        if self._has_link:
            self._hooks.disconnected(self._caller)

    def take_terms(self, settings: ChannelSettings, terms_of: Callable[[Caller], Caller]) -> None:
        """Go on with changed settings of the channel, as far as they concern open sessions."""
        self._settings = self._hooks.settings = settings
        self._calls.limit = settings.max_in_flight
        self._requests.adopt(settings)
        if self._has_credit and (more := self._granted.raised_to(settings.max_in_flight)) is not None:
            self._link.send_nowait(more)
        self._caller = terms_of(self._caller)

    async def _see_through(self, nursery: trio.Nursery) -> None:
        try:
            async with self._arrival.open() as opened:
                self._link = link = self._logs.watch(opened, self.actor, self._settings)
                self._has_link = True
                self._caller = evolve(self._caller, forwarded_for=self._arrival.presented.forwarded_for)
                try:
                    if await self._let_in(link):
                        await self._serve(nursery)
                finally:
                    close = self._close or CloseSession(1011, "the session ended unexpectedly")
                    await link.aclose(close.code, close.reason)
        except (DialFailed, LinkClosed) as error:
            self._log.info("connection ended", peer=self._arrival.peer, reason=str(error))

    async def _let_in(self, link: Link) -> bool:
        """Wait for the peer to say hello, and tell whether it may stay."""
        self.progress.show("authenticating", peer=link.peer, wire=link.wire)
        wait_time = self._settings.new_token_wait_time
        entrance = Entrance(self._caller, self._arrival.presented, self.ref, self._log, self.audit, wait_time)
        admitted = await entrance.admit(link)
        self._arrival.admitted()
        if not isinstance(admitted, Admitted):
            self._close = admitted
            return False
        self._caller = admitted.caller
        if self._caller.attachment is not None:
            self._deliveries.window = self._caller.attachment.window
        if admitted.requests is not None:
            self._has_credit = True
            self._calls.agree(CreditAccount(admitted.requests))
        await self._hooks.connected(self._caller)
        caller = self._caller
        self.progress.count("opened")
        self.progress.show(
            "ready",
            peer=caller.peer,
            wire=caller.wire,
            security=caller.identity.security,
            client=caller.client_name or caller.client_id,
            cluster=caller.identity.cluster,
        )
        self._note("session opened", wire=caller.wire, client=caller.client_name)
        log_context(self._log, self._settings, caller)
        link.send_nowait(admitted.welcome)
        return True

    async def _serve(self, nursery: trio.Nursery) -> None:
        """Read what the peer sends, and handle what comes for it, side by side; all of it ends with the link."""
        client = self._caller.pub_client_id
        if not self._caller.is_admin:
            self._clients[client] = ConnectedClient(self._caller, self._deliveries.attached)
        self._work_in(nursery)
        try:
            await self._read_until_closed()
            nursery.cancel_scope.cancel()
        finally:
            self._work_in(None)
            close = self._close or CloseSession(1011, "")
            self._clients.pop(client, None)
            self._calls.fail_all(close.reason or f"closed with code {close.code}")
            self._note("session closed", code=close.code, reason=close.reason, origin=self._origin)

    def _note(self, event: str, **facts: object) -> None:
        log = self._log.debug if self._caller.is_admin else self._log.info  # commands come and go
        log(event, peer=self._caller.peer, **facts)

    # What comes for the peer

    async def handle_envelope(self, envelope: Envelope) -> None:
        """Have sent what is for the peer, in order; act on the rest at once."""
        match envelope.payload:
            case SendDelivery():
                self._send_in_turn(envelope)
            case RemoteCall():
                if self._calls.accept(envelope):
                    self._send_in_turn(envelope)
                elif envelope.reply is None:
                    self.progress.count("dropped")
                    self._log.warning("too many requests to the peer are under way; one is dropped")
            case _:
                await super().handle_envelope(envelope)

    def _send_in_turn(self, envelope: Envelope) -> None:
        self._to_send.append(envelope)
        self._sendings.notify()
        self._sender.need()

    async def _send_in_order(self) -> None:
        """Send one after the other, each as soon as there is room on the link."""
        link = self._link
        while True:
            while not self._to_send:
                await self._sendings.wait()
            envelope = self._to_send.pop(0)
            if isinstance(envelope.payload, SendDelivery):
                await self._deliveries.send(link, envelope.payload)
            else:
                await self._calls.send(link, envelope)

    async def receive(self, message: Any) -> Any:
        """Tell whether the peer lives, note who delivers to it, or end the session."""
        match message:
            case Probe():
                return await self._link.is_alive()
            case Attached(subscription=subscription):
                self._deliveries.attached[subscription] = None
            case CloseSession():
                self._close = message
                self._clients.pop(self._caller.pub_client_id, None)
                self.stopping.set()
        return None

    # What the peer sends

    async def _read_until_closed(self) -> None:
        self._link.take_at_once(self._take_all)
        try:
            while True:
                self._take_all(await self._link.receive())
        except LinkClosed as closed:
            self._close = CloseSession(closed.code, closed.reason)
            self._origin = closed.origin

    def _take_all(self, messages: Sequence[Message]) -> bool:
        for message in messages:
            self._take(message)
        return True

    def _take(self, message: Message) -> None:
        """Act on one message, without waiting."""
        is_expected = True
        match message:
            case Invoke():
                is_expected = self._requests.take(message, self._caller)
            case Reply() | Failure():
                is_expected = self._calls.answer(message)
            case Credit():
                is_expected = (self._streams if message.subject else self._calls).grant(message)
            case Cancel(in_reply_to=request_id):
                is_expected = self._requests.cancel(request_id)
            case Acknowledge():
                is_expected = self._acknowledge(message)
            case Refuse(in_reply_to=delivery_id, messages=refusals, reason=reason):
                refused = None if refusals else reason or "refused"
                settled = Settled(delivery_id, refused, tuple(refusals))
                is_expected = self._deliveries.settle(settled) is not None
            case Extend(in_reply_to=delivery_ids):
                self._deliveries.extend(delivery_ids)
            case Hello():
                self._renew(message)
            case Goodbye():
                pass  # the end of the link follows
            case _:
                is_expected = False
        if not is_expected:
            self.progress.count("ignored")

    def _acknowledge(self, message: Acknowledge) -> bool:
        sub_key = self._deliveries.settle(Settled(message.in_reply_to))
        if sub_key is None:
            return False
        response = PubSubResponse(message.id, message.in_reply_to, message.timestamp, sub_key, message.data)
        self._hooks.pubsub_response(self._caller, response)
        return True

    def _answer(self, message: Message) -> None:
        self.progress.count("handled")
        self._link.send_nowait(message)

    def _renew(self, hello: Hello) -> None:
        """Have the channel check a second create-session; a refusal ends the link."""

        def settled(slot: ReplySlot) -> None:
            if slot.error is None:
                self._link.send_nowait(slot.value)
            else:
                reason = str(slot.error) if isinstance(slot.error, Forbidden) else "Internal server error"
                self._link.send_nowait(Denied(self._entropy.hex_id(), reason))
                self.mailbox.put_nowait(Envelope(CloseSession(1008, reason)))

        envelope = Envelope(Renew(hello, self._caller, self._arrival.presented), reply=ReplySlot(settled))
        try:
            self.ref("channel", self._channel).send_nowait(envelope)
        except ActorError as error:
            if envelope.reply is not None:
                envelope.reply.fail(error)

    def _tell_subscription(self, subscription: str, message: object) -> None:
        try:
            self.ref("subscription", subscription).tell_nowait(message)
        except ActorError:
            self._log.debug("the subscription is gone", subscription=subscription)
