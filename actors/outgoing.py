"""OutgoingConnection: dials a channel of another cluster and keeps the link alive.

The end of a link is no crash: the connection's own loop backs off and dials again. Calls come through the
mailbox, wait there for a link, and are matched with their answers in the table of pending calls. What happens
on a link is told to hook services by `actors.link_hooks`; frames and sockets are the dialer's business.
"""

from __future__ import annotations

import trio
from attrs import define, field, frozen

from actors.actor import Actor
from actors.call import CallResponse, RemoteCall
from actors.envelope import Envelope, ReplySlot
from actors.errors import BadInput, CallError, DialFailed, InvokeTimeout, LinkClosed, LinkDown, LinkLost
from actors.failures import error_of
from actors.hooks import Closed, Connected, IncomingRequest, MessageReceived
from actors.link_hooks import LinkHooks
from actors.messages import (
    Acknowledge,
    Cancel,
    Deliver,
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
from actors.ports import Dialer, Entropy, Link, Threads
from actors.reach import Connection, Reach
from actors.retry import BackoffState
from actors.settings import OutgoingSettings
from actors.supervision import Backoff

__all__ = ["LinkIdentity", "OutgoingConnection"]

SUBSCRIBE_SERVICE = "zato.pubsub.subscription.create-wsx-subscription"


@frozen
class LinkIdentity:
    """Who dials: the cluster, its server and this process of it."""

    cluster: str
    server: str
    incarnation: str


@define
class _Pending:
    """A call that waits for its answer."""

    envelope: Envelope
    call: RemoteCall


@define
class _LiveLink:
    """The link of the moment and what is known of it."""

    link: Link
    hooks: LinkHooks
    subscribed: dict[str, str] = field(factory=dict)
    refused: dict[str, str] = field(factory=dict)


class OutgoingConnection(Actor):
    """Keeps one link to a remote channel and carries any number of calls over it.

    Args:
        settings: The connection's own section of clusters.toml.
        dialer: Makes its links.
        identity: Who dials.
        entropy: Ids, and the jitter of the backoff.
        threads: For hooks' clients in blocking services.
    """

    retry = Backoff(first=0.5, longest=30.0, reset_after=10.0)

    def __init__(
        self,
        settings: OutgoingSettings,
        *,
        dialer: Dialer,
        identity: LinkIdentity,
        entropy: Entropy,
        threads: Threads,
    ) -> None:
        self.settings = settings
        self._dialer = dialer
        self._identity = identity
        self._entropy = entropy
        self._threads = threads
        self._pending: dict[str, _Pending] = {}
        self._live: _LiveLink | None = None
        self._hopeless = ""
        self._last_error = ""
        self._changed = trio.Event()
        self._links = 0
        self._ignored = 0
        self._previous_hooks_done = trio.Event()
        self._previous_hooks_done.set()

    async def run(self) -> None:
        """Keep the link and carry calls until asked to stop, then say goodbye."""
        reach = Reach(self.directory, self._threads, self._entropy, lambda: ("", float("inf")))
        self._conn = Connection(reach, self.actor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.handle_messages)
            if self.settings.active:
                nursery.start_soon(self._keep_link)
            else:
                self._give_no_hope("the connection is not active")
                self.progress.show("stopped", reason="not active")
            await self.stopping.wait()
            if self._live is not None:
                await self._live.link.aclose(1001, "Going away")
            nursery.cancel_scope.cancel()

    async def teardown(self) -> None:
        """Fail what still waits for an answer."""
        self._fail_pending("the connection was stopped")

    # The link's life

    async def _keep_link(self) -> None:
        backoff = BackoffState(self.retry)
        attempt = 0
        async with trio.open_nursery() as nursery:
            while True:
                attempt += 1
                self._show("connecting", attempt=attempt)
                started_at = trio.current_time()
                longest = False
                try:
                    async with self._dialer.dial() as link:
                        await self._establish(link)
                        started_at = trio.current_time()
                        await self._use(link, attempt, nursery)
                        attempt = 0
                except (DialFailed, LinkClosed) as error:
                    self._last_error = str(error)
                    longest = isinstance(error, DialFailed) and error.part == "session"
                    self._log.warning("no link", error=str(error), attempt=attempt)
                    self._wake()
                backoff.succeeded_for(trio.current_time() - started_at)
                delay = self.retry.longest if longest else backoff.next_delay(self._entropy.uniform)
                if longest:
                    self._give_no_hope(self._last_error)
                self._show(
                    "rejected" if longest else "backoff",
                    attempt=attempt,
                    last_error=self._last_error,
                    next_attempt_in=round(delay, 1),
                )
                self._log.info("next attempt", seconds=round(delay, 1), attempt=attempt + 1)
                await trio.sleep(delay)
                self._hopeless = ""

    async def _establish(self, link: Link) -> None:
        """Create the session.

        Raises:
            DialFailed: With part `session` and the peer's reason, or `upgrade` where it just went away.
        """
        self._show("authenticating")
        self._links += 1
        settings = self.settings
        try:
            secret = None if settings.password is None else settings.password.reveal()
        except (OSError, LookupError) as error:
            part = "session"
            raise DialFailed(part, f"the password cannot be read: {error}") from None
        hello = Hello(
            id=self._entropy.hex_id(),
            username=settings.username,
            secret=secret,
            client_id=f"wsx.out.{self._entropy.hex_id()[:16]}",
            client_name=f"WSX outconn - {self.actor}",
            cluster=self._identity.cluster,
            connection=self.actor,
            server=self._identity.server,
            incarnation=self._identity.incarnation,
            counter=self._links,
        )
        try:
            with trio.fail_after(settings.dial_timeout):
                await link.send(hello)
                while True:
                    for message in await link.receive():
                        match message:
                            case Welcome():
                                return
                            case Denied(reason=reason) | Failure(message=reason):
                                user = f" for user {settings.username!r}" if settings.username else ""
                                part = "session"
                                raise DialFailed(
                                    part,
                                    f"{settings.address} denied the session{user}: {reason!r}; "
                                    "check username and password on both sides",
                                )
                            case _:
                                self._ignored += 1
        except LinkClosed as error:
            part = "upgrade"
            raise DialFailed(part, f"the link ended before the session existed: {error}") from None
        except trio.TooSlowError:
            part = "upgrade"
            raise DialFailed(part, f"no answer to create-session within {settings.dial_timeout:g} s") from None

    async def _use(self, link: Link, attempt: int, hooks_nursery: trio.Nursery) -> None:
        """Work with an established link until it ends; tell the hooks."""
        settings = self.settings
        hooks = LinkHooks(
            self.ref,
            settings.hook_timeout,
            self._log,
            after=self._previous_hooks_done,
            entropy=self._entropy,
        )
        self._previous_hooks_done = hooks.done
        live = self._live = _LiveLink(link, hooks)
        hooks_nursery.start_soon(hooks.run)
        hooks.connected(settings.on_connect, Connected(settings, self._conn, attempt))
        self._log.info("link ready", peer=link.peer, wire=link.wire)
        closed = LinkClosed(1006, "cancelled", "local")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_subscribed, live)
                self._wake()
                closed = await self._receive_until_closed(live)
                nursery.cancel_scope.cancel()
        finally:
            if self.stopping.is_set():
                closed = LinkClosed(closed.code, closed.reason, "local")
            self._last_error = str(closed)
            self._fail_pending(str(closed))
            self._live = None
            hooks.closed(
                settings.on_close,
                Closed(settings, self._conn, closed.code, closed.reason, closed.origin),
            )
            self._log.warning("link lost", code=closed.code, reason=closed.reason, origin=closed.origin)

    async def _receive_until_closed(self, live: _LiveLink) -> LinkClosed:
        try:
            while True:
                for message in await live.link.receive():
                    self._take(live, message)
        except LinkClosed as closed:
            return closed

    def _take(self, live: _LiveLink, message: Message) -> None:
        """Act on one message from the peer, without waiting."""
        match message:
            case Reply(in_reply_to=call_id):
                if pending := self._pending.pop(call_id, None):
                    response = CallResponse(message.id, message.timestamp, call_id, message.data)
                    self._settle(pending, response)
                else:
                    self._ignored += 1
            case Failure(in_reply_to=call_id):
                if pending := self._pending.pop(call_id, None):
                    self._settle(pending, error_of(message))
                else:
                    self._ignored += 1
            case Deliver():
                self._take_delivery(live, message)
            case Invoke():
                self._take_request(live, message)
            case Denied(reason=reason):
                self._log.warning("denied by the peer", reason=reason)
            case Goodbye() | Cancel():
                pass
            case _:
                self._ignored += 1

    def _settle(self, pending: _Pending, result: CallResponse | CallError) -> None:
        slot = pending.envelope.reply
        self.progress.count_handled()
        if slot is None:
            return
        if isinstance(result, CallError):
            slot.fail(result)
        else:
            slot.answer(result)

    def _take_delivery(self, live: _LiveLink, message: Deliver) -> None:
        def settled(_result: object, error: Exception | None) -> None:
            answer_id = self._entropy.hex_id()
            if error is None:
                live.link.send_nowait(Acknowledge(answer_id, message.id))
            else:
                live.link.send_nowait(Refuse(answer_id, message.id, str(error)))

        event = MessageReceived(
            self.settings, self._conn, IncomingRequest(message.id, message.timestamp, message.messages)
        )
        live.hooks.message(self.settings.on_message, event, settled, lane=message.sub_key)

    def _take_request(self, live: _LiveLink, message: Invoke) -> None:
        def settled(result: object, error: Exception | None) -> None:
            answer_id = self._entropy.hex_id()
            if error is None:
                live.link.send_nowait(Reply(answer_id, message.id, result))
            else:
                status = getattr(error, "status", 500)
                live.link.send_nowait(Failure(answer_id, message.id, status, str(error), type(error).__name__))

        event = MessageReceived(self.settings, self._conn, IncomingRequest(message.id, message.timestamp, message.data))
        live.hooks.message(self.settings.on_message, event, settled, lane=None)

    # Subscriptions

    async def _keep_subscribed(self, live: _LiveLink) -> None:
        """Subscribe to what is listed; what is refused is tried again at the longest interval."""
        wanted = list(self.settings.subscribe)
        self._show("subscribing")
        while True:
            for topic in wanted:
                await self._subscribe(live, topic)
            self._show("ready")
            wanted = list(live.refused)
            if not wanted:
                return
            await trio.sleep(self.retry.longest)

    async def _subscribe(self, live: _LiveLink, topic: str) -> None:
        request = {"service": SUBSCRIBE_SERVICE, "request": {"topic_name": topic}}
        try:
            response = await self._call_over(live, request)
            sub_key = response.data["sub_key"]
        except (CallError, KeyError, TypeError) as error:
            live.refused[topic] = str(error)
            self._log.warning("subscription refused", topic=topic, reason=str(error))
        else:
            live.refused.pop(topic, None)
            live.subscribed[topic] = sub_key
            self._log.info("subscribed", topic=topic)

    async def _call_over(self, live: _LiveLink, data: object) -> CallResponse:
        """Make a call of the connection's own over a given link."""
        settled = trio.Event()
        slot = ReplySlot(lambda _slot: settled.set())
        timeout = self.settings.timeout
        envelope = Envelope(RemoteCall(data), deadline=trio.current_time() + timeout, reply=slot)
        try:
            with trio.move_on_after(timeout):
                await self._send_call(live, envelope)
                await settled.wait()
        finally:
            slot.abandon()
        if slot.error is not None:
            raise slot.error
        if not settled.is_set():
            msg = f"no answer within {timeout:g} s"
            raise InvokeTimeout(msg)
        response: CallResponse = slot.value
        return response

    # Calls

    async def handle_envelope(self, envelope: Envelope) -> None:
        """Send a call as soon as there is a link; its answer settles it later."""
        call: RemoteCall = envelope.payload
        with trio.CancelScope(deadline=envelope.deadline) as scope:
            if envelope.reply is not None:
                envelope.reply.on_abandoned(scope.cancel)
            while envelope.is_wanted:
                call.last_error = self._last_error
                if self._hopeless:
                    if envelope.reply is not None:
                        envelope.reply.fail(LinkDown(f"{self.actor!r}: {self._hopeless}"))
                    return
                if self._live is not None:
                    await self._send_call(self._live, envelope)
                    return
                await self._changed.wait()

    async def _send_call(self, live: _LiveLink, envelope: Envelope) -> None:
        call: RemoteCall = envelope.payload
        slot = envelope.reply
        call_id = self._entropy.hex_id()
        self._pending[call_id] = _Pending(envelope, call)
        if slot is not None:
            slot.on_abandoned(lambda: self._abandon(live, call_id))
        time_left = envelope.deadline - trio.current_time()
        timeout = None if time_left == float("inf") else max(0.0, time_left)
        try:
            await live.link.send(Invoke(call_id, call.data, timeout=timeout, cid=envelope.cid or call_id))
        except LinkClosed as closed:
            self._fail(call_id, closed.reason or str(closed), sent=False)
        except (ValueError, TypeError) as error:
            self._pending.pop(call_id, None)
            if slot is not None:
                slot.fail(BadInput(f"the request cannot be sent: {error}"))
        except trio.Cancelled:
            self._pending.pop(call_id, None)
            raise
        else:
            call.was_sent = True

    def _abandon(self, live: _LiveLink, call_id: str) -> None:
        """Nobody waits any more: take the call back, or have the remote handler cancelled."""
        pending = self._pending.pop(call_id, None)
        if pending is None:
            return
        pending.call.was_sent = not live.link.withdraw(call_id)
        if pending.call.was_sent:
            live.link.send_nowait(Cancel(call_id))

    def _fail_pending(self, reason: str) -> None:
        for call_id in list(self._pending):
            sent = not (self._live is not None and self._live.link.withdraw(call_id))
            self._fail(call_id, reason, sent=sent)

    def _fail(self, call_id: str, reason: str, *, sent: bool) -> None:
        pending = self._pending.pop(call_id, None)
        if pending is not None and pending.envelope.reply is not None:
            how = "after the call was sent" if sent else "before the call was sent"
            pending.envelope.reply.fail(LinkLost(f"{self.actor!r}: link lost {how}: {reason}", sent=sent))

    # What others see

    def _give_no_hope(self, reason: str) -> None:
        self._hopeless = reason
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _show(self, state: str, **detail: object) -> None:
        facts: dict[str, object] = {"address": self.settings.address, **detail}
        if self._live is not None:
            facts["wire"] = self._live.link.wire
            facts["subscribed"] = sorted(self._live.subscribed)
            if self._live.refused:
                facts["refused"] = dict(self._live.refused)
        self.progress.show(state, **facts)
