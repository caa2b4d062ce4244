"""Connections with remote = "websocket": frames to and from a server that is no channel, and what hooks hear of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors import BadInput, LinkDown, LinkLost, MessageReceived, Overloaded, Service
from actors.secret import Secret
from actors.settings import DataFormat, OutgoingSettings, Remote
from runtime.config.schema import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import recorder, until
from tests.support import start
from tests.websocket_server import SERVER, WebSocketServer

FEED = "Feed"


class Sends(Service):
    """Sends a frame, and says what came back."""

    name = "test.sends"

    async def handle(self, request: dict) -> Any:
        async with self.out.wsx[FEED].conn.client() as client:
            send = getattr(client, request.get("way", "send"))
            return repr(await send(*request["frames"], timeout=request.get("timeout", 5.0)))


def settings(**outgoing: Any) -> ClusterSettings:
    names = {"on_connect": "hooks.all", "on_message": "hooks.all", "on_close": "hooks.all"}
    return ClusterSettings(outgoing={FEED: OutgoingSettings(SERVER, remote=Remote.WEBSOCKET, **(names | outgoing))})


async def running(
    nursery: trio.Nursery, network: MemoryNetwork, events: list[Any], *more: type[Service], **outgoing: Any
) -> tuple[WebSocketServer, SimulatedCluster]:
    """Start a server and a cluster whose connection to it is ready."""
    server = WebSocketServer(network, nursery)
    await server.start()
    cluster = await start(nursery, network, "apac", settings(**outgoing), [Sends, recorder(events), *more])
    await cluster.until("outgoing", FEED, "ready")
    await until(lambda: server.sockets)
    return server, cluster


def state(cluster: SimulatedCluster) -> str:
    return str(cluster.entry("outgoing", FEED)["state"])


async def test_frames_go_out_one_by_one_as_text_bytes_or_json(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Each send is one frame and gives None; dicts and lists are sent as JSON text; nothing of ours is added."""
    server, cluster = await running(nursery, network, [])
    for way, frame in (("send", "text"), ("invoke", b"\x00\xff"), ("send", {"a": [1, "ä"]}), ("invoke", [1, 2])):
        assert await cluster.invoke("test.sends", {"way": way, "frames": [frame]}) == "None"
    await until(lambda: len(server.received) == 4)
    assert server.received == ["text", b"\x00\xff", '{"a":[1,"ä"]}', "[1,2]"]
    assert server.requests[-1].path == "/feed?key=hidden"


