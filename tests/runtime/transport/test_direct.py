"""What goes at once goes without a task's turn; what does not is left to the stream, in order, errors included."""

from __future__ import annotations

import ssl

import pytest
import trio
import trio.testing

from actors.messages import Invoke
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.buffered import BufferedStream
from runtime.transport.direct import direct_way
from runtime.transport.outbox import FEW, MANY
from tests.runtime.transport.support import goes_on, pair, receive_invokes

KIB = 1024
MIB = 1024 * KIB


async def _socket_pair() -> tuple[trio.SocketStream, trio.SocketStream]:
    one, other = trio.socket.socketpair()
    return trio.SocketStream(one), trio.SocketStream(other)


async def test_a_socket_takes_what_goes_and_the_rest_follows() -> None:
    """What the system does not take at once comes behind what it did, and nothing is sent twice."""
    near, far = await _socket_pair()
    stream = BufferedStream(near, max_frame=8 * MIB)
    sent = b"".join(bytes([number]) * MIB for number in range(4))
    received = b""
    async with trio.open_nursery() as nursery:
        stream.writer.may_run_in(nursery)
        for number in range(4):
            await stream.send_all(sent[number * MIB : (number + 1) * MIB])
        assert not stream.has_room
        while len(received) < len(sent):
            received += await far.receive_some()
        nursery.cancel_scope.cancel()
    assert received == sent
    await stream.aclose()
    await far.aclose()


async def test_nothing_goes_at_once_over_what_is_closed_or_broken() -> None:
    """It is no error: the stream itself says what is wrong, in its own words."""
    near, far = await _socket_pair()
    way = direct_way(near)
    assert way is not None
    assert way.send_nowait(b"ping") == 4
    assert await far.receive_some() == b"ping"
    await far.aclose()
    assert way.send_nowait(b"ping") == 0
    with pytest.raises(trio.BrokenResourceError):
        await near.send_all(b"ping")
    assert await way.receive_some(KIB) == b""
    await near.aclose()
    assert way.send_nowait(b"ping") == 0
    with pytest.raises(trio.ClosedResourceError):
        await way.receive_some(KIB)


async def test_whoever_receives_learns_that_the_socket_was_closed_meanwhile() -> None:
    """A receive that waits ends when the stream is closed by somebody else."""
    near, far = await _socket_pair()
    way = direct_way(near)
    assert way is not None

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await way.receive_some(KIB)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receive)
            await trio.testing.wait_all_tasks_blocked()
            await near.aclose()
    await far.aclose()


async def test_nothing_goes_at_once_over_tls() -> None:
    """What TLS makes of the bytes takes its own time."""
    near, far = await _socket_pair()
    secure = trio.SSLStream(near, ssl.create_default_context(), server_hostname="peer")
    assert direct_way(secure) is None
    await near.aclose()
    await far.aclose()


async def test_a_lone_message_waits_for_no_task(network: MemoryNetwork) -> None:
    """Over a link that is idle a message is sent before whoever sends it does anything else; an answer is, too."""
    async with pair(network) as (client, server):
        for sender, receiver in ((client, server), (server, client)) * 2:
            sender.send_nowait(Invoke("lone", "lone"))
            assert not sender.withdraw("lone")
            assert await receive_invokes(receiver, 1) == ["lone"]


async def test_many_messages_go_before_the_writer_has_its_turn(network: MemoryNetwork) -> None:
    """Those that gather go as soon as they are many, so that the peer begins with them, and stay in order."""
    async with pair(network, LinkOptions(ping_interval=600.0)) as (client, server):
        await goes_on(client, server)
        for number in range(MANY + 2):
            client.send_nowait(Invoke(f"a{number}", number))
        assert not client.withdraw("a0")
        assert not client.withdraw(f"a{MANY - 1}")
        assert client.withdraw(f"a{MANY}")
        assert await receive_invokes(server, MANY + 1) == [*range(MANY), MANY + 1]


@pytest.mark.parametrize(("at_the_peer", "piece"), [(0, FEW), (FEW - 1, FEW), (20, 20), (40, 40), (1000, MANY)])
async def test_requests_go_once_as_many_wait_as_the_peer_has(
    at_the_peer: int, piece: int, network: MemoryNetwork
) -> None:
    """So that it has something to do while more gather here; a few go together even where it has nothing."""
    async with pair(network, LinkOptions(ping_interval=600.0)) as (client, server):
        await goes_on(client, server)
        for number in range(piece + 1):
            client.send_nowait(Invoke(f"a{number}", number), at_the_peer + number)
        assert not client.withdraw(f"a{piece - 1}")
        assert client.withdraw(f"a{piece}")
        assert await receive_invokes(server, piece) == [*range(piece)]
