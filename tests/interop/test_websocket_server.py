"""Connections with remote = "websocket" to a server that is not ours: the library `websockets`, on real sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, basic_auth, serve

from actors import Backoff, Closed, ConnectionAdapter, OnMessageReceived, Service
from actors.ref import ActorRef
from actors.secret import Secret
from actors.services.call import Call
from actors.settings import DataFormat, OutgoingSettings, Remote
from runtime.cluster import Cluster
from runtime.config.schema import ClusterSettings
from tests.processes import free_port
from tests.support import start_real

FEED = "Feed"
LARGE = 900_000
SOON = 30.0


class Server:
    """The server, in threads; what happens at it comes out of `happened` as pairs of a word and what belongs to it."""

    def __init__(self, **options: Any) -> None:
        self.port = free_port()
        self._options = options
        self._token = trio.lowlevel.current_trio_token()
        self._tell, self._told = trio.open_memory_channel[tuple[str, Any]](1000)
        self._connections: list[ServerConnection] = []

    def say(self, word: str, what: Any) -> None:
        """Tell the test, from whichever thread."""
        trio.from_thread.run_sync(self._tell.send_nowait, (word, what), trio_token=self._token)

    async def next(self, word: str) -> Any:
        """Wait for something to happen, passing over everything else."""
        with trio.fail_after(SOON):
            async for happened, what in self._told:
                if happened == word:
                    return what
        raise AssertionError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve as long as the context, then close what is open and leave no thread."""
        server = serve(self._serve, "127.0.0.1", self.port, create_connection=self._noting(), **self._options)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.to_thread.run_sync, server.serve_forever))
            try:
                yield
            finally:
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(server.shutdown)
                    for connection in self._connections:
                        await trio.to_thread.run_sync(connection.close, 1001, "Going away")
                    self._connections.clear()

    def _noting(self) -> type[ServerConnection]:
        say = self.say

        class Noting(ServerConnection):
            def process_event(self, event: Any) -> None:
                if isinstance(event, Frame) and event.opcode is Opcode.PING:
                    say("pinged", bytes(event.data))
                super().process_event(event)

        return Noting

    def _serve(self, connection: ServerConnection) -> None:
        self._connections.append(connection)
        self.say("connected", connection)
        try:
            for frame in connection:
                self._obey(connection, frame)
        except ConnectionClosed:
            pass
        self.say("closed", (connection.close_code, connection.close_reason))

    def _obey(self, connection: ServerConnection, frame: str | bytes) -> None:
        match frame.split() if isinstance(frame, str) else []:
            case ["fragments"]:
                connection.send(["frag", "men", "ted"])
            case ["large", size]:
                connection.send(b"x" * int(size))
            case ["ping"]:
                connection.ping(b"").wait(SOON)
                connection.send("ponged")
            case ["close", code, reason]:
                connection.close(int(code), reason)
            case ["drop"]:
                connection.socket.close()
            case _:
                connection.send(frame)


class Sends(Service):
    name = "test.sends"

    async def handle(self, frame: Any) -> None:
        await self.out.wsx[FEED].conn.send(frame)


