"""The stream that never makes a sender wait: nothing freezes, nothing is cut in half, and all of it is bounded."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream
from wsproto.events import Ping

from actors.errors import LinkClosed
from actors.messages import Invoke
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.buffered import CONTROL_ROOM, FLUSH_TIMEOUT, HIGH_WATER, BufferedStream
from tests.runtime.transport.support import ADDRESS, goes_on, pair, receive_invokes, serving, websocket

KIB = 1024
MIB = 1024 * KIB


class SlowStream(trio.abc.Stream):
    """Takes no bytes until its gate is opened, and notes each write."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.writing = trio.Event()
        self.writes: list[bytes] = []
        self.is_closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writing.set()
        await self.gate.wait()
        self.writes.append(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await self.gate.wait()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    async def aclose(self) -> None:
        self.is_closed = True
        await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(("size", "count"), [(128 * KIB, 200), (MIB, 25)])
async def test_two_ends_that_send_large_frames_do_not_freeze(network: MemoryNetwork, size: int, count: int) -> None:
    """Both ends send large frames all the time, each pings the other meanwhile, and every frame arrives."""
    data = "x" * (size - 100)

    async def send(link: Link) -> None:
        for _ in range(count):
            await link.send(Invoke("a", data))

    async def receive(link: Link) -> None:
        received = await receive_invokes(link, count)
        assert all(one == data for one in received)

    async def ping(link: Link) -> None:
        while True:
            assert await link.is_alive()
            await trio.sleep(0.01)

    async with pair(network, LinkOptions(ping_timeout=60.0)) as ends:
        with trio.fail_after(600):
            async with trio.open_nursery() as pings:
                for link in ends:
                    pings.start_soon(ping, link)
                async with trio.open_nursery() as nursery:
                    for link in ends:
                        nursery.start_soon(send, link)
                        nursery.start_soon(receive, link)
                pings.cancel_scope.cancel()


async def _sockets(network: MemoryNetwork, nursery: trio.Nursery) -> tuple[WebSocketConnection, WebSocketConnection]:
    """Return a client's and a server's WebSocket of the bare library, the client's on a buffered stream."""
    [listener] = await network.node("server").listen(ADDRESS)
    transport = await network.node("client").connect(ADDRESS)
    there = await listener.accept()
    stream = BufferedStream(transport, max_frame=2 * MIB)
    stream.writer.may_run_in(nursery)
    found: dict[str, Any] = {}

    async def accept() -> None:
        found["server"] = await (await wrap_server_stream(nursery, there, max_message_size=4 * MIB)).accept()

    async with trio.open_nursery() as both:
        both.start_soon(accept)
        client = await wrap_client_stream(nursery, cast("trio.SocketStream", stream), "server", "/link")
    return client, found["server"]


@pytest.mark.parametrize("is_late", [False, True], ids=["before the frame", "in the frame"])
async def test_a_cancelled_send_leaves_no_half_frame(
    network: MemoryNetwork, nursery: trio.Nursery, is_late: bool
) -> None:
    """A send is cancelled while the network takes nothing; the next message arrives as a frame of its own."""
    client, server = await _sockets(network, nursery)
    network.throttle("client", "server", 64 * KIB)
    with trio.CancelScope(deadline=trio.current_time() + (1.0 if is_late else 0.0)):
        await client.send_message(b"a" * MIB)
    await client.send_message(b"after")
    with trio.fail_after(60):
        message = await server.get_message()
        if is_late:
            assert message == b"a" * MIB
            message = await server.get_message()
    assert message == b"after"
    nursery.cancel_scope.cancel()


async def test_a_cancelled_send_of_a_link_queues_nothing(network: MemoryNetwork) -> None:
    """A send that waits for room is cancelled: the others arrive in order, without a gap and without that one."""
    count = 2000
    network.throttle("client", "server", 64 * KIB)
    async with pair(network, LinkOptions(ping_interval=600.0)) as (client, server):
        sent = 0
        with trio.move_on_after(1):
            for number in range(count):
                await client.send(Invoke(f"a{number}", [number, "x" * KIB]))
                sent += 1
        assert sent < count
        client.send_nowait(Invoke("last", ["last"]))
        received = await receive_invokes(server, sent + 1)
        assert [one[0] for one in received] == [*range(sent), "last"]


async def test_what_nobody_takes_ends_the_stream(autojump_clock: trio.testing.MockClock) -> None:
    """Above room for a frame and for control frames, appending breaks the stream and tells whoever reads."""
    stream = BufferedStream(SlowStream(), max_frame=1000)
    limit = HIGH_WATER + 1000 + CONTROL_ROOM
    await stream.send_all(bytes(limit))
    assert not stream.ended.is_set()
    with pytest.raises(trio.BrokenResourceError, match="does not read"):
        await stream.send_all(b"x")
    assert stream.ended.is_set()
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    with trio.fail_after(1):
        await stream.wait_room()
        await stream.aclose()


async def test_pongs_that_nobody_reads_end_the_link(network: MemoryNetwork) -> None:
    """A peer that sends pings for ever and never reads the pongs loses its link, and costs no more memory."""
    ends: list[LinkClosed] = []
    ended = trio.Event()

    async def wait_for_end(link: Link) -> None:
        with pytest.raises(LinkClosed) as closed:
            await link.receive()
        ends.append(closed.value)
        ended.set()

    node = network.node("client")
    async with (
        serving(network.node("server"), wait_for_end, options=LinkOptions(max_message_size=KIB)),
        websocket(await node.connect(ADDRESS)) as socket,
    ):
        network.silence("server", "client")
        with trio.fail_after(5):
            try:
                while not ended.is_set():
                    await socket._send(Ping(b"x" * 125))
            except ConnectionClosed:
                pass  # the reset was faster
            await ended.wait()
    assert [end.origin for end in ends] == ["network"]


async def test_what_gathers_is_joined_into_one_write(autojump_clock: trio.testing.MockClock) -> None:
    """Whatever was appended while a write was under way is the next write."""
    transport = SlowStream()
    stream = BufferedStream(transport, max_frame=KIB)
    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        await stream.send_all(b"first")
        await transport.writing.wait()
        for part in (b"a", b"bc", b"def"):
            await stream.send_all(part)
        transport.gate.set()
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert transport.writes == [b"first", b"abcdef"]


async def test_room_is_there_again_when_the_buffer_is_written(autojump_clock: trio.testing.MockClock) -> None:
    """Bytes being written count, so there is no room until the transport has taken them."""
    transport = SlowStream()
    stream = BufferedStream(transport, max_frame=KIB)
    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        await stream.send_all(bytes(HIGH_WATER))
        await transport.writing.wait()
        with trio.move_on_after(5) as patience:
            await stream.wait_room()
        assert patience.cancelled_caught
        transport.gate.set()
        with trio.fail_after(1):
            await stream.wait_room()
        assert stream.has_room
        nursery.cancel_scope.cancel()


async def test_a_control_frame_meanwhile_does_not_cost_a_waiter_its_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A pong that is appended while somebody waits for room, and somebody else closes, delays neither of them."""
    transport = SlowStream()
    stream = BufferedStream(transport, max_frame=KIB)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        await stream.send_all(bytes(HIGH_WATER))
        with trio.fail_after(FLUSH_TIMEOUT / 2):
            async with trio.open_nursery() as waiting:
                waiting.start_soon(stream.wait_room)
                waiting.start_soon(stream.aclose)
                await trio.testing.wait_all_tasks_blocked()
                await stream.send_all(b"pong")
                transport.gate.set()
        nursery.cancel_scope.cancel()
    assert trio.current_time() == began
    assert transport.writes == [bytes(HIGH_WATER), b"pong"]


async def test_a_message_is_framed_only_when_there_is_room(network: MemoryNetwork) -> None:
    """While the buffer is full, a message can still be withdrawn, and the peer never sees it."""
    async with pair(network, LinkOptions(ping_interval=600.0)) as (client, server):
        network.silence("client", "server")
        for name in ("large", "larger", "largest"):
            client.send_nowait(Invoke(name, "x" * (60 * KIB)))
        await trio.testing.wait_all_tasks_blocked()
        assert not client.withdraw("largest")
        for name in ("first", "second"):
            client.send_nowait(Invoke(name, name))
        await trio.testing.wait_all_tasks_blocked()
        assert client.withdraw("first")
        network.heal()
        assert (await receive_invokes(server, 4))[3:] == ["second"]
        await goes_on(client, server)


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_closing_flushes_first(autojump_clock: trio.testing.MockClock, is_cancelled: bool) -> None:
    """What was appended reaches a slow transport before it is closed, even where the owner was cancelled."""
    transport = SlowStream()
    stream = BufferedStream(transport, max_frame=KIB)

    async def open_late() -> None:
        await trio.sleep(FLUSH_TIMEOUT / 2)
        assert not transport.is_closed
        transport.gate.set()

    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        nursery.start_soon(open_late)
        await stream.send_all(b"goodbye")
        with trio.CancelScope() as scope:
            if is_cancelled:
                scope.cancel()
            await stream.aclose()
        assert transport.writes == [b"goodbye"]
        assert transport.is_closed
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(b"x")
        nursery.cancel_scope.cancel()


async def test_closing_takes_no_longer_than_its_bound(autojump_clock: trio.testing.MockClock) -> None:
    """A transport that takes nothing is closed when the time for flushing is over."""
    transport = SlowStream()
    stream = BufferedStream(transport, max_frame=KIB)
    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        await stream.send_all(b"goodbye")
        began = trio.current_time()
        await stream.aclose()
        assert trio.current_time() - began == FLUSH_TIMEOUT
        await stream.aclose()
        nursery.cancel_scope.cancel()
    assert transport.is_closed
