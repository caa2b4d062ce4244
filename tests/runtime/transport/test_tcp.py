"""Links over real sockets: every step of a dial that can fail is named, and the listener refuses by status."""

from __future__ import annotations

import datetime
import functools
import re
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import trio
import trustme
from attrs import evolve
from trio_websocket import ConnectionRejected

from actors.errors import DialFailed
from actors.ports import Link
from runtime.transport import Address, LinkOptions
from runtime.transport.tcp import TcpNetwork
from runtime.transport.tls import TlsNetwork
from tests.runtime.test_processes import free_port
from tests.runtime.transport.support import dial, goes_on, open_session, rest_of, serving, websocket

IMPATIENT = LinkOptions(handshake_timeout=0.3)
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def address_at(port: int, *, scheme: str = "ws", host: str = "127.0.0.1", path: str = "/link") -> Address:
    return Address(scheme, host, port, path)


async def idle(link: Link) -> None:
    await trio.sleep_forever()


class Fixed:
    """A context that comes from no file; stands for `ClientTls` and `ServerTls`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = lambda: context

    def check(self, stream: object, host: str) -> None:
        """Take any certificate that the context takes."""


def secured(context: ssl.SSLContext | None) -> TlsNetwork:
    fixed: Any = None if context is None else Fixed(context)
    return TlsNetwork(TcpNetwork(), client=fixed, server=fixed)


async def dial_failure(
    address: Address, context: ssl.SSLContext | None = None, options: LinkOptions | None = None
) -> DialFailed:
    """Dial, and return how that failed."""
    with trio.fail_after(30), pytest.raises(DialFailed) as failed:
        async with dial(secured(context), address=address, options=options):
            pass
    assert address.host in failed.value.reason
    return failed.value


@asynccontextmanager
async def raw_server(behave: Callable[[trio.SocketStream], Awaitable[Any]]) -> AsyncGenerator[int, None]:
    """Listen at a port with a peer that does to each connection what it is given, and closes it."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await behave(stream)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(functools.partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


class Resolver(trio.abc.HostnameResolver):
    """Knows no name, as where there is no network."""

    async def getaddrinfo(self, *_arguments: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_arguments: Any) -> Any:
        raise NotImplementedError


async def test_an_unknown_name_fails_the_look_up() -> None:
    """The dial names the look-up, the host and what the system says."""
    trio.socket.set_custom_hostname_resolver(Resolver())
    failed = await dial_failure(address_at(80, host="nowhere.example"))
    assert failed.part == "look-up"
    assert failed.reason == "nowhere.example: Name or service not known"


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
async def test_what_cannot_be_a_name_fails_the_look_up(host: str) -> None:
    """A host that no resolver takes is a failed look-up, not a crash."""
    assert (await dial_failure(address_at(80, host=host))).part == "look-up"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
async def test_a_refused_connection_is_tcp(scheme: str) -> None:
    """Where nobody listens, the dial names TCP and says so once, with the port."""
    port = free_port()
    failed = await dial_failure(address_at(port, scheme=scheme, host="localhost"))
    assert failed.part == "TCP"
    assert failed.reason == f"localhost:{port}: Connection refused"


# TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, *names: str, not_after: datetime.datetime | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1")), not_after=not_after).configure_cert(context)
    return context


def client_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_link_over_tls_carries_messages(authority: trustme.CA, host: str) -> None:
    """With a certificate that holds, a link opens, works in both directions and says goodbye."""
    address = address_at(free_port(), scheme="wss", host=host)
    gives, takes = trio.open_memory_channel[Link](1)

    async def hold(link: Link) -> None:
        gives.send_nowait(link)
        await trio.sleep_forever()

    with gives, takes, trio.fail_after(30):
        async with (
            serving(secured(server_context(authority)), hold, address=address),
            dial(secured(client_context(authority)), address=address) as client,
        ):
            server = await takes.receive()
            await open_session(client, server)
            await goes_on(client, server)
            await goes_on(server, client)
            assert server.peer.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("names", "not_after", "is_trusted", "reason"),
    [
        (("other.example",), None, True, r"(?i)mismatch.*127\.0\.0\.1"),
        (("127.0.0.1",), LONG_AGO, True, r"certificate has expired"),
        (("127.0.0.1",), None, False, r"(?i)issuer certificate|self.signed certificate"),
    ],
    ids=["wrong name", "expired", "untrusted"],
)
async def test_a_bad_certificate_is_tls_with_its_reason(
    authority: trustme.CA, names: tuple[str, ...], not_after: datetime.datetime | None, is_trusted: bool, reason: str
) -> None:
    """The dial fails in TLS and says what is wrong with the certificate; the listener goes on."""
    address = address_at(free_port(), scheme="wss")
    good = client_context(authority)
    context = good if is_trusted else client_context(trustme.CA())
    bad = server_context(authority, *names, not_after=not_after)
    async with serving(secured(bad), idle, address=address):
        for _ in range(2):
            failed = await dial_failure(address, context)
            assert failed.part == "TLS"
            assert re.search(reason, failed.reason)


