"""A link: how the end of a peer is found, what is too large, and a reader that waits for nobody."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.errors import LinkClosed
from actors.messages import Deliver, Denied, Failure, Goodbye, Invoke, Message, Refuse, Reply
from actors.ports import Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport import inbox as inbox_module
from runtime.transport.options import CLOSE_TIMEOUT, GOODBYE_TIMEOUT
from tests.runtime.transport.support import goes_on, pair, receive_invokes, rest_of

KIB = 1024
MIB = 1024 * KIB
QUIET = LinkOptions(ping_interval=3600.0)
SMALL = LinkOptions(max_message_size=4 * KIB)


async def closed(link: Link) -> LinkClosed:
    """Receive until the link ends, and return how it did."""
    return (await rest_of(link))[1]


async def test_what_is_sent_after_the_peer_s_goodbye_was_never_sent(network: MemoryNetwork) -> None:
    """Between the goodbye and the end of the link a request stays in the queue, and closing does not wait for it."""
    async with pair(network, QUIET) as (client, server):
        server.send_nowait(Goodbye(1001, "Going away"))
        assert [type(one) for one in await client.receive()] == [Goodbye]
        client.send_nowait(Invoke("late"))
        await trio.testing.wait_all_tasks_blocked()
        assert client.withdraw("late")
        client.send_nowait(Invoke("later"))
        began = trio.current_time()
        await client.aclose(1000, "")
        assert trio.current_time() - began < CLOSE_TIMEOUT
        assert client.withdraw("later")


@pytest.mark.parametrize("sent", [Denied("d1", "the token is over"), Goodbye(1001, "Going away")])
async def test_a_link_ends_with_its_session(network: MemoryNetwork, sent: Message) -> None:
    """A peer that ends the session and keeps the link open is parted from, so that a new link can be made."""
    async with pair(network, QUIET) as (client, server):
        began = trio.current_time()
        server.send_nowait(sent)
        assert [type(one) for one in await client.receive()] == [type(sent)]
        client.send_nowait(Invoke("late"))
        messages, end = await rest_of(client)
        assert messages == []
        assert client.withdraw("late")
        expected = (1008, "the token is over") if isinstance(sent, Denied) else (1000, "")
        assert (end.code, end.reason, end.origin) == (*expected, "remote")
        assert trio.current_time() - began <= GOODBYE_TIMEOUT


async def test_who_closes_a_second_time_waits_for_the_first(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """So an owner that leaves meanwhile takes the stream from no close that is under way."""
    async with pair(network, QUIET) as (client, server):
        network.silence("server", "client")
        began = trio.current_time()
        nursery.start_soon(client.aclose, 1001, "Going away")
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose(1000, "")
        assert trio.current_time() - began >= CLOSE_TIMEOUT
        _messages, end = await rest_of(server)
        assert (end.code, end.reason) == (1001, "Going away")


# Heartbeat


@pytest.mark.parametrize(("threshold", "seconds"), [(1, 15.0), (3, 25.0)])
async def test_a_silent_peer_is_found_in_time(network: MemoryNetwork, threshold: int, seconds: float) -> None:
    """Each end finds out after the ping interval and as many ping time-outs as the threshold says."""
    async with pair(network, LinkOptions(pings_missed_threshold=threshold)) as ends:
        began = trio.current_time()
        network.partition(["client"], ["server"])
        for link in ends:
            end = await closed(link)
            assert (end.code, end.origin) == (4002, "network")
            assert trio.current_time() - began == pytest.approx(seconds)
            with pytest.raises(LinkClosed):
                await link.send(Invoke("late"))


async def test_bytes_between_two_missed_pings_prove_life(network: MemoryNetwork) -> None:
    """Pings are counted as missed only while nothing comes: a peer that falters now and then keeps its link."""
    options = LinkOptions(pings_missed_threshold=2)
    async with pair(network, options, server_options=QUIET) as (client, server):
        for _ in range(4):
            network.silence("server", "client")
            await trio.sleep(options.ping_interval + options.ping_timeout + 1)
            network.heal()
            await goes_on(server, client)
        await goes_on(client, server)


async def test_a_ping_has_a_deadline_of_its_own(network: MemoryNetwork) -> None:
    """Asking a silent peer whether it is alive gives an answer after the ping's time-out, as often as one asks."""
    async with pair(network, LinkOptions(ping_interval=3600.0, ping_timeout=5.0)) as (client, _server):
        assert await client.is_alive()
        network.silence("server", "client")
        for _ in range(3):
            began = trio.current_time()
            assert not await client.is_alive()
            assert trio.current_time() - began == pytest.approx(5.0)
        network.heal()
        assert await client.is_alive()


