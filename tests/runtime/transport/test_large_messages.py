"""Large messages on a link: they hold up nobody, and what is taken back or broken frees what it held."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
import trio

from actors.errors import LinkClosed
from actors.messages import Invoke, Reply
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.buffered import HIGH_WATER
from runtime.transport.link import WebSocketLink
from runtime.transport.outbox import MAX_OUTBOX
from runtime.wire.parts import PART_SIZE, PART_TIMEOUT, Part
from tests.runtime.transport.support import goes_on, pair, rest_of

KIB = 1024
BUFFER = 64 * KIB
"""Bytes that the simulated network holds."""

RATE = 64 * KIB
"""Bytes a second of a slow link."""
AHEAD = HIGH_WATER + BUFFER + 2 * PART_SIZE
"""Bytes that may be ahead of a small message: in the stream, in the network, and a part at either end of it."""

LARGE = "x" * (900 * KIB)
QUIET = LinkOptions(ping_interval=3600.0)


async def answer_for_ever(link: Link) -> None:
    """Answer each request with its data, until the link has ended."""
    with contextlib.suppress(LinkClosed):
        while True:
            for message in await link.receive():
                if isinstance(message, Invoke):
                    link.send_nowait(Reply(f"r{message.id}", message.id, message.data))


async def until_answered(link: Link, message_id: str) -> None:
    while all(getattr(one, "in_reply_to", "") != message_id for one in await link.receive()):
        pass


async def until_part_way(receiver: WebSocketLink, count: int = 1) -> None:
    """Wait until the receiver holds parts of so many messages."""
    while len(receiver._wire._assembly._unfinished) < count:  # type: ignore[attr-defined]
        await trio.sleep(0.01)


async def test_a_small_call_overtakes_a_large_one(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """On a link that takes 14 s for a large request, a small one that comes later is answered after a second or two."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", RATE)
        nursery.start_soon(answer_for_ever, server)
        began = trio.current_time()
        await client.send(Invoke("large", LARGE))
        await until_part_way(server)
        for number in range(3):
            asked_at = trio.current_time()
            await client.send(Invoke(f"small{number}", number))
            await until_answered(client, f"small{number}")
            assert trio.current_time() - asked_at < AHEAD / RATE
        await until_answered(client, "large")
        assert trio.current_time() - began > len(LARGE) / RATE


async def test_large_ones_share_the_link_fairly(network: MemoryNetwork) -> None:
    """A smaller one of two that began together does not wait for the whole of the larger."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", RATE)
        await client.send(Invoke("larger", LARGE))
        await client.send(Invoke("smaller", LARGE[: 200 * KIB]))
        [first] = await server.receive()
        assert isinstance(first, Invoke)
        assert first.id == "smaller"
        [second] = await server.receive()
        assert isinstance(second, Invoke)
        assert second.id == "larger"


async def test_a_half_sent_message_can_be_taken_back(network: MemoryNetwork) -> None:
    """It counts as never sent, the peer keeps nothing of it, and until then whoever waits for it to be framed waits."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", RATE)
        await client.send(Invoke("large", LARGE))
        await until_part_way(server)
        with trio.move_on_after(5) as waiting:
            await client.until_framed("large")
        assert waiting.cancelled_caught
        assert client.withdraw("large")
        await client.until_framed("large")
        await goes_on(client, server)
        with trio.fail_after(5):
            while server._wire._assembly.held:  # type: ignore[attr-defined]
                await trio.sleep(0.01)


async def test_a_message_in_parts_is_framed_with_its_last_part(network: MemoryNetwork) -> None:
    """Whoever waits for it goes on, and it cannot be taken back any more."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", RATE)
        began = trio.current_time()
        await client.send(Invoke("large", LARGE))
        await client.until_framed("large")
        assert trio.current_time() - began > (len(LARGE) - 200 * KIB) / RATE
        assert not client.withdraw("large")
        [invoke] = await server.receive()
        assert isinstance(invoke, Invoke)


async def test_a_link_lost_half_way_leaves_the_message_unsent(network: MemoryNetwork) -> None:
    """What is under way when the link is lost can be taken back: the peer has never had it."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", RATE)
        await client.send(Invoke("large", LARGE))
        await until_part_way(server)
        network.cut()
        with pytest.raises(LinkClosed):
            await client.receive()
        assert client.withdraw("large")


async def test_those_under_way_in_parts_count_among_what_waits(network: MemoryNetwork) -> None:
    """However many large messages are sent, only so many are held; further ones wait for room."""
    async with pair(network, QUIET) as (client, _server):
        network.silence("client", "server")
        queued = 0
        with trio.move_on_after(60):
            while True:
                await client.send(Invoke(f"m{queued}", LARGE[: 100 * KIB]))
                queued += 1
                await trio.lowlevel.checkpoint()
        assert queued <= 2 * MAX_OUTBOX
        assert not client.has_room


async def test_closing_waits_for_what_is_under_way(network: MemoryNetwork) -> None:
    """Within its bound: what can be sent in that time arrives before the goodbye."""
    async with pair(network, QUIET) as (client, server):
        network.throttle("client", "server", 1024 * KIB)
        await client.send(Invoke("large", LARGE))
        await client.aclose()
        messages, end = await rest_of(server)
        assert [getattr(one, "id", "") for one in messages][:1] == ["large"]
        assert end.code == 1000


async def test_a_peer_that_never_ends_a_message_loses_its_link(network: MemoryNetwork) -> None:
    """Also while it sends other messages and answers pings; the close frame says which rule it broke."""
    async with pair(network) as (client, server):
        begun = msgspec.msgpack.encode([Part(0, 0, b"x", 100)])
        await client._socket.send_message(begun)
        began = trio.current_time()
        _messages, end = await rest_of(client)
        assert (end.code, end.reason) == (1002, "no part of frame 0 came for 60 s")
        assert PART_TIMEOUT <= trio.current_time() - began < PART_TIMEOUT + 30
        assert server._wire._assembly.held == 0  # type: ignore[attr-defined]


async def test_the_parts_of_a_message_count_as_unread_bytes(network: MemoryNetwork) -> None:
    """A reader that does not receive holds back large messages as it does small ones."""
    async with pair(network, QUIET) as (client, server):
        for number in range(40):
            await client.send(Invoke(f"m{number}", LARGE))
        await trio.sleep(60)
        assert server.is_throttled
        received = 0
        while received < 40:
            received += len(await server.receive())
