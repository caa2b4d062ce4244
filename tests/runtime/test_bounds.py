"""Limits of channels, connections, topics and clusters that no other test is about: each holds, and says so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import evolve
from trio_websocket import ConnectionClosed

from actors import MessageReceived, Service
from actors.settings import DeliveryOptions, DeliverySettings, TopicSettings, WireFormat
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from runtime.transport.outbox import MAX_OUTBOX
from tests.runtime.test_outage import receiver
from tests.runtime.test_two_clusters import until
from tests.runtime.transport.support import websocket
from tests.runtime.zato_peer import ZatoPeer, serve
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"


class Talks(Service):
    """Answers at length, and counts how often."""

    name = "test.talks"
    handled = 0

    async def handle(self) -> str:
        Talks.handled += 1
        assert Talks.handled < 5000, "nothing bounds what waits for a peer that does not read"
        return "x" * 20_000


@asynccontextmanager
async def bare_peer(network: MemoryNetwork) -> AsyncGenerator[tuple[ZatoPeer, trio.abc.Stream], None]:
    """Give a peer that has logged in, and the stream under it, on which it may send what is no whole frame."""
    where = Address.parse(ADDRESS)
    stream = await network.node("peer").connect(where)
    async with websocket(stream, where) as socket:
        peer = ZatoPeer(socket)
        await peer.log_in()
        yield peer, stream


async def ask_until_closed(peer: ZatoPeer, count: int = 1_000_000) -> int:
    for asked in range(count):
        try:
            await peer.send("invoke-service", {"service": "test.talks"})
        except ConnectionClosed:
            return asked
        await trio.sleep(0.001)  # else no time would pass for the other side to give up
    return count


async def test_a_peer_that_does_not_read_is_read_no_further_and_ends(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """So many answers wait for it and no more, however many it asks for, and only for so long."""
    Talks.handled = 0
    emea = await serve(network, nursery, [Talks], socket_write_timeout=20.0, max_in_flight=10, ping_interval=3600.0)
    began = trio.current_time()
    async with bare_peer(network) as (peer, _stream):
        asked = await ask_until_closed(peer)
    assert Talks.handled <= 3 * MAX_OUTBOX
    assert asked < 5000
    assert 20.0 <= trio.current_time() - began <= 31.0
    await until(lambda: not [one for one in emea.actors() if one["kind"] == "session"])


async def test_a_peer_that_reads_slowly_gets_everything(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Nothing is lost by what was left unread meanwhile, and it keeps its session."""
    Talks.handled = 0
    await serve(network, nursery, [Talks], socket_write_timeout=20.0, max_in_flight=300, ping_interval=3600.0)
    network.throttle("emea", "peer", 50_000)
    async with bare_peer(network) as (peer, _stream):
        nursery.start_soon(ask_until_closed, peer, 700)
        answers = 0
        while answers < 700:
            answer = await peer.receive()
            answers += answer["meta"]["status"] == 200
    assert Talks.handled == 700


def masked(head: int, size: int) -> bytes:
    """Return the head of a frame of a client, with a mask that changes nothing."""
    return bytes((head, 0xFE)) + size.to_bytes(2) + bytes(4)


