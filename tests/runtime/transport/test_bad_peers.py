"""Peers that send what they should not, over real sockets to a real channel: each costs at most its own link."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, WebSocketConnection

from runtime.cluster import Cluster
from runtime.transport import Address
from tests.planted import PASSWORD
from tests.runtime.test_processes import free_port
from tests.runtime.transport.support import TIMESTAMP, websocket
from tests.support import emea_settings, start_real

PATH = "/zato.wsx.gateway"
KIB = 1024
LIMIT = 64 * KIB
UPGRADE = f"GET {PATH} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
KEYS = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


class ZatoPeer:
    """A client of the channel that does as it should, unless it is told to send something else."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self._ids = count()
        self._token: str | None = None

    def message(self, action: str, data: object = None, **meta: Any) -> str:
        own = {"id": f"id{next(self._ids)}", "timestamp": TIMESTAMP, "token": self._token}
        return json.dumps({"meta": {"action": action, **own, **meta}, "data": data})

    async def exchange(self, frame: str | bytes) -> Any:
        """Send a frame and return the next one that comes."""
        await self.socket.send_message(frame)
        return json.loads(await self.socket.get_message())

    async def log_in(self) -> None:
        answer = await self.exchange(self.message("create-session", username="apac", secret=PASSWORD))
        self._token = answer["data"]["token"]

    async def check(self) -> None:
        """Assert that the link carries a call and its answer."""
        answer = await self.exchange(self.message("invoke-service", {"service": "demo.echo", "request": "hello"}))
        assert answer["meta"]["status"] == 200
        assert "hello" in str(answer["data"])

    async def end(self) -> int:
        """Read what comes until the link ends, and return the code of the close."""
        while True:
            try:
                await self.socket.get_message()
            except ConnectionClosed as closed:
                return 0 if closed.reason is None else closed.reason.code


@asynccontextmanager
async def peer(address: Address, **options: Any) -> AsyncGenerator[ZatoPeer, None]:
    stream = await trio.open_tcp_stream(address.host, address.port)
    async with websocket(stream, address, **options) as socket:
        yield ZatoPeer(socket)


async def until_listening(cluster: Cluster) -> None:
    revision = 0
    while True:
        changes = await cluster.registry.wait_changes(revision)
        revision = changes.revision
        if any((one["kind"], one["state"]) == ("listener", "listening") for one in changes.changed):
            return


async def until_sessions(cluster: Cluster, number: int) -> None:
    """Wait until no more than so many sessions are left."""
    revision = 0
    while len([one for one in cluster.registry.snapshot() if one["kind"] == "session"]) > number:
        revision = (await cluster.registry.wait_changes(revision)).revision


@asynccontextmanager
async def channel(nursery: trio.Nursery, **options: Any) -> AsyncGenerator[Address, None]:
    """Start a cluster with a channel; a good peer has a link from the start, which works at the end.

    By then nothing is left of the others, and nothing has crashed.
    """
    address = Address("ws", "127.0.0.1", free_port(), PATH)
    settings = emea_settings(address=str(address), max_message_size=LIMIT, **options)
    cluster: Cluster = await start_real(nursery, "emea", settings)
    with trio.fail_after(30), capture_logs() as logs:
        await until_listening(cluster)
        async with peer(address) as good:
            await good.log_in()
            await good.check()
            yield address
            await good.check()
            await until_sessions(cluster, 1)
        async with peer(address) as newcomer:
            await newcomer.log_in()
            await newcomer.check()
        await cluster.stop()
    assert not [one for one in logs if one["log_level"] in ("error", "critical")]


def without_meta(**meta: Any) -> str:
    return json.dumps({"meta": {"id": "a", "timestamp": TIMESTAMP, **meta}, "data": "x"})


NOT_UTF8 = b"\xff\xfe\xfd"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (NOT_UTF8, 4001),
        ("no JSON", 1008),
        ("[1, 2]", 1008),
        ('{"data": "no meta"}', 1008),
        (json.dumps({"meta": {"action": "create-session"}}), 1008),
        (without_meta(action="no-such-action"), 1008),
        ("x" * (LIMIT + 1), 1009),
        ("é" * (LIMIT // 2 + 1), 1009),
        (b"x" * (3 * KIB * KIB), 1009),
    ],
    ids=["not UTF-8", "not JSON", "no object", "no meta", "no id", "no action", "large", "wide", "very large"],
)
async def test_bad_bytes_without_a_session_end_the_link(nursery: trio.Nursery, frame: str | bytes, code: int) -> None:
    """A peer that has not logged in and sends something else is closed with the code that says why."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.socket.send_message(frame)
        assert await bad.end() == code


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (NOT_UTF8, 422),
        ("no JSON", 400),
        ("[1, 2]", 400),
        ('{"data": "no meta"}', 400),
        (json.dumps({"meta": {"action": "invoke-service"}}), 400),
        ("[" * 10_000, 400),
    ],
    ids=["not UTF-8", "not JSON", "no object", "no meta", "no id", "deep"],
)
async def test_bad_bytes_in_a_session_are_answered(nursery: trio.Nursery, frame: str | bytes, status: int) -> None:
    """A peer that has logged in is told what is wrong, and its link goes on."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.log_in()
        answer = await bad.exchange(frame)
        assert answer["meta"]["status"] == status
        assert answer["meta"]["error_message"]
        await bad.check()