async def test_what_comes_is_given_to_on_message_as_it_came_and_its_result_goes_nowhere(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Text and bytes are ctx.data itself, between one on_connect and one on_close for each link."""
    events: list[Any] = []

    class Answers(Service):
        name = "hooks.answers"

        async def handle(self, ctx: MessageReceived) -> str:
            events.append(ctx)
            return "an answer that nobody asked for"

    server, cluster = await running(nursery, network, events, Answers, on_message="hooks.answers")
    await server.sockets[0].send_message("text")
    await server.sockets[0].send_message(b"\x01")
    await until(lambda: len(events) == 3)
    await server.sockets[0].aclose(4321, "enough")
    await cluster.until("outgoing", FEED, "backoff")
    await cluster.until("outgoing", FEED, "ready")
    await until(lambda: len(events) == 5)
    assert [one.type for one in events] == ["connect", "message", "message", "close", "connect"]
    assert [one.data for one in events[1:3]] == ["text", b"\x01"]
    assert (events[3].code, events[3].reason, events[3].origin) == (4321, "enough", "remote")
    assert server.received == []


async def test_json_is_read_and_what_is_not_json_is_counted_and_left_out(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """With data_format = "json" the hook gets what the frame says; one that says nothing does not reach it."""
    events: list[Any] = []
    server, cluster = await running(nursery, network, events, data_format=DataFormat.JSON)
    with capture_logs() as logs:
        for frame in ('{"a": 1}', "{nothing", b"[2]", b"\xff\xfe", "7"):
            await server.sockets[0].send_message(frame)
        await until(lambda: len(events) == 4)
    assert [one.data for one in events[1:]] == [{"a": 1}, [2], 7]
    assert cluster.entry("outgoing", FEED)["counts"]["unreadable"] == 2
    assert [one["event"] for one in logs].count("frame not readable") == 2


async def test_frames_are_handled_one_after_the_other_and_before_on_close(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A slow hook keeps their order, and what had come when the server left is handled all the same."""
    seen: list[Any] = []

    class Slow(Service):
        name = "hooks.slow"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            seen.append(f"begins {getattr(ctx, 'data', ctx.type)}")
            await trio.sleep(2)
            seen.append(f"ends {getattr(ctx, 'data', ctx.type)}")

    names = dict.fromkeys(("on_connect", "on_message", "on_close"), "hooks.slow")
    server, _cluster = await running(nursery, network, [], Slow, has_auto_reconnect=False, **names)
    for frame in ("1", "2", "3"):
        await server.sockets[0].send_message(frame)
    await server.sockets[0].aclose()
    await until(lambda: "ends close" in seen)
    order = ["connect", "1", "2", "3", "close"]
    assert seen == [f"{what} {one}" for one in order for what in ("begins", "ends")]


async def test_a_hook_that_is_behind_pauses_the_reading_and_can_still_send(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Beyond the high mark the link is throttled; a hook that answers each frame meanwhile is not in its own way."""
    opened = trio.Event()

    class Echo(Service):
        name = "hooks.echo"

        async def handle(self, ctx: MessageReceived) -> None:
            await opened.wait()
            await ctx.conn.send(ctx.data)

    server, cluster = await running(nursery, network, [], Echo, on_message="hooks.echo", max_unhandled=10)
    frames = [f"frame {number}" for number in range(40)]
    for frame in frames:
        await server.sockets[0].send_message(frame)
    await cluster.until("outgoing", FEED, "throttled")
    opened.set()
    await until(lambda: len(server.received) == len(frames))
    assert server.received == frames
    assert state(cluster) == "ready"


async def test_many_bytes_pause_the_reading_however_few_frames_they_are(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Memory is bounded by bytes, too; a hook that never catches up costs the link, and then the frames."""
    events: list[Any] = []

    class Waits(Service):
        name = "hooks.waits"

        async def handle(self) -> None:
            await trio.sleep_forever()

    names = {"on_message": "hooks.waits", "hook_timeout": 3600.0, "max_throttled_time": 30.0}
    server, cluster = await running(nursery, network, events, Waits, **names)

    async def flood() -> None:
        try:
            for _ in range(40):
                await server.sockets[0].send_message(b"x" * 1_000_000)
        except ConnectionClosed:
            pass

    nursery.start_soon(flood)
    await cluster.until("outgoing", FEED, "throttled")
    assert cluster.entry("outgoing", FEED)["counts"]["frames"] < 25
    entry = await cluster.until("outgoing", FEED, "backoff")
    assert "1013 hooks were behind" in entry["detail"]["reason"]
    began = trio.current_time()
    with capture_logs() as logs:
        await until(lambda: [one.type for one in events][:2] == ["connect", "close"])
    assert 29 < trio.current_time() - began < 31
    [lost] = [one for one in logs if one["event"] == "frames were not handled"]
    assert lost["count"] > 10


async def test_each_way_a_frame_cannot_be_sent_has_its_error(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Too big, of a wrong type, for a service, without a link: each is said, and the link goes on."""
    server, cluster = await running(nursery, network, [], max_message_size=100)

    async def send(*frames: object, **request: Any) -> Any:
        return await cluster.invoke("test.sends", {"frames": frames, **request})

    with pytest.raises(BadInput, match=r"101 bytes, more than the limit of 100 \(max_message_size\)"):
        await send("x" * 101)
    with pytest.raises(BadInput, match="102 bytes"):
        await send("ä" * 51)
    with pytest.raises(BadInput, match="text, bytes, or a dict or list to be sent as JSON; not int"):
        await send(7)
    with pytest.raises(BadInput, match="cannot be said in JSON"):
        await send({"a": {1, 2}, "b": object()})
    for way in ("invoke_service", "invoke", "subscribe"):
        with pytest.raises(BadInput, match="has no services"):
            await send("a.service", *({} if way == "subscribe" else [{}]), way=way)
    await send("x" * 100)
    await until(lambda: server.received)
    assert server.received == ["x" * 100]
    network.refuse("server")
    network.cut()
    await cluster.until("outgoing", FEED, "backoff")
    with pytest.raises(LinkDown, match=r"no link within 3 s; last error: .*connection refused"):
        await send("late", timeout=3.0)
    network.heal()
    await cluster.until("outgoing", FEED, "ready")
    await send("again")
    await until(lambda: "again" in server.received)
    assert "late" not in server.received


async def test_a_frame_that_waits_for_room_is_lost_with_the_link_or_taken_back_in_time(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A server that does not read holds frames up: what times out is never sent, what the link's end meets is LinkLost."""
    server, cluster = await running(nursery, network, [], ping_interval=3600.0, max_waiting=2)
    server.is_reading = False
    outcomes: list[str] = []
    errors: list[str] = []

    async def send(name: str, timeout: float) -> None:
        try:
            await cluster.invoke("test.sends", {"frames": [name.ljust(200_000)], "timeout": timeout})
            outcomes.append(f"{name} sent")
        except (LinkDown, LinkLost, Overloaded) as error:
            errors.append(str(error))
            outcomes.append(f"{name} {type(error).__name__} {getattr(error, 'sent', '')}".rstrip())

    for number in range(8):
        await send(f"f{number}", 2.0)
    first_late = next(place for place, one in enumerate(outcomes) if "LinkDown" in one)
    assert 0 < first_late < 8
    assert all("LinkDown" in one for one in outcomes[first_late:])
    assert "no room on the link within 2 s" in errors[0]
    server.reads_again.set()
    await trio.sleep(10)
    assert [one.strip() for one in server.received] == [f"f{number}" for number in range(first_late)]
    server.reads_again = trio.Event()
    await send("f8", 2.0)  # taken although the server does not look at the next one
    while "LinkDown" not in outcomes[-1]:
        await send("g", 2.0)
    outcomes.clear()
    async with trio.open_nursery() as senders:
        for number in range(4):
            senders.start_soon(send, f"g{number}", 60.0)
            await trio.sleep(0.1)
        network.refuse("server")
        network.cut()
        await cluster.until("outgoing", FEED, "backoff")
        network.heal()
    assert "g0 LinkLost False" in outcomes
    assert "g3 Overloaded" in outcomes


async def test_the_upgrade_offers_bears_and_shows_what_it_should(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Sub-protocols, headers from the open and from secrets, and Basic or bearer credentials, which nobody else sees."""
    events: list[Any] = []
    server = WebSocketServer(network, nursery, select="b.2")
    await server.start()
    upgrade: dict[str, Any] = {
        "subprotocols": ("a.1", "b.2"),
        "headers": {"X-Key": Secret.of("s3cret"), "X-Plain": "plain"},
        "username": "joe",
        "password": Secret.of("pässword"),
    }
    with capture_logs() as logs:
        cluster = await start(nursery, network, "apac", settings(**upgrade), [recorder(events)])
        entry = await cluster.until("outgoing", FEED, "ready")
        await until(lambda: events)
    assert server.requests[0].proposed_subprotocols == ("a.1", "b.2")
    assert server.header("X-Key") == ["s3cret"]
    assert server.header("X-Plain") == ["plain"]
    assert server.header("Authorization") == [f"Basic {base64.b64encode('joe:pässword'.encode()).decode()}"]
    assert entry["detail"]["wire"] == "b.2"
    config = events[0].config
    assert (config.name, config.remote, config["subprotocols"]) == (FEED, "websocket", ("a.1", "b.2"))
    assert (config.password, config.headers) == ("***", {"X-Key": "***", "X-Plain": "***"})
    shown = f"{logs} {cluster.actors()} {config} {events}"
    for secret in ("s3cret", "pässword", "hidden", "plain"):
        assert secret not in shown
    assert config.address == "ws://server:8080/feed?key=***"


async def test_a_bearer_token_is_read_anew_at_each_dial(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A rotated token is taken up; one that cannot be read, or said in a header, is what no link came of."""
    values = ["one", "two", "three\n"]

    def read() -> str:
        if not values:
            msg = "the environment variable TOKEN is not set"
            raise LookupError(msg)
        return values.pop(0)

    server, cluster = await running(nursery, network, [], bearer_token=Secret(read, "$TOKEN"))
    assert server.header("Authorization") == ["Bearer one"]
    network.cut()
    await until(lambda: len(server.requests) == 2)
    assert server.header("Authorization") == ["Bearer two"]
    await cluster.until("outgoing", FEED, "ready")
    network.cut()
    entry = await cluster.until("outgoing", FEED, "rejected")
    assert entry["detail"]["reason"].endswith("what is set of the header Authorization cannot be sent in a header")
    await until(lambda: "TOKEN is not set" in cluster.entry("outgoing", FEED)["detail"].get("reason", ""))
    assert len(server.requests) == 2


@pytest.mark.parametrize(("status", "expected"), [(401, "rejected"), (403, "rejected"), (503, "backoff")])
async def test_a_refused_upgrade_shows_the_status_and_a_denied_one_is_not_hurried(
    network: MemoryNetwork, nursery: trio.Nursery, status: int, expected: str
) -> None:
    """Credentials that are refused are tried again at the longest interval, and sending fails at once meanwhile."""
    server = WebSocketServer(network, nursery, refuse_with=status)
    await server.start()
    cluster = await start(nursery, network, "apac", settings(), [Sends, recorder([])])
    entry = await cluster.until("outgoing", FEED, expected)
    assert f"upgrade: ws://server:8080/feed?key=***: HTTP {status} not you" in entry["detail"]["reason"]
    if expected == "rejected":
        began = trio.current_time()
        with pytest.raises(LinkDown, match=f"HTTP {status}"):
            await cluster.invoke("test.sends", {"frames": ["x"]})
        assert trio.current_time() == began
    server.refuse_with = None
    await cluster.until("outgoing", FEED, "ready")


async def test_its_heartbeat_pings_with_an_empty_object(
    network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each silent ping_interval, `{}`, with blanks that tell pings apart; several missed ones end the link."""
    payloads: list[bytes] = []
    ping = WebSocketConnection.ping

    async def noted(socket: WebSocketConnection, payload: bytes) -> None:
        payloads.append(payload)
        await ping(socket, payload)

    monkeypatch.setattr(WebSocketConnection, "ping", noted)
    server, cluster = await running(nursery, network, [], ping_interval=45.0, pings_missed_threshold=3)
    await trio.sleep(100)
    assert payloads == [b"{}", b"{} "]
    assert len(server.sockets) == 1
    network.silence("server", "apac")
    began = trio.current_time()
    entry = await cluster.until("outgoing", FEED, "backoff")
    assert "4002 Pings missed" in entry["detail"]["reason"]
    assert payloads == [b"{}" + b" " * blanks for blanks in range(5)]
    assert trio.current_time() - began < 60