@pytest.mark.parametrize("what", ["a short frame", "a long frame", "fragments"])
async def test_a_message_that_does_not_end_ends_its_session(
    what: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A byte now and then is no life: whoever needs longer than allowed for one message is told so."""
    await serve(network, nursery, message_timeout=30.0)
    async with bare_peer(network) as (peer, stream):
        began = trio.current_time()
        first = {
            "a short frame": masked(0x81, 5000),
            "a long frame": bytes((0x81, 0xFF)) + (500_000).to_bytes(8) + bytes(4),
            "fragments": bytes((0x01, 0x81)) + bytes(4) + b"x",
        }[what]
        more = bytes((0x00, 0x81)) + bytes(4) + b"x" if what == "fragments" else b"x"
        await stream.send_all(first)

        async def trickle() -> None:
            try:
                while True:
                    await stream.send_all(more)
                    await trio.sleep(2.0)
            except trio.BrokenResourceError:
                return

        nursery.start_soon(trickle)
        _frames, code, reason = await peer.end()
        assert (code, reason) == (1008, "a message did not end within 30 s")
        assert 30.0 <= trio.current_time() - began <= 41.0


async def test_messages_one_after_the_other_may_go_on_for_ever(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Each in pieces and each within its time, with no pause between them."""
    await serve(network, nursery, message_timeout=30.0)
    async with bare_peer(network) as (peer, stream):
        frame = masked(0x81, 200) + b"x" * 200
        began = trio.current_time()
        at = 0
        while trio.current_time() - began < 300.0:
            data = (frame + frame)[at : at + 50]
            await stream.send_all(data)
            at = (at + 50) % len(frame)
            await trio.sleep(2.0)
        await stream.send_all((frame + frame)[at : len(frame)] if at else b"")
        answer = await peer.invoke("demo.echo", "still here")
        assert answer["meta"]["status"] == 200


async def test_an_attempt_to_connect_takes_no_longer_than_dial_timeout(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Whatever the other side leaves unanswered: the upgrade, or the session."""
    await serve(network, nursery)
    network.silence("emea", "apac")
    began = trio.current_time()
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, dial_timeout=7.0))
    await apac.until("outgoing", CONNECTION, "backoff")
    assert 7.0 <= trio.current_time() - began <= 8.0


async def test_a_subscription_is_asked_for_within_timeout(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A remote that does not answer that costs `timeout` seconds, and the topic is asked for again."""

    class Never(Service):
        name = "test.never"

        async def handle(self) -> None:
            asked.append(trio.current_time())
            await trio.sleep_forever()

    asked: list[float] = []
    await serve(network, nursery, [Never], service="test.never")
    apac = await start(
        nursery, network, "apac", apac_settings(subscribe=(TOPIC,), timeout=3.0, wire=WireFormat.ZATO), [receiver([])]
    )
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: len(asked) > 1)
    assert asked[1] - asked[0] >= 3.0


async def test_a_cluster_stops_within_shutdown_timeout(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What is still under way then is cancelled."""
    ended: list[str] = []

    class Stubborn(Service):
        name = "test.stubborn"
        shutdown_timeout = 1000.0

        async def handle(self) -> None:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                ended.append("cancelled")
                raise

    emea = await start(nursery, network, "emea", evolve(emea_settings(), shutdown_timeout=4.0), [Stubborn])

    async def call() -> None:
        with pytest.raises(Exception, match="stopped"):
            await emea.invoke("test.stubborn", timeout=5000.0)

    nursery.start_soon(call)
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    await emea.stop()
    assert trio.current_time() - began <= 5.0
    assert ended == ["cancelled"]


async def subscribed(
    network: MemoryNetwork, nursery: trio.Nursery, arrived: list[Any], delivery: DeliverySettings, **channel: Any
) -> SimulatedCluster:
    """Start a topic with a subscriber that notes what arrives and answers nothing."""
    settings = emea_settings(**channel)
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, delivery=delivery)
    emea = await start(nursery, network, "emea", settings)
    hook = receiver(arrived, answers=False)
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [hook])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea


async def test_only_so_many_bytes_wait_for_an_answer(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Of large messages fewer are under way to a session than of small ones."""
    arrived: list[Any] = []
    bounds = {"max_delivery_bytes_in_flight": 250_000, "max_deliveries_in_flight": 100}
    emea = await subscribed(network, nursery, arrived, DeliverySettings(delivery_batch_size=1), **bounds)
    for _ in range(20):
        await emea.publish(TOPIC, "x" * 100_000)
    await trio.sleep(60)
    assert 1 <= len(arrived) <= 3


async def test_a_delivery_has_no_more_messages_than_its_batch(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """However many wait."""
    sizes: list[int] = []

    class Receive(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if isinstance(ctx, MessageReceived):
                sizes.append(len(ctx.data.data))

    settings = emea_settings()
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, delivery=DeliverySettings(delivery_batch_size=7))
    emea = await start(nursery, network, "emea", settings)
    for number in range(100):
        await emea.publish(TOPIC, number)
    await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Receive])
    await until(lambda: sum(sizes) >= 100)
    assert max(sizes) == 7


async def test_a_delivery_without_an_answer_is_made_again(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """After ack_timeout, not before."""
    settings = emea_settings()
    settings.topics[TOPIC] = TopicSettings(guaranteed=True)
    emea = await start(nursery, network, "emea", settings)
    await emea.until("listener", "gateway", "listening")
    options = DeliveryOptions(ack_timeout=9.0, wait_non_sock_err=1.0)
    async with bare_peer(network) as (peer, _stream):
        request = {"topic_name": TOPIC, "ack_timeout": options.ack_timeout, "wait_non_sock_err": 1.0}
        answer = await peer.invoke("zato.pubsub.pubapi.subscribe-wsx", request)
        assert answer["meta"]["status"] == 200
        await emea.publish(TOPIC, "again")
        times = []
        while len(times) < 2:
            frame = peer.pushes.pop(0) if peer.pushes else await peer.receive()
            if "again" in str(frame["data"]):
                times.append(trio.current_time())
        assert 9.0 <= times[1] - times[0] <= 12.0