class Client:
    """A cluster with a connection to the server; its events come out of `next`."""

    def __init__(self) -> None:
        self._tell, self._told = trio.open_memory_channel[Any](1000)
        self.cluster: Cluster

    async def start(self, nursery: trio.Nursery, server: Server, **outgoing: Any) -> None:
        tell = self._tell

        class Adapter(ConnectionAdapter):
            name = "test.adapter"

            async def on_connected(self, ctx: Any) -> None:
                tell.send_nowait(("connect", ctx.attempt))

            async def on_message_received(self, ctx: OnMessageReceived) -> None:
                tell.send_nowait(("message", ctx.data))

            async def on_closed(self, ctx: Closed) -> None:
                tell.send_nowait(("close", (ctx.code, ctx.reason, ctx.origin)))

        names = dict.fromkeys(("on_connect", "on_message", "on_close"), "test.adapter")
        options = {"remote": Remote.WEBSOCKET, "backoff": Backoff(0.05, 0.2), **names, **outgoing}
        settings = ClusterSettings(
            outgoing={FEED: OutgoingSettings(f"ws://127.0.0.1:{server.port}/v1?key=hidden", **options)}
        )
        self.cluster = await start_real(nursery, "apac", settings, [Adapter, Sends])

    async def next(self, word: str) -> Any:
        """Wait for the next event, which must be of this kind."""
        with trio.fail_after(SOON):
            happened, what = await self._told.receive()
        assert happened == word, (happened, what)
        return what

    async def send(self, frame: object) -> None:
        await ActorRef("service:test.sends", self.cluster.registry).ask(Call(frame), timeout=SOON)

    async def until(self, state: str) -> dict[str, Any]:
        """Wait until the connection is in a state."""
        revision = 0
        with trio.fail_after(SOON):
            while True:
                changes = await self.cluster.registry.wait_changes(revision)
                revision = changes.revision
                for one in changes.changed:
                    if (one["kind"], one["state"]) == ("outgoing", state):
                        detail: dict[str, Any] = one["detail"]
                        return detail
        raise AssertionError


async def test_frames_of_each_kind_and_size_go_both_ways(nursery: trio.Nursery) -> None:
    """Text, bytes, JSON, fragmented and large messages, in order."""
    server, client = Server(), Client()
    async with server.running():
        await client.start(nursery, server)
        await client.next("connect")
        for frame in ("text ä", b"\x00\xff", "", b"", "x" * LARGE, b"y" * LARGE):
            await client.send(frame)
            assert await client.next("message") == frame
        await client.send({"a": [1, "ä"]})
        assert await client.next("message") == '{"a":[1,"ä"]}'
        await client.send("fragments")
        assert await client.next("message") == "fragmented"
        for number in range(200):
            await client.send(str(number))
        assert [await client.next("message") for _ in range(200)] == [str(number) for number in range(200)]


async def test_json_is_read_and_other_frames_are_left_out(nursery: trio.Nursery) -> None:
    """With data_format = "json" on_message gets what a frame says; what is not JSON does not reach it."""
    server, client = Server(), Client()
    async with server.running():
        await client.start(nursery, server, data_format=DataFormat.JSON)
        await client.next("connect")
        for frame in ({"a": 1}, "not JSON", b"[2]"):
            await client.send(frame)
        assert [await client.next("message"), await client.next("message")] == [{"a": 1}, [2]]


async def test_the_end_of_a_link_is_told_as_it_came(nursery: trio.Nursery) -> None:
    """A close code and its reason, a dropped connection and too large a message; each time there is a new link."""
    server, client = Server(), Client()
    async with server.running():
        await client.start(nursery, server, max_message_size=LARGE)
        await client.next("connect")
        await client.send("close 4321 enough")
        assert await client.next("close") == (4321, "enough", "remote")
        await client.next("connect")
        await client.until("ready")
        await client.send("drop")
        assert (await client.next("close"))[0::2] == (1006, "network")
        await client.next("connect")
        await client.until("ready")
        await client.send(f"large {LARGE + 1}")
        code, reason, origin = await client.next("close")
        assert (code, origin) == (1009, "local")
        assert str(LARGE) in reason
        await client.next("connect")


async def test_stopping_says_goodbye(nursery: trio.Nursery) -> None:
    """A cluster that stops closes with 1001, and on_close has run when it has ended."""
    server, client = Server(), Client()
    async with server.running():
        await client.start(nursery, server)
        await client.next("connect")
        await client.cluster.stop()
        assert await client.next("close") == (1001, "Going away", "local")
        assert await server.next("closed") == (1001, "Going away")


