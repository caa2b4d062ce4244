"""Channel: lets authenticated peers in. Each peer that it admits is a session, a child of the channel.

Listening is a child, too (`Acceptor`), so that neither a crash of the channel nor of one session costs the
other peers their links. The acceptor waits for a peer's `Hello`; the channel decides about it.
"""

from __future__ import annotations

from typing import Any, Protocol

import trio
from attrs import define, frozen

from actors.actor import Actor
from actors.call import Caller, PeerIdentity
from actors.endpoint import Endpoint
from actors.errors import ActorError, Forbidden, LinkClosed
from actors.messages import Denied, Hello, Welcome
from actors.ports import Entropy, Link, Listener
from actors.ref import DEFAULT_TIMEOUT
from actors.retry import BackoffState
from actors.session import CloseSession, Renew, Session
from actors.settings import ChannelSettings
from actors.supervision import Backoff, ChildSpec, Restart

__all__ = ["Channel", "Gate"]

NOT_AUTHORIZED = "You are not authorized to access this resource"


class Gate(Protocol):
    """Checks credentials."""

    async def admits(self, username: str | None, secret: str | None) -> bool:
        """Tell, in a time that does not depend on what is wrong, whether they are right."""
        ...


@frozen
class Admit:
    """From the acceptor: a peer asks for a session over this link; `ended` is set when the session is over."""

    link: Link
    hello: Hello
    ended: trio.Event


@define
class _Admitted:
    """A session of a native peer, to tell a newer link of the same process by."""

    session: str
    incarnation: str


class Channel(Actor):
    """Decides who gets a session.

    Args:
        settings: Its section of clusters.toml.
        gate: Checks credentials; None on a channel with `security = "none"`.
        listener: Takes links at the channel's address.
        endpoint: The topics of its peers.
        cluster: The cluster's name, which native peers are told.
        entropy: Ids and tokens.
        is_admin: Whether its sessions may call administrative services.
    """

    answers_with = (Forbidden,)

    def __init__(
        self,
        settings: ChannelSettings,
        *,
        gate: Gate | None,
        listener: Listener,
        endpoint: Endpoint | None,
        cluster: str,
        entropy: Entropy,
        is_admin: bool = False,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._listener = listener
        self._endpoint = endpoint
        self._cluster = cluster
        self._entropy = entropy
        self._is_admin = is_admin
        self._sessions: dict[PeerIdentity, _Admitted] = {}

    async def setup(self) -> None:
        """Start listening."""
        self.progress.show("active" if self._settings.active else "not active", service=self._settings.service)
        if self._settings.active:
            self.children.start(
                ChildSpec("listener", self.actor, lambda: Acceptor(self._settings, self._listener, self.actor))
            )

    async def receive(self, message: Any) -> Any:
        """Admit a peer, or renew its session."""
        match message:
            case Admit(link=link, hello=hello, ended=ended):
                await self._check(hello, link.peer)
                self._open_session(link, hello, ended)
            case Renew(hello=hello):
                await self._check(hello, "an open session")
                return self._welcome(hello)
        return None

    async def _check(self, hello: Hello, peer: str) -> None:
        if self._gate is None or await self._gate.admits(hello.username, hello.secret):
            return
        self._log.warning(
            "log-in refused: username or password do not match",
            peer=peer,
            username=hello.username,
            security=self._settings.security,
        )
        raise Forbidden(NOT_AUTHORIZED)

    def _open_session(self, link: Link, hello: Hello, ended: trio.Event) -> None:
        identity = PeerIdentity(self._settings.security, hello.cluster, hello.connection)
        name = f"{self.actor}/ws.{self._entropy.hex_id()}"
        if identity.is_lasting:
            self._replace_older(identity, hello, name)
        caller = Caller(
            session=name,
            channel=self.actor,
            identity=identity,
            client_id=hello.client_id,
            client_name=hello.client_name,
            peer=link.peer,
            wire=link.wire,
            compat=self._settings.compat,
            services_allowed=self._settings.services_allowed,
            endpoint=self._endpoint,
            is_admin=self._is_admin,
        )
        welcome = self._welcome(hello)
        self.children.start(
            ChildSpec(
                "session",
                name,
                lambda: Session(
                    link,
                    caller,
                    service=self._settings.service,
                    max_in_flight=self._settings.max_in_flight,
                    welcome=welcome,
                    entropy=self._entropy,
                    ended=ended,
                ),
                restart=Restart.TEMPORARY,
            )
        )

    def _welcome(self, hello: Hello) -> Welcome:
        return Welcome(
            id=self._entropy.hex_id(),
            in_reply_to=hello.id,
            token=f"zwsxt.{self._entropy.hex_id()}",
            cluster=self._cluster,
            max_message_size=self._settings.max_message_size,
        )

    def _replace_older(self, identity: PeerIdentity, hello: Hello, name: str) -> None:
        """A newer link of the same process replaces the older one at once."""
        older = self._sessions.get(identity)
        self._sessions[identity] = _Admitted(name, hello.incarnation)
        if older is not None and older.incarnation == hello.incarnation:
            try:
                self.ref("session", older.session).tell_nowait(CloseSession(4005, "replaced by a newer link"))
            except ActorError:
                self._log.debug("the older session is gone", session=older.session)


class Acceptor(Actor):
    """Listens, and brings each peer that says hello to the channel.

    Args:
        settings: The channel's settings.
        listener: Takes links.
        channel: The channel's name.
    """

    retry = Backoff(first=0.5, longest=5.0, reset_after=10.0)

    def __init__(self, settings: ChannelSettings, listener: Listener, channel: str) -> None:
        self._settings = settings
        self._listener = listener
        self._channel = channel

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
                await self._listener.listen(self._on_link, on_listening)
            except OSError as error:
                delay = max(0.2, backoff.next_delay(lambda _low, high: high))
                self.progress.show("cannot listen", address=address, error=str(error), retry_in=delay)
                self._log.error("cannot listen", address=address, error=str(error), retry_in=delay)
                await trio.sleep(delay)

    async def _on_link(self, link: Link) -> None:
        """See one link through: its hello, the channel's decision, its session's life."""
        try:
            hello = await self._hello(link)
        except LinkClosed:
            return
        if hello is None:
            wait = self._settings.new_token_wait_time
            self._log.warning("no session was created in time", peer=link.peer, seconds=wait)
            await self._deny(link, NOT_AUTHORIZED)
            return
        ended = trio.Event()
        try:
            await self.ref("channel", self._channel).ask(Admit(link, hello, ended), timeout=DEFAULT_TIMEOUT)
        except Forbidden as error:
            await self._deny(link, str(error))
        except ActorError as error:
            self._log.error("a peer could not be admitted", peer=link.peer, error=str(error))
            await link.aclose(1013, "Try again later")
        else:
            await ended.wait()

    async def _hello(self, link: Link) -> Hello | None:
        with trio.move_on_after(self._settings.new_token_wait_time):
            while True:
                for message in await link.receive():
                    if isinstance(message, Hello):
                        return message
        return None

    async def _deny(self, link: Link, reason: str) -> None:
        link.send_nowait(Denied("denied", reason))
        await link.aclose(1008, reason)
