"""`isthmus connect`: an interactive client of any channel, of Isthmus or Zato."""

from __future__ import annotations

import getpass
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import trio
from attrs import define, evolve, field
from cyclopts import Parameter

from actors.connections.login import create_session, revealed
from actors.errors import CallError, DialFailed, LinkClosed
from actors.messages import Hello, Welcome
from actors.ports import Link
from actors.secret import Secret
from actors.settings import OutgoingSettings, WireFormat
from runtime.cli.connecting.conversation import Conversation
from runtime.cli.connecting.lines import (
    HELP,
    Help,
    InvokeService,
    Order,
    PublishTo,
    Quit,
    Send,
    SubscribeTo,
    UnsubscribeFrom,
    Wait,
    order_of,
)
from runtime.cli.connecting.prompt import PipedLines, TypedLines
from runtime.cli.connecting.screen import Screen
from runtime.cli.failure import Failed
from runtime.cli.interrupts import on_interrupt
from runtime.cli.options import Flag, Json
from runtime.config.secrets import is_reference, secret_from
from runtime.dialing import dialers_of
from runtime.ports import SystemClock, SystemEntropy
from runtime.transport import Address
from runtime.transport.tcp import TcpNetwork

__all__ = ["connect"]

MAX_MESSAGE = 16 * 1024 * 1024
MOST_LOGINS = 3
"""How often somebody at a terminal may say who they are."""

Several = Annotated[list[str] | None, Parameter(negative="", show_default=False)]


def connect(
    url: str,
    /,
    *,
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    header: Several = None,
    wire: Literal["auto", "isthmus.1", "zato"] = "auto",
    timeout: float = 30.0,
    tls_ca: Path | None = None,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    tls_fingerprint: Several = None,
    unsafe_tls_any_host: Flag = False,
    json_: Json = False,
) -> int:
    """Talk to a channel, of Isthmus or Zato: log in, invoke services, subscribe, publish; `help` says what to type.

    From a pipe it takes a command a line; the status is 1 where one of them failed. Secrets are never said on the
    command line, which others on this machine can see, but by where they are: $NAME, file:PATH or local:NAME.

    Args:
        url: The channel, ws:// or wss://.
        user: Whom to log in as; the password is asked for where nothing is said of it.
        password: Where the password is.
        token: Where a bearer token is, in place of user and password.
        header: A further header, as NAME=VALUE, such as X-API-Key=$KEY; may be given several times.
        wire: Which format is spoken: the native one with whoever knows it and else Zato's, or only one of them.
        timeout: Seconds to wait for an answer.
        tls_ca: Authorities to trust, in PEM; else the system's.
        tls_certificate: A certificate to show, in PEM.
        tls_key: The private key of that.
        tls_fingerprint: SHA-256 of the channel's certificate; may be given several times.
        unsafe_tls_any_host: Take certificates of other hosts, so that any of them may listen in.
        json_: Print an object for each thing that happens, a line each.
    """
    try:
        Address.parse(url)
    except ValueError as error:
        raise Failed(str(error), status=2) from None
    settings = OutgoingSettings(
        url,
        username=user,
        password=_secret("--password", password),
        bearer_token=_secret("--token", token),
        headers=dict(map(_header, header or ())),
        wire=WireFormat(wire),
        tls_ca=tls_ca,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_fingerprint=tuple(tls_fingerprint or ()),
        unsafe_tls_any_host=unsafe_tls_any_host,
        max_message_size=MAX_MESSAGE,
    )
    if user is not None and password is None:
        settings = evolve(settings, password=_asked_for(user))
    return _talk(settings, timeout, as_json=json_, may_ask=user is None and token is None and not header)


def _talk(settings: OutgoingSettings, timeout: float, *, as_json: bool, may_ask: bool) -> int:
    """Talk to a channel; where it wants to know who somebody at a terminal is, ask and try again."""
    for attempt in range(MOST_LOGINS):
        try:
            return trio.run(_Talk(settings, timeout, as_json=as_json).run)
        except DialFailed as error:
            is_last = attempt == MOST_LOGINS - 1
            if is_last or not (may_ask and error.is_denied and sys.stdin.isatty() and sys.stdout.isatty()):
                raise Failed(str(error)) from None
            sys.stderr.write(f"{error}\n")
        user = input("User: ").strip()
        settings = evolve(settings, username=user, password=_asked_for(user))
    raise AssertionError


def _asked_for(user: str) -> Secret:
    if not sys.stdin.isatty():
        raise Failed("the password is missing; say where it is, as in --password '$NAME' or file:PATH", status=2)
    return Secret.of(getpass.getpass(f"Password of {user}: "))


def _secret(option: str, text: str | None) -> Secret | None:
    try:
        return None if text is None else secret_from(text, Path.cwd())
    except ValueError as error:
        raise Failed(f"{option}: {error}", status=2) from None


