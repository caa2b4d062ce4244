"""OutgoingConnection: dials a channel of another cluster and keeps the link alive.

The end of a link is no crash: the connection's own loop backs off and dials again. Calls come through the mailbox,
wait there for a link, and are matched with their answers in the table of pending calls (`actors.connections.pending`).
What comes over a link is the business of `actors.connections.live_link`, which tells hook services by way of
`actors.connections.link_hooks`; sockets are the dialer's. With `remote = "websocket"` there is no session: a link is
ready when the server has taken the upgrade, and frames go both ways (`actors.connections.frames`).

Its state is one of

    connecting → authenticating → subscribing → ready ⇄ throttled
    closing       the connection is being stopped and says goodbye
    backoff       the link ended or none came about; `next_attempt_at` says when the next dial is due
    rejected      the remote denied the session; tried again at the longest interval
    stopped       not active, or no more attempts are wanted
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Self

import trio

from actors.actor import Actor
from actors.connections.connection_config import ShownConfig
from actors.connections.frames import FrameSender
from actors.connections.hooks import Subscribing
from actors.connections.link_hooks import LinkBegan, LinkHooks
from actors.connections.link_subscriptions import LinkSubscriptions
from actors.connections.live_link import LiveLink
from actors.connections.login import LinkIdentity, create_session, hello_of
from actors.connections.pending import PendingCalls
from actors.envelope import Envelope
from actors.errors import DialFailed, LinkClosed, LinkDown
from actors.messages import NATIVE, Message
from actors.ports import Clock, Dialer, Entropy, Link, Threads
from actors.pulse import Pulse
from actors.retry import BackoffState
from actors.secret import masked_address
from actors.services.call import Call, RemoteCall
from actors.services.reach import Connection, Reach
from actors.settings import OutgoingSettings, Remote
from actors.topics.handling import Handling

__all__ = ["OutgoingConnection"]


class OutgoingConnection(Actor):
    """Keeps one link to a remote channel and carries any number of calls over it.

    Args:
        settings: The connection's own section of clusters.toml.
        dialers: Make its links, one for each address.
        identity: Who dials.
        entropy: Ids, and the jitter of the backoff.
        clock: When the next attempt is.
        threads: For hooks' clients in blocking services.
        handling: What is known of the messages of its subscriptions; shared with all instances that follow a crash.
    """

    # with more attributes than instances share the names of, each would have a dict of its own
    __slots__ = (
        "_adopted",
        "_changed",
        "_clock",
        "_config",
        "_dial",
        "_dialers",
        "_entropy",
        "_handling",
        "_hooks",
        "_hopeless",
        "_identity",
        "_last_error",
        "_links",
        "_live",
        "_pending",
        "_skipped",
        "_threads",
        "settings",
    )

    kind = "outgoing"
    has_children = False

    def __init__(
        self,
        settings: OutgoingSettings,
        *,
        dialers: Sequence[Dialer],
        identity: LinkIdentity,
        entropy: Entropy,
        clock: Clock,
        threads: Threads,
        handling: Handling,
    ) -> None:
        self.settings = settings
        self._handling = handling
        self._dialers = dialers
        self._identity = identity
        self._entropy = entropy
        self._clock = clock
        self._threads = threads
        self._live: LiveLink | None = None
        self._hooks: LinkHooks | None = None
        self._hopeless = ""
        self._last_error = ""
        self._changed = Pulse()
        self._adopted = Pulse()
        self._links = 0
        self._dial = 0
        self._skipped: dict[str, str] = {}

    async def setup(self) -> None:
        """Prepare the table of calls."""
        self._pending = PendingCalls(self.actor, self._entropy)
        self._config = ShownConfig(self.settings, self.actor)
        self.mailbox.answer_timeout = self.settings.timeout
        self.mailbox.obstacle = self._obstacle
        self.progress.measure("pending", self._pending.__len__)
        self._show("connecting" if self.settings.active else "stopped")

    def adopt(self, newer: Self) -> None:
        """Go on with changed settings: the open link as far as it can, and all links after it."""
        settings = self.settings = newer.settings
        self._dialers = newer._dialers
        self._config = ShownConfig(settings, self.actor)
        self.mailbox.answer_timeout = settings.timeout
        self._adopted.notify()
        if self._live is not None:
            self._live.adopt(settings)
            self._live.subscriptions.relist(settings.listed)

    async def run(self) -> None:
        """Keep the link and carry calls until asked to stop, then say goodbye and let on_close end."""
        async with trio.open_nursery() as nursery:
            self.stopping.when_set(lambda: nursery.start_soon(self._say_goodbye, nursery.cancel_scope))
            self.handle_messages_in(nursery)
            try:
                if self.settings.active:
                    await trio.lowlevel.checkpoint()  # channels that are opened in this turn listen first
                    await self._keep_link(nursery)
                else:
                    self._stop_for_good("not active")
                await trio.sleep_forever()
            finally:
                self.handle_messages_in(None)
                self.stopping.when_set(None)

    async def _say_goodbye(self, scope: trio.CancelScope) -> None:
        if self._live is not None:
            self._show("closing", reason="the connection is being stopped")
            await self._live.link.aclose(1001, "Going away")
        if self._hooks is not None:
            await self._hooks.done.wait()
        scope.cancel()

    async def teardown(self) -> None:
        """Fail what still waits for an answer, and tell on_close where that was cut short."""
        self._pending.fail_all("the connection was stopped" if self.stopping.is_set() else "the connection crashed")
        if self._hooks is not None:
            await self._hooks.finish()

    # The link's life

    async def _keep_link(self, nursery: trio.Nursery) -> None:
        backoff = BackoffState(self.settings.backoff)
        attempt = 0
        while not self.stopping.is_set():
            attempt += 1
            had_link, rejected = self._links, False
            started_at = trio.current_time()
            try:
                await self._dial_and_use(attempt, nursery)
            except (DialFailed, LinkClosed) as error:
                self._last_error = str(error)
                rejected = isinstance(error, DialFailed) and error.is_denied
                self._log.warning("no link", error=str(error), attempt=attempt)
                self.progress.count("failed_attempts")
                self._dial += 1
            if self.stopping.is_set():
                break
            if self._links > had_link:
                backoff.succeeded_for(trio.current_time() - started_at)
                attempt = 0
                if not self.settings.has_auto_reconnect:
                    await self._rest("has_auto_reconnect is false", lambda: self.settings.has_auto_reconnect)
                    continue
            elif (failed := attempt) >= self.settings.max_connect_attempts:
                reason = f"{failed} attempts failed, as many as max_connect_attempts allows"
                await self._rest(reason, lambda: failed < self.settings.max_connect_attempts)
                continue
            elif not rejected and self._dial % len(self._dialers):
                continue
            backoff.scheme = self.settings.backoff
            await self._back_off(backoff, attempt, rejected=rejected)

    async def _rest(self, reason: str, is_over: Callable[[], bool]) -> None:
        """Dial no more, unless the settings change so that it is over."""
        self._stop_for_good(reason)
        while not is_over():
            await self._adopted.wait()
        self._hopeless = ""

    async def _back_off(self, backoff: BackoffState, attempt: int, *, rejected: bool) -> None:
        delay = self.settings.backoff.longest if rejected else backoff.next_delay(self._entropy.uniform)
        next_attempt_at = self._clock.utc_now() + datetime.timedelta(seconds=delay)
        if rejected:
            self._give_no_hope(self._last_error)
        self._changed.notify()
        self._show(
            "rejected" if rejected else "backoff",
            reason=self._last_error,
            attempt=attempt,
            next_attempt_at=next_attempt_at.isoformat(timespec="milliseconds") + "Z",
        )
        self._log.info("next attempt", seconds=round(delay, 1), attempt=attempt + 1)
        with trio.move_on_after(delay):
            await self.stopping.wait()
        self._hopeless = ""

    async def _dial_and_use(self, attempt: int, nursery: trio.Nursery) -> None:
        dialer = self._dialers[self._dial % len(self._dialers)]
        self._show("connecting", attempt=attempt, address=dialer.address)
        async with dialer.dial() as link:
            if self._dials_websocket:
                self._links += 1
                await self._use(link, LinkBegan(attempt), (), nursery)
                return
            self._show("authenticating", attempt=attempt, address=dialer.address, wire=link.wire)
            began, first = await self._log_in(link, attempt, dialer.address)
            await self._use(link, began, first, nursery)

    async def _log_in(self, link: Link, attempt: int, address: str) -> tuple[LinkBegan, Sequence[Message]]:
        """Have the remote make a session; return what is known of it, and what came right behind."""
        hello = hello_of(self.settings, self.actor, self._identity, self._entropy, counter=self._links + 1)
        welcome, first = await create_session(link, hello, address=address, timeout=self.settings.dial_timeout)
        self._links += 1
        self._pending.agree(welcome)
        return LinkBegan(attempt, welcome.resumed, welcome.missed), first

    async def _use(self, link: Link, began: LinkBegan, first: Sequence[Message], nursery: trio.Nursery) -> None:
        """Work with an established link until it ends; tell the hooks."""
        settings, on_subscribe = self.settings, self.settings.on_subscribe
        hooks = self._hooks = LinkHooks(
            self.ref,
            settings,
            self._log,
            after=self._hooks,
            handling=self._handling,
            config=self._config,
            conn=self._conn,
            send=link.send_nowait,
            is_extending=link.wire == NATIVE,
            entropy=self._entropy,
            signals=self.signals,
        )
        subscriptions = LinkSubscriptions(
            settings.listed,
            is_native=link.wire == NATIVE,
            is_resumed=began.resumed,
            skipped=self._skipped,
            retry_interval=settings.backoff.longest,
            invoke=lambda call: self._pending.ask(link, call, timeout=self.settings.timeout),
            ask=None if on_subscribe is None else lambda: self._ask_for_topics(on_subscribe),
            log=self._log,
        )
        subscriptions.is_answered = self._dials_websocket  # which has none
        live = self._live = LiveLink(
            link,
            hooks,
            subscriptions,
            settings=settings,
            pending=self._pending,
            entropy=self._entropy,
            progress=self.progress,
            on_change=self._show_progress,
            log=self._log,
        )
        if not self._dials_websocket:
            self.mailbox.take_at_once(self._hand_over_at_once)
        hooks.begin(began, nursery)
        self.progress.count("links")
        self._log.info("link ready", peer=link.peer, wire=link.wire)
        self._show_progress()
        closed = LinkClosed(1006, "the connection crashed", "local")
        try:
            subscriptions.begin(nursery, self._show_progress)
            self._changed.notify()
            closed = await live.receive(first)
        finally:
            subscriptions.end()
            if self.stopping.is_set():
                closed = LinkClosed(closed.code, closed.reason, "local")
            self._skipped = subscriptions.blame(closed)
            self._last_error = str(closed)
            self._live = None
            self.mailbox.take_at_once(None)
            self._pending.fail_all(str(closed))
            hooks.closed(closed)
            self._log.warning("link lost", code=closed.code, reason=closed.reason, origin=closed.origin)

    async def _ask_for_topics(self, service: str) -> object:
        call = Call({"ctx": Subscribing(self._config(), self._conn())})
        timeout = self.settings.hook_timeout
        return await self.ref("service", service).ask(call, timeout=timeout, cid=self._entropy.hex_id())

    # Calls

    async def handle_envelope(self, envelope: Envelope) -> None:
        """Send a call as soon as there is a link; its answer settles it later."""
        try:
            await self._hand_over(envelope)
        except BaseException as error:  # the connection is being stopped, or worse
            if envelope.reply is not None:
                envelope.reply.fail(self.ended_over(error))
            raise

    def _hand_over_at_once(self, envelope: Envelope) -> bool:
        """Hand a call to the link where it has room; tell whether it was."""
        live = self._live
        if live is None or not live.link.has_room or not self._pending.has_credit:
            return False
        if not isinstance(envelope.payload, RemoteCall):
            return False
        self._pending.send_nowait(live.link, envelope)
        return True

    async def _hand_over(self, envelope: Envelope) -> None:
        with trio.CancelScope(deadline=envelope.deadline) as scope:
            if envelope.reply is not None:
                envelope.reply.on_abandoned(scope.cancel)
            while envelope.is_wanted:
                if self._hopeless:
                    if envelope.reply is not None:
                        envelope.reply.fail(LinkDown(f"{self.actor!r}: {self._hopeless}"))
                    return
                if self._live is not None:
                    frames = FrameSender(self.actor, self.settings.max_message_size, self._entropy)
                    way = frames if self._dials_websocket else self._pending
                    await way.send(self._live.link, envelope)
                    return
                await self._changed.wait()

    def _obstacle(self, wait: float) -> str:
        """Say why a call was not sent in so many seconds."""
        if self._live is None:
            return f"no link within {wait:g} s; last error: {self._last_error or 'none'}"
        if not self._pending.has_credit:
            return f"the peer took no further call within {wait:g} s"
        return f"no room on the link within {wait:g} s"

    def _conn(self) -> Connection:
        """Return what makes clients for the hooks."""
        return Connection(Reach(self.directory, self._threads, self._entropy, signals=self.signals), self.actor)

    @property
    def _dials_websocket(self) -> bool:
        return self.settings.remote is Remote.WEBSOCKET

    # What others see

    def _stop_for_good(self, reason: str) -> None:
        self._give_no_hope(f"{reason}; last error: {self._last_error or 'none'}")
        self._log.warning("stopped", reason=reason)
        self._show("stopped", reason=reason)

    def _give_no_hope(self, reason: str) -> None:
        self._hopeless = reason
        self._changed.notify()

    def _show_progress(self) -> None:
        """Show how far the live link is."""
        live = self._live
        if live is None:
            return
        if live.is_throttled:
            self._show("throttled", reason=f"{live.hooks.waiting} messages wait for hooks")
        else:
            self._show("ready" if live.subscriptions.is_answered else "subscribing")

    def _show(self, state: str, **detail: object) -> None:
        facts: dict[str, object] = {"address": masked_address(self.settings.address), **detail}
        if self._live is not None:
            facts["wire"] = self._live.link.wire
            facts["subscribed"] = sorted(self._live.subscriptions.subscribed)
            if self._live.subscriptions.refused:
                facts["refused"] = dict(self._live.subscriptions.refused)
            if self._live.subscriptions.problem:
                facts["on_subscribe"] = self._live.subscriptions.problem
        self.progress.show(state, **facts)
