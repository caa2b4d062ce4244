"""Channel: lets authenticated peers in. Each peer is a session, a child of the channel.

Listening is a child, too (`Acceptor`), so that neither a crash of the channel, of its listener nor of one session
costs other peers their links. The acceptor makes a session of each arrival; the session asks the channel whether
its peer may stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

import trio
from attrs import define, evolve, field

from actors.actor import Actor
from actors.audit import AuditEvent, AuditResult
from actors.channels.admission import Admit, Admitted, CloseSession, ListSubscriptions, Older, Renew, note_refusal
from actors.channels.clients import ConnectedClient, FindClients
from actors.channels.credentials import Grant, Presented, Refusal
from actors.channels.message_log import MessageLogs
from actors.channels.session import Session
from actors.errors import ActorError, Forbidden
from actors.messages import CREDIT, FEATURES, NATIVE, CreditLimit, Hello, Welcome
from actors.ports import Arrival, Clock, Entropy, Listener, SubscriptionStore
from actors.ref import actor_name
from actors.retry import BackoffState
from actors.services.call import Caller, PeerIdentity, who_calls
from actors.settings import ChannelSettings, Compat
from actors.supervision import Backoff, Children, ChildSpec
from actors.topics.attachment import Attachment, Window
from actors.topics.endpoint import Endpoint

__all__ = ["Channel", "Gate", "KnownPeer", "SessionTable"]


class Gate(Protocol):
    """Checks credentials."""

    async def admit(self, hello: Hello, presented: Presented, host: str) -> Grant | Refusal:
        """Tell, in a time that does not depend on what is wrong, who a peer is.

        Args:
            hello: What it said.
            presented: What it showed when it connected.
            host: Its address, without the port.
        """
        ...

    def rights(self, security: str) -> Grant:
        """Tell what the peers of a security definition may do now; nothing, where there is none of that name."""
        ...


@define
class KnownPeer:
    """The session of a native peer, to tell a newer link of it by."""

    session: str
    incarnation: str


@define
class SessionTable:
    """The sessions of a channel, over its restarts: of native peers by identity, of clients by pub_client_id, and all.

    `settings` are those that further sessions are made with, whichever instance of the listener makes them.
    """

    known: dict[PeerIdentity, KnownPeer] = field(factory=dict)
    clients: dict[str, ConnectedClient] = field(factory=dict)
    open: dict[Session, None] = field(factory=dict)
    settings: ChannelSettings | None = None

    def know(self, identity: PeerIdentity, known: KnownPeer, *, limit: int, is_there: Callable[[str], bool]) -> None:
        """Remember a peer's session; beyond a limit those that have ended are forgotten first."""
        if len(self.known) >= limit:
            self.known = {key: one for key, one in self.known.items() if is_there(one.session)}
        self.known[identity] = known