async def test_pings_at_the_same_time_have_payloads_of_their_own(network: MemoryNetwork) -> None:
    """Several ask at once whether the peer is alive, and each gets its answer."""
    answers: list[bool] = []
    async with pair(network, QUIET) as (client, _server):

        async def ask() -> None:
            answers.append(await client.is_alive())

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
    assert answers == [True] * 5


@pytest.mark.parametrize("is_remote", [False, True])
async def test_a_ping_ends_with_its_link(network: MemoryNetwork, is_remote: bool) -> None:
    """Whoever waits for a pong when the link ends is told at once, and closing does not wait for pongs."""
    options = LinkOptions(ping_interval=3600.0, ping_timeout=600.0)
    async with pair(network, options) as (client, server):
        if is_remote:
            network.silence("client", "server")
        else:
            network.silence("server", "client")
        with trio.fail_after(2 * CLOSE_TIMEOUT + 1):
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    assert not await client.is_alive()

                nursery.start_soon(ask)
                await trio.testing.wait_all_tasks_blocked()
                await (server if is_remote else client).aclose(1001, "Going away")


async def test_a_live_peer_is_not_taken_for_dead_under_full_load(network: MemoryNetwork) -> None:
    """Pongs wait behind large frames for longer than a ping's time-out, in both directions; bytes prove life."""
    options = LinkOptions(ping_interval=0.5, ping_timeout=0.7)
    for path in (("client", "server"), ("server", "client")):
        network.throttle(*path, 100 * KIB)
    data = "x" * (500 * KIB)
    count = 10
    asked: list[bool] = []

    async def send(link: Link) -> None:
        for number in range(count):
            await link.send(Invoke(f"a{number}", data))

    async def ask(link: Link) -> None:
        await trio.sleep(5)
        began = trio.current_time()
        asked.append(await link.is_alive())
        assert trio.current_time() - began >= options.ping_timeout

    async with pair(network, options) as ends:
        async with trio.open_nursery() as nursery:
            for link in ends:
                nursery.start_soon(send, link)
                nursery.start_soon(ask, link)
                nursery.start_soon(receive_invokes, link, count)
        assert asked == [True, True]
        await goes_on(*ends)


# Size


def text(characters: int, *, wide: bool) -> str:
    return ("é" if wide else "x") * characters


@pytest.mark.parametrize(("characters", "is_wide"), [(5 * KIB, False), (3 * KIB, True)], ids=["ascii", "wide"])
async def test_what_is_too_large_is_not_sent_and_answered_for(
    wire: str, network: MemoryNetwork, characters: int, is_wide: bool
) -> None:
    """A message above the limit in bytes fails by itself: whoever waits for it is told, and all others arrive."""
    data = text(characters, wide=is_wide)

    async def expect(link: Link, kind: type[Message]) -> Any:
        with trio.fail_after(60):
            [message] = await link.receive()
        assert isinstance(message, kind)
        return message

    async with pair(network, SMALL) as (client, server):
        assert client.wire == wire
        client.send_nowait(Invoke("large", data))
        client.send_nowait(Invoke("small", "small"))
        failure = await expect(client, Failure)
        assert (failure.in_reply_to, failure.status) == ("large", 400)
        assert "4096" in failure.message
        assert (await expect(server, Invoke)).id == "small"

        server.send_nowait(Reply("reply", "small", data))
        failure = await expect(client, Failure)
        assert (failure.in_reply_to, failure.status) == ("small", 500)
        assert "cannot be sent" in failure.message

        server.send_nowait(Deliver("delivery", "key", [{"data": data}]))
        refusal = await expect(server, Refuse)
        assert refusal.in_reply_to == "delivery"
        assert "4096" in refusal.reason
        await goes_on(client, server)
        await goes_on(server, client)


async def test_an_error_that_is_too_large_still_ends_its_call(wire: str, network: MemoryNetwork) -> None:
    """A failure with a long text arrives without the text, with its status."""
    async with pair(network, SMALL) as (client, server):
        await client.send(Invoke("call"))
        await server.receive()
        server.send_nowait(Failure("failure", "call", 409, text(5 * KIB, wide=False), "Conflict"))
        with trio.fail_after(60):
            [failure] = await client.receive()
        assert isinstance(failure, Failure)
        assert (failure.in_reply_to, failure.status) == ("call", 409)
        await goes_on(client, server)