async def hang_up(stream: trio.SocketStream) -> None:
    await stream.receive_some()


async def say_nothing(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass


async def answer_plainly(stream: trio.SocketStream) -> None:
    await stream.receive_some()
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize("behave", [hang_up, answer_plainly])
async def test_a_peer_without_tls_fails_in_tls(
    authority: trustme.CA, behave: Callable[[trio.SocketStream], Awaitable[Any]]
) -> None:
    """A peer that closes, or answers plain HTTP, while TLS shakes hands is named so."""
    async with raw_server(behave) as port:
        failed = await dial_failure(address_at(port, scheme="wss"), client_context(authority))
    assert failed.part == "TLS"


# Upgrade


@pytest.mark.parametrize(("behave", "reason"), [(hang_up, "closed the connection"), (say_nothing, "no answer within")])
async def test_a_peer_that_does_not_upgrade_is_named(
    behave: Callable[[trio.SocketStream], Awaitable[Any]], reason: str
) -> None:
    """A peer that closes during the upgrade, or never answers, fails the dial in the upgrade."""
    async with raw_server(behave) as port:
        failed = await dial_failure(address_at(port), options=IMPATIENT)
    assert failed.part == "upgrade"
    assert reason in failed.reason


@pytest.mark.parametrize(
    "answer",
    [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"\x00\xff" * 50],
    ids=["ssh", "200", "garbage"],
)
async def test_a_peer_that_is_no_websocket_fails_in_the_upgrade(answer: bytes) -> None:
    """Whatever answers instead of a WebSocket, the dial names the upgrade and nothing crashes."""

    async def behave(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(answer)
        await say_nothing(stream)

    async with raw_server(behave) as port:
        assert (await dial_failure(address_at(port))).part == "upgrade"


async def test_a_wrong_path_is_404() -> None:
    """The upgrade is refused by status, which the dial names."""
    address = address_at(free_port())
    async with serving(TcpNetwork(), idle, address=address):
        failed = await dial_failure(evolve(address, path="/other"))
    assert failed.part == "upgrade"
    assert "HTTP 404" in failed.reason


async def test_an_origin_that_is_not_listed_is_403() -> None:
    """A browser's page of another site is refused; listed ones and the address itself, as some clients send it, come in."""
    address = address_at(free_port())
    own = f"ws://{address.host}:{address.port}"

    async def connect(origin: str) -> int:
        status = 101
        stream = await trio.open_tcp_stream(address.host, address.port)
        try:
            async with websocket(stream, address, extra_headers=[(b"Origin", origin.encode())]):
                pass
        except* ConnectionRejected as group:
            [rejected] = group.exceptions
            status = cast("ConnectionRejected", rejected).status_code
        return status

    async with serving(TcpNetwork(), idle, address=address, allowed_origins=("https://console.example",)):
        with trio.fail_after(30):
            assert await connect("https://evil.example") == 403
            assert await connect("null") == 403
            assert await connect("https://console.example") == 101
            assert await connect(own) == 101


async def comes_in(address: Address) -> bool:
    try:
        async with dial(TcpNetwork(), address=address):
            return True
    except DialFailed:
        return False


async def test_too_many_links_are_503_until_one_ends() -> None:
    """Above `max_links` a peer is refused by status; when a link has ended there is a place again."""
    address = address_at(free_port())

    async def hold(link: Link) -> None:
        await rest_of(link)

    async with serving(TcpNetwork(), hold, address=address, max_links=1):
        async with dial(TcpNetwork(), address=address):
            failed = await dial_failure(address)
            assert failed.part == "upgrade"
            assert "HTTP 503" in failed.reason
        with trio.fail_after(30):
            while not await comes_in(address):
                await trio.lowlevel.checkpoint()