class Channel(Actor):
    """Decides who gets a session.

    Args:
        settings: Its section of clusters.toml.
        table: Its sessions; shared with all instances that follow a crash.
        gate: Checks credentials; None on a channel with `security = "none"`.
        listener: Takes peers in at the channel's address.
        endpoints: The topics of its peers, by security definition.
        cluster: The cluster's name, which native peers are told.
        subscriptions: What peers had subscribed to before.
        clock: Since when peers are connected.
        entropy: Ids and tokens.
        logs: The last messages of its sessions.
        is_admin: Whether its sessions may call administrative services.
    """

    kind = "channel"
    intensity = None
    answers_with = (Forbidden,)

    def __init__(
        self,
        settings: ChannelSettings,
        table: SessionTable,
        *,
        gate: Gate | None,
        listener: Listener,
        endpoints: Mapping[str, Endpoint],
        cluster: str,
        subscriptions: SubscriptionStore,
        clock: Clock,
        entropy: Entropy,
        logs: MessageLogs,
        is_admin: bool = False,
    ) -> None:
        self._settings = settings
        self._table = table
        self._gate = gate
        self._listener = listener
        self._endpoints = endpoints
        self._cluster = cluster
        self._subscriptions = subscriptions
        self._clock = clock
        self._entropy = entropy
        self._logs = logs
        self._is_admin = is_admin

    async def setup(self) -> None:
        """Start listening."""
        self._table.settings = self._settings
        self.progress.show("active" if self._settings.active else "not active", service=self._settings.service)
        if self._settings.active:
            self.children.start(ChildSpec.of(Acceptor, name=self.actor, make=self._make_acceptor))

    async def run(self) -> None:
        """Decide about peers until asked to stop; then nobody new comes in while sessions end."""
        await super().run()
        await self.children.stop("listener", self.actor)

    def adopt(self, newer: Self) -> None:
        """Go on with changed settings: peers that come from now on, and open sessions as far as it concerns them."""
        self._settings = self._table.settings = newer._settings
        self._gate = newer._gate
        self._endpoints = newer._endpoints
        self.progress.show("active", service=self._settings.service)
        for session in list(self._table.open):
            session.take_terms(self._settings, self._terms_of)

    def _make_acceptor(self) -> Acceptor:
        return Acceptor(
            self._settings,
            self._listener,
            channel=self.actor,
            sessions=self.children,
            table=self._table,
            clock=self._clock,
            entropy=self._entropy,
            logs=self._logs,
        )

    async def receive(self, message: Any) -> Any:
        """Admit a peer, renew its session, tell what it subscribes to, or who is connected."""
        match message:
            case Admit():
                grant = await self._check(message.hello, message.presented, message.newcomer)
                return await self._admit(message, grant)
            case Renew(caller=caller):
                grant = await self._check(message.hello, message.presented, caller)
                if grant.security != caller.identity.security:
                    msg = "the session belongs to another security definition"
                    note_refusal(self.audit, caller, msg, message.hello)
                    raise Forbidden(msg)
                return self._welcome(message.hello)
            case ListSubscriptions(identity=identity):
                return await self._subscriptions.owned(identity)
            case FindClients():
                return message.among(self._table.clients)
        return None

    async def _check(self, hello: Hello, presented: Presented, peer: Caller) -> Grant:
        """Return who the peer is; raise `Forbidden` with what it is told where it may not come in."""
        if self._gate is None:
            return Grant("none", presented.local_user)
        found = await self._gate.admit(hello, presented, peer.address)
        if isinstance(found, Grant):
            return found
        self.progress.count("refused")
        self._log.warning(f"log-in refused: {found.reason}", peer=peer.peer, username=hello.username)
        note_refusal(self.audit, peer, found.reason, hello)
        raise Forbidden(found.told)

    async def _admit(self, admit: Admit, grant: Grant) -> Admitted | Older:
        hello = admit.hello
        identity = PeerIdentity(grant.security, hello.cluster, hello.connection)
        if identity.is_lasting:
            older = self._table.known.get(identity)
            if older is not None and self._is_there(older.session):
                if older.incarnation != hello.incarnation and admit.replaces != older.session:
                    return Older(older.session)
                self._close(older.session)
            known = KnownPeer(admit.newcomer.session, hello.incarnation)
            self._table.know(identity, known, limit=self._settings.max_sessions, is_there=self._is_there)
        caller = evolve(
            admit.newcomer,
            identity=identity,
            client_id=hello.client_id,
            client_name=hello.client_name,
            username=grant.username,
            attrs=hello.attrs,
            wire=admit.wire,
            compat=self._settings.compat,
            attachment=self._attachment(admit),
            is_admin=self._is_admin,
        )
        missed = await self._subscriptions.missed(identity) if identity.is_lasting else None
        self.audit.note(
            AuditEvent.LOG_IN,
            AuditResult.GRANTED,
            cid=hello.id,
            security=grant.security,
            client=hello.client_name or hello.client_id,
            wire=admit.wire,
            **who_calls(caller),
        )
        requests = hello.requests if CREDIT in hello.features else None
        return Admitted(self._terms_of(caller), self._welcome(hello, missed), requests)

    def _terms_of(self, caller: Caller) -> Caller:
        """Return a peer that has been let in with what it may do."""
        settings, security = self._settings, caller.identity.security
        grant = Grant("none") if self._gate is None else self._gate.rights(security)
        return evolve(
            caller,
            unsub_on_wsx_close=self._unsub_on_close(),
            services_allowed=settings.services_allowed or grant.services_allowed or (),
            services_allowed_too=grant.services_allowed,
            endpoint=self._endpoints.get(security),
            extra_properties=settings.extra_properties,
            may_administrate=grant.may_administrate,
        )

    def _attachment(self, admit: Admit) -> Attachment:
        settings, hello = self._settings, admit.hello
        credit = hello.deliveries if CREDIT in hello.features else None
        return Attachment(
            admit.newcomer.session,
            Window(settings.max_deliveries_in_flight, settings.max_delivery_bytes_in_flight, credit),
            compat=settings.compat.value if settings.compat is Compat.ZATO_3_0 else "",
            max_delivery_bytes=settings.max_message_size // 2,
            is_pipelined=admit.wire == NATIVE,
        )

    def _unsub_on_close(self) -> bool:
        settings = self._settings
        if settings.unsub_on_wsx_close is None:
            return settings.compat is not Compat.ZATO_3_0
        return settings.unsub_on_wsx_close

    def _is_there(self, session: str) -> bool:
        return self.directory.find_mailbox(actor_name("session", session)) is not None

    def _close(self, session: str) -> None:
        try:
            self.ref("session", session).tell_nowait(CloseSession(4005, "replaced by a newer link"))
        except ActorError as error:
            self._log.debug("the older session is gone", session=session, error=str(error))

    def _welcome(self, hello: Hello, missed: int | None = None) -> Welcome:
        return Welcome(
            id=self._entropy.hex_id(),
            in_reply_to=hello.id,
            token=f"{self._settings.compat.token_prefix}{self._entropy.hex_id()}",
            cluster=self._cluster,
            max_message_size=self._settings.max_message_size,
            resumed=missed is not None,
            missed=missed or 0,
            features=list(FEATURES),
            requests=CreditLimit(self._settings.max_in_flight, self._settings.max_bytes_in_flight),
        )