@pytest.mark.parametrize("kind", [Reply, Failure])
async def test_an_answer_after_the_peer_s_goodbye_is_dropped(network: MemoryNetwork, kind: type[Message]) -> None:
    """The peer has left the session while its call was under way; the link ends as the peer said."""
    answer = Reply("answer", "call") if kind is Reply else Failure("answer", "call", 500, "failed")
    async with pair(network) as (client, server):
        client.send_nowait(Goodbye(1000, "bye"))
        assert await server.receive() == [Goodbye(1000, "bye")]
        server.send_nowait(answer)
        await trio.testing.wait_all_tasks_blocked()
        await client.aclose(1000, "bye")
        end = await closed(server)
        assert (end.code, end.reason, end.origin) == (1000, "bye", "remote")


async def test_what_cannot_be_encoded_costs_the_others_nothing(wire: str, network: MemoryNetwork) -> None:
    """A result that the format cannot say is a failure of its call alone."""
    async with pair(network) as (client, server):
        await client.send(Invoke("call"))
        await server.receive()
        server.send_nowait(Reply("reply", "call", {"inner": object()}))
        [failure] = await client.receive()
        assert isinstance(failure, Failure)
        assert failure.status == 500
        await goes_on(server, client)


@pytest.mark.parametrize(("characters", "is_wide"), [(5 * KIB, False), (3 * KIB, True)], ids=["ascii", "wide"])
async def test_what_is_too_large_to_receive_closes_with_1009(
    wire: str, network: MemoryNetwork, characters: int, is_wide: bool
) -> None:
    """The limit counts bytes, also of text, and the peer is told why its link ends."""
    async with pair(network, server_options=SMALL) as (client, server):
        await client.send(Invoke("large", text(characters, wide=is_wide)))
        end = await closed(client)
        assert (end.code, end.origin) == (1009, "remote")
        assert "4096" in end.reason
        end = await closed(server)
        assert (end.code, end.origin) == (1009, "local")


# The reader


async def test_an_owner_that_receives_nothing_holds_nothing_up(network: MemoryNetwork) -> None:
    """With many messages unread, pings are answered and the peer's close is seen; then all can be received."""
    count = 1000
    async with pair(network, LinkOptions(ping_interval=1.0, ping_timeout=1.0)) as (client, server):
        for number in range(count):
            await server.send(Invoke(f"a{number}", number))
        assert await server.is_alive()
        await trio.sleep(60.5)  # between two pings
        began = trio.current_time()
        await server.aclose(1001, "Going away")
        assert trio.current_time() == began
        with pytest.raises(LinkClosed) as end:
            await client.send(Invoke("late"))
        assert (end.value.code, end.value.reason, end.value.origin) == (1001, "Going away", "remote")
        assert await receive_invokes(client, count) == list(range(count))
        assert (await closed(client)).code == 1001


async def test_too_much_unread_pauses_reading_until_it_is_received(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the high mark the peer's frames stay with the peer and heartbeat verdicts wait; receiving goes on."""
    high = 256 * KIB
    count = 100
    monkeypatch.setattr(inbox_module, "HIGH_INBOX_BYTES", high)
    async with pair(network, LinkOptions(ping_interval=1.0), server_options=QUIET) as (client, server):
        for number in range(count):
            await server.send(Invoke(f"a{number}", [number, "x" * (60 * KIB)]))
        await trio.sleep(60)
        assert client.is_throttled
        assert high <= client._inbox.bytes < high + MIB  # and one frame
        received: list[Any] = []
        while len(received) < count:
            received += [one.data[0] for one in await client.receive() if isinstance(one, Invoke)]
            assert not client.is_throttled
        assert received == list(range(count))
        await goes_on(client, server)


async def test_a_throttled_link_can_be_closed(network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing ends a reader that is paused, within its bound, and the peer sees why."""
    monkeypatch.setattr(inbox_module, "HIGH_INBOX_BYTES", KIB)
    async with pair(network, QUIET) as (client, server):
        for number in range(10):
            await server.send(Invoke(f"a{number}", "x" * (60 * KIB)))
        await trio.testing.wait_all_tasks_blocked()
        assert client.is_throttled
        with trio.fail_after(2 * CLOSE_TIMEOUT + 1):
            await client.aclose(1013, "Try again later")
            end = await closed(server)
        assert (end.code, end.origin) == (1013, "remote")
