"""Sessions that send more in a second than they may: slowed down at first, closed in the end."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.errors import LinkClosed
from actors.messages import Invoke, Message, Reply
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport import inbox as inbox_module
from runtime.transport.link import WebSocketLink
from runtime.transport.pacer import OVER_LIMIT_TIMEOUT
from tests.runtime.peers import peer_of
from tests.runtime.transport.support import goes_on, pair, rest_of
from tests.support import emea_settings, start

TEN = LinkOptions(max_messages_per_second=10.0)
KIB = 1024


def invokes(count: int, data: Any = None) -> list[Invoke]:
    return [Invoke(f"i{number}", data) for number in range(count)]


async def send_all(link: Link, messages: list[Invoke]) -> None:
    for message in messages:
        await link.send(message)


async def until_held(link: WebSocketLink) -> None:
    """Wait until a link holds messages back."""
    while not link._inbox.held:
        await trio.sleep(0.01)


async def take(link: Link, count: int) -> tuple[list[str], float]:
    """Receive so many messages; return their ids, and how long that took."""
    began = trio.current_time()
    found: list[Message] = []
    while len(found) < count:
        found += await link.receive()
    return [getattr(one, "id", "") for one in found], trio.current_time() - began


async def test_a_session_that_sends_too_much_is_slowed_down_and_loses_nothing(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """On both wires: of a hundred requests some are answered at once, and twenty more each second, in order."""
    emea = await start(nursery, network, "emea", emea_settings(max_messages_per_second=20))
    await emea.until("listener", "gateway", "listening")
    async with peer_of(network, wire, "one") as peer:
        link, began = peer._link, trio.current_time()
        answered: dict[str, float] = {}
        for number in range(100):
            await link.send(Invoke(f"i{number}", {"service": "demo.echo", "request": number}))
        while len(answered) < 100:
            for one in await link.receive():
                assert isinstance(one, Reply)
                answered[one.in_reply_to] = trio.current_time() - began
    assert list(answered) == [f"i{number}" for number in range(100)]
    assert 10 <= sum(when < 0.5 for when in answered.values()) <= 40 + 10
    assert answered["i99"] == pytest.approx(4.0, abs=1.1)


async def test_large_messages_wait_for_their_bytes(network: MemoryNetwork) -> None:
    """Each passes when those before it are paid for, in order, whatever their number."""
    options = LinkOptions(max_bytes_per_second=100.0 * KIB)
    async with pair(network, server_options=options) as (client, server):
        await send_all(client, invokes(8, "x" * (50 * KIB)))
        ids, took = await take(server, 8)
        assert ids == [f"i{number}" for number in range(8)]
        assert took == pytest.approx(2.5, abs=0.2)


async def test_of_one_frame_as_many_messages_pass_as_may(network: MemoryNetwork, wire: str) -> None:
    """A batch is no way round the limit."""
    async with pair(network, server_options=TEN) as (client, server):
        await send_all(client, invokes(60))
        began = trio.current_time()
        first = await server.receive()
        assert len(first) <= 20
        rest, _took = await take(server, 60 - len(first))
        assert [one.id for one in first if isinstance(one, Invoke)] + rest == [f"i{number}" for number in range(60)]
        assert trio.current_time() - began == pytest.approx(5.0, abs=1.1)


async def test_a_slowed_session_answers_pings_and_goes_on(network: MemoryNetwork) -> None:
    """What is held back is behind nothing that keeps the link alive."""
    async with pair(network, server_options=TEN) as (client, server):
        await send_all(client, invokes(100))
        await until_held(server)
        began = trio.current_time()
        assert await client.is_alive()
        assert trio.current_time() - began < 0.1
        await take(server, 100)
        await trio.sleep(1.0)
        await goes_on(client, server)


async def test_a_close_is_seen_at_once_and_what_came_before_it_is_not_lost(network: MemoryNetwork, wire: str) -> None:
    """The peer has gone: nothing more can come, so what it said is handed over."""
    async with pair(network, server_options=TEN) as (client, server):
        await send_all(client, invokes(100))
        await until_held(server)
        await client.aclose()
        ids, took = await take(server, 100)
        assert [one for one in ids if one] == [f"i{number}" for number in range(100)]
        assert took < 1.0
        with pytest.raises(LinkClosed) as ended:
            await take(server, 100)
        assert ended.value.origin == "remote"


async def test_a_session_that_stays_over_the_limit_is_closed(network: MemoryNetwork, wire: str) -> None:
    """Both ends hear why; what was still held back is not handed over."""
    async with pair(network, server_options=TEN) as (client, server):
        began = trio.current_time()
        await send_all(client, invokes(2000))
        with pytest.raises(LinkClosed) as closed:
            await take(client, 1)
        assert (closed.value.code, closed.value.origin) == (1013, "remote")
        assert closed.value.reason == "more than 10 messages a second for 60 s"
        assert trio.current_time() - began == pytest.approx(OVER_LIMIT_TIMEOUT, abs=1.0)
        taken, end = await rest_of(server)
        assert (end.code, end.origin) == (1013, "local")
        assert len(taken) < 10 * (OVER_LIMIT_TIMEOUT + 3)


async def test_a_session_that_pauses_is_not_closed(network: MemoryNetwork) -> None:
    """However often it is over the limit, as long as it lets the rest come through."""
    async with pair(network, server_options=TEN) as (client, server):
        for _ in range(4):
            await send_all(client, invokes(300))
            await take(server, 300)
            await trio.sleep(1.0)
        await goes_on(client, server)


@pytest.mark.parametrize("takes_at_once", [False, True])
async def test_what_is_held_back_counts_as_unread(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch, takes_at_once: bool
) -> None:
    """With too much of it the peer's frames are left in the socket, and taken up again as it passes on."""
    monkeypatch.setattr(inbox_module, "HIGH_INBOX_BYTES", 100 * KIB)
    async with pair(network, server_options=TEN) as (client, server):
        taken: list[Message] = []

        def take_all(messages: Any) -> bool:
            taken.extend(messages)
            return True

        if takes_at_once:
            server.take_at_once(take_all)
        await send_all(client, invokes(60, "x" * (20 * KIB)))
        await until_held(server)
        await trio.sleep(0.5)
        assert server.is_throttled
        assert server._inbox.held < 300 * KIB
        if takes_at_once:
            await trio.sleep(10.0)
            assert len(taken) == 60
        else:
            assert len((await take(server, 60))[0]) == 60