class Acceptor(Actor):
    """Listens, and makes a session of each peer that arrives.

    Args:
        settings: The channel's settings.
        listener: Takes peers in.
        channel: The channel's name.
        sessions: Where sessions are started: the channel's children, which outlive a crash of this actor.
        table: Where sessions enter themselves and their peers.
        clock: Since when peers are connected.
        entropy: Names of sessions.
        logs: The last messages of sessions.
    """

    kind = "listener"
    retry = Backoff(first=0.5, longest=5.0, reset_after=10.0)

    def __init__(
        self,
        settings: ChannelSettings,
        listener: Listener,
        *,
        channel: str,
        sessions: Children,
        table: SessionTable,
        clock: Clock,
        entropy: Entropy,
        logs: MessageLogs,
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._channel = channel
        self._sessions = sessions
        self._table = table
        self._clock = clock
        self._entropy = entropy
        self._logs = logs

    async def run(self) -> None:
        """Listen until asked to stop; an address that cannot be bound is tried again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _listen(self) -> None:
        address = self._settings.address
        backoff = BackoffState(self.retry)

        def on_listening() -> None:
            backoff.attempt = 0
            self.progress.show("listening", address=address)
            self._log.info("listening", address=address)

        while True:
            try:
                await self._listener.listen(self._open_session, on_listening)
            except OSError as error:
                delay = max(0.2, backoff.next_delay(lambda _low, high: high))
                self.progress.show("cannot listen", address=address, reason=str(error), retry_in=delay)
                self._log.error("cannot listen", address=address, reason=str(error), retry_in=delay)
                await trio.sleep(delay)

    def _open_session(self, arrival: Arrival) -> None:
        def make() -> Session:
            return Session(
                arrival,
                self._table.settings or self._settings,
                channel=self._channel,
                clients=self._table.clients,
                open_sessions=self._table.open,
                clock=self._clock,
                entropy=self._entropy,
                logs=self._logs,
            )

        name = f"{self._channel}/ws.{self._entropy.hex_id()}"
        self._sessions.start(ChildSpec.of(Session, name=name, make=make))