def _header(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failed("--header: expected NAME=VALUE", status=2)
    return name, _secret("--header", value) if is_reference(value) else value


@define
class _Talk:
    """One session with a channel, and what somebody types meanwhile.

    Args:
        settings: What to dial with.
        timeout: Seconds to wait for an answer.
        as_json: Whether JSON is printed.
    """

    settings: OutgoingSettings
    timeout: float
    as_json: bool
    failures: int = 0
    _entropy: SystemEntropy = field(factory=SystemEntropy)
    _clock: SystemClock = field(factory=SystemClock)
    _screen: Screen = field(init=False)
    _prompt: TypedLines | PipedLines = field(init=False)
    _under_way: trio.CancelScope | None = None

    def __attrs_post_init__(self) -> None:
        is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and not self.as_json
        self._prompt = TypedLines() if is_terminal else PipedLines()
        self._screen = Screen(is_terminal, self.as_json, self._prompt.typed)

    async def run(self) -> int:
        """Dial, log in, and do what is typed; return the exit status.

        Raises:
            DialFailed: When there is no session.
        """
        [dialer] = dialers_of(self.settings, TcpNetwork(), entropy=self._entropy, timestamp=self._clock.timestamp)
        failure: Exception | None = None
        async with dialer.dial() as link:
            welcome, more = await create_session(link, self._hello(), address=dialer.address, timeout=self.timeout)
            self._screen.connected(dialer.address, link.wire, _who(welcome))
            conversation = Conversation(link, self._entropy, self.timeout, self._screen.event)
            conversation.take(more)
            async with trio.open_nursery() as nursery:
                scope = nursery.cancel_scope
                nursery.start_soon(self._listen, conversation, scope)
                with on_interrupt(partial(self._interrupt, scope)), self._prompt.set_up():
                    try:
                        await self._take_orders(conversation)
                    except (OSError, ValueError) as error:  # taken out of the nursery, which would wrap it
                        failure = error
                    scope.cancel()
            await self._leave(link, conversation)
        if failure is not None:
            raise failure
        return 1 if self.failures else 0

    def _hello(self) -> Hello:
        password = self.settings.password
        return Hello(
            self._entropy.hex_id(),
            username=self.settings.username,
            secret=None if password is None else revealed(password, "the password", "session"),
            client_id=f"isthmus.connect.{self._entropy.hex_id()[:16]}",
            client_name="isthmus connect",
        )

    def _interrupt(self, scope: trio.CancelScope) -> None:
        """Give up what is under way, or leave where nothing is."""
        (self._under_way or scope).cancel()

    async def _listen(self, conversation: Conversation, scope: trio.CancelScope) -> None:
        """Take what comes; the end of the link ends the command."""
        await conversation.listen()
        scope.cancel()

    async def _leave(self, link: Link, conversation: Conversation) -> None:
        if conversation.ended is None:
            await link.aclose(1000)
        else:
            self.failures += 1
            self._screen.failed(str(conversation.ended))

    async def _take_orders(self, conversation: Conversation) -> None:
        async for line in self._prompt.lines():
            try:
                order = order_of(line)
            except ValueError as error:
                self.failures += 1
                self._screen.failed(str(error), 400)
                continue
            if isinstance(order, Quit):
                return
            if order is not None:
                await self._do(conversation, order)

    async def _do(self, conversation: Conversation, order: Order) -> None:
        with trio.CancelScope() as self._under_way:
            try:
                await self._carry_out(conversation, order)
            except CallError as error:
                self.failures += 1
                self._screen.failed(f"{error} (status {error.status})", error.status)
            except LinkClosed:  # which is said when the command ends over it
                pass
        if self._under_way.cancelled_caught:
            self.failures += 1
            self._screen.failed("given up")
        self._under_way = None

    async def _carry_out(self, conversation: Conversation, order: Order) -> None:
        screen = self._screen
        match order:
            case InvokeService(service=service, request=request):
                screen.result(await conversation.invoke(service, request))
            case Send(data=data):
                screen.result(await conversation.send(data))
            case PublishTo(topic=topic, data=data):
                screen.result(await conversation.publish(topic, data))
            case SubscribeTo(topic=topic, options=options):
                await conversation.subscribe(topic, options)
                screen.done(f"subscribed to {topic}")
            case UnsubscribeFrom(topic=topic):
                await conversation.unsubscribe(topic)
                screen.done(f"unsubscribed from {topic}")
            case Wait(count=count):
                screen.hint("waiting; Ctrl-C gives up")
                await conversation.wait(count)
            case Help():
                for what, meaning in HELP:
                    screen.line(f"{what:34} {meaning}")


def _who(welcome: Welcome) -> str:
    return " ".join(
        f"{what} {name}" for what, name in (("cluster", welcome.cluster), ("server", welcome.server)) if name
    )