async def test_a_restarted_server_is_found_again(nursery: trio.Nursery) -> None:
    """Down, the connection backs off; up, frames go again."""
    server, client = Server(), Client()
    async with server.running():
        await client.start(nursery, server)
        await client.next("connect")
    assert (await client.next("close"))[0] == 1001
    assert "last error" not in await client.until("backoff")
    async with server.running():
        await client.next("connect")
        await client.until("ready")
        await client.send("again")
        assert await client.next("message") == "again"


async def test_both_ends_ping(nursery: trio.Nursery) -> None:
    """Our heartbeat says `{}`, theirs is answered, and an idle link lives through many intervals."""
    server, client = Server(ping_interval=0.05, ping_timeout=5.0), Client()
    async with server.running():
        await client.start(nursery, server, ping_interval=0.02, ping_timeout=5.0)
        await client.next("connect")
        await client.send("ping")
        assert await client.next("message") == "ponged"

    server, client = Server(ping_interval=None), Client()
    async with server.running():
        await client.start(nursery, server, ping_interval=0.05, ping_timeout=5.0)
        await client.next("connect")
        assert [json.loads(await server.next("pinged")) for _ in range(5)] == [{}] * 5
        await client.send("alive")
        assert await client.next("message") == "alive"


async def test_sub_protocols_and_headers_are_what_the_server_sees(nursery: trio.Nursery) -> None:
    """The server selects one of those offered, and gets the query string and each header."""
    server, client = Server(subprotocols=["b.2"]), Client()
    headers = {"X-Key": Secret.of("s3cret"), "X-Plain": "as it is"}
    async with server.running():
        await client.start(nursery, server, subprotocols=("a.1", "b.2"), headers=headers)
        connection = await server.next("connected")
        assert connection.subprotocol == "b.2"
        assert connection.request.path == "/v1?key=hidden"
        assert connection.request.headers["Sec-WebSocket-Protocol"] == "a.1, b.2"
        assert (connection.request.headers["X-Key"], connection.request.headers["X-Plain"]) == ("s3cret", "as it is")
        detail = await client.until("ready")
        assert detail["wire"] == "b.2"


async def test_a_server_that_wants_a_sub_protocol_of_its_own_refuses_us(nursery: trio.Nursery) -> None:
    """What it says to the upgrade is shown, without what the address hides."""
    server, client = Server(subprotocols=["c.3"]), Client()
    async with server.running():
        await client.start(nursery, server, subprotocols=("a.1",))
        detail = await client.until("backoff")
        assert "upgrade: " in detail["reason"]
        assert "HTTP 400" in detail["reason"]
        assert "/v1?key=***" in detail["reason"]


def bearer(token: str) -> Callable[[ServerConnection, Request], Response | None]:
    def check(connection: ServerConnection, request: Request) -> Response | None:
        is_right = request.headers.get("Authorization") == f"Bearer {token}"
        return None if is_right else connection.respond(403, "no such token")

    return check


CREDENTIALS = ("joe", "pässword")


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (
            basic_auth(credentials=CREDENTIALS),
            {"username": CREDENTIALS[0], "password": Secret.of(CREDENTIALS[1])},
            {"username": CREDENTIALS[0], "password": Secret.of("wrong")},
        ),
        (bearer("t0ken"), {"bearer_token": Secret.of("t0ken")}, {"bearer_token": Secret.of("wrong")}),
        (
            basic_auth(credentials=CREDENTIALS),
            {"headers": {"Authorization": f"Basic {base64.b64encode(':'.join(CREDENTIALS).encode()).decode()}"}},
            {},
        ),
    ],
    ids=["basic", "bearer", "a header"],
)
async def test_credentials_let_us_in_or_do_not(
    nursery: trio.Nursery, check: Any, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    """The right ones are taken; the wrong ones show as rejected with the server's status."""
    server = Server(process_request=check)
    async with server.running():
        stranger = Client()
        await stranger.start(nursery, server, **wrong)
        detail = await stranger.until("rejected")
        assert "HTTP 40" in detail["reason"]
        friend = Client()
        await friend.start(nursery, server, **right)
        await friend.next("connect")
        await friend.send("hello")
        assert await friend.next("message") == "hello"