async def test_an_unknown_action_is_answered_as_a_request(nursery: trio.Nursery) -> None:
    """What names no service is a bad request, whatever its action is called, and the link goes on."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.log_in()
        answer = await bad.exchange(bad.message("no-such-action", {"no": "service"}))
        assert answer["meta"]["status"] == 400
        await bad.check()


async def test_a_wrong_token_ends_the_link(nursery: trio.Nursery) -> None:
    """A message with another session's token closes the link of whoever sent it."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.log_in()
        await bad.socket.send_message(bad.message("invoke-service", {"service": "demo.echo"}, token="stolen"))
        assert await bad.end() == 1008


@pytest.mark.parametrize("size", [LIMIT + 1, 3 * KIB * KIB])
async def test_too_large_a_message_ends_its_link_with_1009(nursery: trio.Nursery, size: int) -> None:
    """In a session, too, the peer that sent it reads the reason, however much of it is still under way."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.log_in()
        await bad.socket.send_message("x" * size)
        assert await bad.end() == 1009


async def test_what_follows_too_large_a_message_does_not_hide_the_reason(nursery: trio.Nursery) -> None:
    """A peer that sends on and on after a message with too many bytes reads why its link ends."""
    async with channel(nursery) as address, peer(address) as bad:
        await bad.log_in()
        try:
            await bad.socket.send_message("é" * (LIMIT // 2 + 1))
            for _ in range(200):
                await bad.socket.send_message("x" * LIMIT)
        except ConnectionClosed:
            pass  # the close was faster
        assert await bad.end() == 1009


@pytest.mark.parametrize(
    ("frame", "code"), [(b"\xc1\xc1\xc1", 1007), ("text", 1002), (b"\x91\x92\xa6invoke\xa1a", 1002)]
)
async def test_bad_bytes_on_a_native_link_end_it(nursery: trio.Nursery, frame: str | bytes, code: int) -> None:
    """Garbage, text, and a message before the session close a native link with a code of the protocol."""
    async with channel(nursery) as address, peer(address, subprotocols=("isthmus.1",)) as bad:
        assert bad.socket.subprotocol == "isthmus.1"
        await bad.socket.send_message(frame)
        assert await bad.end() == code


# Beneath messages


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x83\x00\x00\x00\x00\xff\xfe\xfd", 1007),
        (b"\x83\x80\x00\x00\x00\x00", 1002),
        (b"\x81\x03abc", 1002),
        (b"\xf1\x83\x00\x00\x00\x00abc", 1002),
        (b"\x89\xfe\x01\x00\x00\x00\x00\x00" + bytes(256), 1002),
        (b"\x88\x82\x00\x00\x00\x00\x00\x01", 1002),
        (b"\x83\x80\x00\x00\x00\x00" + bytes(300 * KIB), 1002),
    ],
    ids=["not UTF-8", "unknown opcode", "unmasked", "reserved bits", "large ping", "bad close", "more to come"],
)
async def test_bad_frames_end_their_link_with_the_reason(nursery: trio.Nursery, frame: bytes, code: int) -> None:
    """What breaks RFC 6455 is answered with a close frame that says so, which the peer gets whatever it still sends."""
    async with channel(nursery) as address, await trio.open_tcp_stream(address.host, address.port) as stream:
        await stream.send_all(f"{UPGRADE}{KEYS}\r\n".encode())
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some()
        assert received.startswith(b"HTTP/1.1 101")
        await stream.send_all(frame)
        answer = b"".join([part async for part in stream])
        assert answer[0] == 0x88
        assert int.from_bytes(answer[2:4], "big") == code
        assert answer[1] == len(answer) - 2


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"x" * 200_000, b"400"),
        (f"{UPGRADE}{KEYS}\r\n".replace(PATH, "/other").encode(), b"404"),
    ],
    ids=["TLS", "plain GET", "endless line", "wrong path"],
)
async def test_what_is_no_upgrade_ends_its_connection(nursery: trio.Nursery, sent: bytes, status: bytes) -> None:
    """Whatever comes instead of an upgrade is refused by status where there is one, and closed."""
    async with channel(nursery) as address, await trio.open_tcp_stream(address.host, address.port) as stream:
        answer = b""
        try:
            await stream.send_all(sent)
            answer = b"".join([part async for part in stream])
        except trio.BrokenResourceError:
            pass  # closed with bytes unread
        assert not answer or status in answer.split(b"\r\n")[0]


@pytest.mark.parametrize("sent", [b"", UPGRADE.encode()], ids=["nothing", "half an upgrade"])
async def test_silence_in_the_upgrade_ends_after_its_time(nursery: trio.Nursery, sent: bytes) -> None:
    """A peer that says nothing, or stops half-way, is disconnected when the time for the handshake is over."""
    async with (
        channel(nursery, handshake_timeout=0.3) as address,
        await trio.open_tcp_stream(address.host, address.port) as stream,
    ):
        await stream.send_all(sent)
        assert await stream.receive_some() == b""


async def test_peers_that_vanish_cost_nothing(nursery: trio.Nursery) -> None:
    """Connections that are reset at every step of the way leave no session behind, without waiting for a time-out."""
    async with channel(nursery, handshake_timeout=3600.0) as address:
        for sent in (b"", UPGRADE.encode(), f"{UPGRADE}{KEYS}\r\n".encode()):
            stream = await trio.open_tcp_stream(address.host, address.port)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if sent:
                await stream.send_all(sent)
            await stream.aclose()
