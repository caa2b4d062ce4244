"""Credit between clusters: what one end takes bounds what the other sends, of calls, of requests and of deliveries."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from attrs import evolve

from actors import LinkLost, Service
from actors.errors import LinkClosed
from actors.messages import FEATURES, CreditLimit, Deliver, Invoke, OpenStream
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.peers import Peer, peer_of
from tests.runtime.test_clients import Calls, answering, call
from tests.runtime.test_link_states import recorder
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"


class Gate:
    """Holds what its service is asked until a test lets it go; `most` is how many it has held at once."""

    def __init__(self) -> None:
        self.held = 0
        self.most = 0
        self.is_open = trio.Event()
        gate = self

        class Holds(Service):
            name = "test.gate"
            concurrency = 1000

            async def handle(self, data: Any) -> Any:
                gate.held += 1
                gate.most = max(gate.most, gate.held)
                try:
                    await gate.is_open.wait()
                finally:
                    gate.held -= 1
                return len(str(data))

        self.service = Holds


class Streams(Service):
    """Yields nothing, and does not end."""

    name = "test.gate"
    concurrency = 1000

    async def handle(self, data: Any) -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield data


class Asks(Service):
    """Asks the gate as often as it is told, all at once; returns what it was told, errors by their names."""

    name = "test.asks"
    concurrency = 1000

    async def handle(self, request: dict) -> list[Any]:
        outcomes: list[Any] = []
        async with self.out.wsx.get(CONNECTION).conn.client() as client, trio.open_nursery() as nursery:

            async def ask() -> None:
                try:
                    response = await client.invoke("test.gate", request["data"], timeout=request.get("timeout", 500.0))
                    outcomes.append(response.data)
                except Exception as error:
                    outcomes.append(f"{type(error).__name__}: {error}")

            for _ in range(request["times"]):
                nursery.start_soon(ask)
        return outcomes


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def two(
    nursery: trio.Nursery, network: MemoryNetwork, gate: Gate, **channel: Any
) -> tuple[SimulatedCluster, SimulatedCluster]:
    """Start emea with the gate, and apac that asks."""
    emea = await start(nursery, network, "emea", emea_settings(**channel), [gate.service])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Asks])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac


async def settled(seconds: float = 2.0) -> None:
    """Let all happen that can, on the mock clock."""
    await trio.sleep(seconds)


@pytest.mark.parametrize(
    ("channel", "data", "most"),
    [
        ({"max_in_flight": 3}, "x", 3),
        ({"max_bytes_in_flight": 1000}, "x" * 450, 3),
        ({"max_bytes_in_flight": 1000}, "x" * 5000, 1),
    ],
    ids=["count", "bytes", "each beyond all of the credit"],
)
async def test_calls_wait_for_credit(
    channel: dict[str, Any], data: str, most: int, network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """No more are under way than the channel takes, in count and bytes; the others wait, and all are answered."""
    _, apac = await two(nursery, network, gate, **channel)
    outcomes: list[Any] = []

    async def ask() -> None:
        outcomes.extend(await apac.invoke("test.asks", {"data": data, "times": 10}, timeout=600.0))

    nursery.start_soon(ask)
    await settled()
    assert gate.held == gate.most == most
    assert apac.entry("outgoing", CONNECTION)["gauges"]["pending"] == most
    gate.is_open.set()
    await until(lambda: len(outcomes) == 10)
    assert outcomes == [len(data)] * 10


async def test_a_call_that_is_given_up_gives_its_credit_back(
    network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """What ends without an answer counts no more at either end."""
    _, apac = await two(nursery, network, gate, max_in_flight=1)
    [outcome] = await apac.invoke("test.asks", {"data": "x", "times": 1, "timeout": 3.0})
    assert outcome.startswith("InvokeTimeout: ")
    gate.is_open.set()
    assert await apac.invoke("test.asks", {"data": "x", "times": 2}) == [1, 1]


async def test_what_waits_for_credit_in_vain_was_never_sent(
    network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """A time-out says that there was no credit; the loss of the link says that the call was not sent."""
    _, apac = await two(nursery, network, gate, max_in_flight=1)
    nursery.start_soon(apac.invoke, "test.asks", {"data": "x", "times": 1})
    await settled()
    outcomes = await apac.invoke("test.asks", {"data": "x", "times": 2, "timeout": 3.0})
    assert outcomes == [f"LinkDown: {CONNECTION!r}: never sent: the peer took no further call within 3 s"] * 2
    lost: list[Any] = []

    class Waits(Service):
        name = "test.waits"

        async def handle(self) -> None:
            async with self.out.wsx.get(CONNECTION).conn.client() as client:
                try:
                    await client.invoke("test.gate", "x", timeout=500.0)
                except LinkLost as error:
                    lost.append(error.sent)

    other = await start(nursery, network, "other", apac_settings(hooks=False), [Asks, Waits])
    await other.until("outgoing", CONNECTION, "ready")
    nursery.start_soon(other.invoke, "test.asks", {"data": "x", "times": 1})
    await settled()
    nursery.start_soon(other.invoke, "test.waits")
    await settled()
    network.cut()
    await until(lambda: lost == [False])


async def test_of_more_calls_than_a_slow_link_carries_as_many_are_answered_as_it_does(
    network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """Each waits until it has hardly any time left: none is sent that could get no answer in that."""
    _, apac = await two(nursery, network, gate, max_in_flight=2)
    network.delay("apac", "emea", 0.5)
    network.delay("emea", "apac", 0.5)
    gate.is_open.set()
    outcomes: list[Any] = []

    async def ask_for_ever() -> None:
        while True:
            outcomes.extend(await apac.invoke("test.asks", {"data": "x", "times": 1, "timeout": 5.0}, timeout=600.0))

    async with trio.open_nursery() as callers:
        for _ in range(60):
            await trio.sleep(0.1)
            callers.start_soon(ask_for_ever)
        await trio.sleep(30.0)
        outcomes.clear()
        await trio.sleep(60.0)
        callers.cancel_scope.cancel()
    answered = outcomes.count(1)
    assert answered > 100  # of 120 that two at a time can be within 60 s
    assert not [one for one in outcomes if str(one).startswith("InvokeTimeout")]
    assert len(outcomes) > 2 * answered


async def test_requests_to_a_client_wait_for_its_credit(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Also those that want no answer; they hold up no delivery, and all come in the end."""
    seen: list[Any] = []
    go_on = trio.Event()

    async def answer(data: Any) -> Any:
        seen.append(data)
        if not isinstance(data, list):
            await go_on.wait()
        return data

    emea = await start(nursery, network, "emea", emea_settings(), [Calls])
    settings = apac_settings(max_in_flight=2, subscribe=(TOPIC,), hook_timeout=500.0)
    apac = await start(nursery, network, "apac", settings, [answering(answer)])
    await apac.until("outgoing", CONNECTION, "ready")
    outcome: list[Any] = []

    async def ask(number: int) -> None:
        outcome.append(await call(emea, request=number, timeout=500.0))

    for number in range(4):
        nursery.start_soon(ask, number)
        await settled()
    await call(emea, "broadcast", request="news")
    await emea.publish(TOPIC, "delivered")
    await settled()
    assert seen[:2] == [0, 1]
    assert [one[0]["data"] for one in seen[2:]] == ["delivered"]
    go_on.set()
    await until(lambda: sorted(outcome) == [0, 1, 2, 3] and seen[-1] == "news")
    assert sorted(one for one in seen if isinstance(one, int)) == [0, 1, 2, 3]  # hooks run side by side
    await settled()
    [session] = [one for one in emea.actors() if one["kind"] == "session"]
    assert session["gauges"]["calls"] == 0


@pytest.mark.parametrize(
    ("limits", "size", "most"),
    [
        ({"max_deliveries_in_flight": 3}, 1, 3),
        ({"max_delivery_bytes_in_flight": 3000}, 1000, 3),
        ({"max_delivery_bytes_in_flight": 3000}, 9000, 1),
    ],
    ids=["count", "bytes", "each beyond all of the credit"],
)
async def test_what_hooks_have_not_handled_bounds_what_is_sent(
    limits: dict[str, int], size: int, most: int, network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """Of each subscription by itself; the link is ready all the while, and answers pass in both directions."""
    go_on = trio.Event()
    handled: list[str] = []

    async def on_message(ctx: Any) -> Any:
        if not isinstance(ctx.data.data, list):
            return "answered"
        await go_on.wait()
        handled.extend(one["data"] for one in ctx.data.data)
        return None

    topics = (TOPIC, "/customer/other")
    gate.is_open.set()
    emea = await start(nursery, network, "emea", emea_settings(topics=topics), [gate.service, Calls])
    settings = apac_settings(subscribe=topics, hook_timeout=500.0, max_unhandled=1, **limits)
    apac = await start(nursery, network, "apac", settings, [recorder(message=on_message), Asks])
    await apac.until("outgoing", CONNECTION, "ready")
    for number in range(8):
        await emea.publish(TOPIC, f"{number}" + "x" * size)
    await emea.publish(topics[1], "other")
    await settled()
    in_hand = {one["detail"]["topic"]: one["gauges"]["in_hand"] for one in subscriptions(emea)}
    assert in_hand == {TOPIC: most, topics[1]: 1}
    assert apac.entry("outgoing", CONNECTION)["state"] == "ready"
    assert await apac.invoke("test.asks", {"data": "x", "times": 3}) == [1, 1, 1]
    assert await call(emea, request="question") == "answered"
    go_on.set()
    await until(lambda: len(handled) == 9)
    assert [one for one in handled if one != "other"] == [f"{number}" + "x" * size for number in range(8)]


def subscriptions(cluster: SimulatedCluster) -> list[dict[str, Any]]:
    return [one for one in cluster.actors() if one["kind"] == "subscription"]


async def test_a_delivery_that_was_given_up_waiting_for_counts_until_it_is_answered(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """After `ack_timeout` the messages are to go out anew, but the peer still has them, and is sent no more."""
    emea = await start(nursery, network, "emea", emea_settings())
    await emea.until("listener", "gateway", "listening")
    limits = {"features": list(FEATURES), "requests": CreditLimit(9, 9999), "deliveries": CreditLimit(2, 9999)}
    async with peer_of(network, "isthmus.1", "one", cluster="one", connection="c", incarnation="i", **limits) as peer:
        request = {"topic_name": TOPIC, "ack_timeout": 2.0}
        await peer.invoke("zato.pubsub.subscription.create-wsx-subscription", **request)
        link, came = peer._link, []

        async def read() -> None:
            while True:
                came.extend([one for one in await link.receive() if isinstance(one, Deliver)])

        async with trio.open_nursery() as reading:
            reading.start_soon(read)
            for number in range(4):
                await emea.publish(TOPIC, number)
            await settled(60.0)
            assert sum(len(one.messages) for one in came) == 2
            reading.cancel_scope.cancel()


# Peers that do not keep to it


async def end_of(peer: Peer) -> str:
    """Return why a link ended."""
    try:
        with trio.fail_after(3600):
            while True:
                await peer._link.receive()
    except LinkClosed as closed:
        return f"{closed.code} {closed.reason}"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_goes_beyond_its_credit_loses_its_link(
    stream: bool, network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """It is told what it broke."""
    service = Streams if stream else gate.service
    emea = await start(nursery, network, "emea", emea_settings(max_in_flight=2), [service])
    await emea.until("listener", "gateway", "listening")
    limits = {"features": list(FEATURES), "requests": CreditLimit(9, 9999), "deliveries": CreditLimit(9, 9999)}
    async with peer_of(network, "isthmus.1", "one", **limits) as peer:
        kind = OpenStream if stream else Invoke
        for number in range(3):
            peer._link.send_nowait(kind(f"m{number}", {"service": "test.gate", "request": None}))
        reason = "1002 more requests than were granted: 2 are under way"
        assert await end_of(peer) == reason


async def test_what_is_raised_while_a_link_is_up_is_granted_at_once(
    network: MemoryNetwork, nursery: trio.Nursery, gate: Gate
) -> None:
    """Those who waited for credit go on; what is lowered is refused beyond it, as by a peer without credit."""
    emea, apac = await two(nursery, network, gate, max_in_flight=1)
    outcomes: list[Any] = []

    async def ask() -> None:
        outcomes.extend(await apac.invoke("test.asks", {"data": "x", "times": 5}, timeout=600.0))

    async def change(limit: int) -> None:
        gateway = evolve(emea.settings.channels["gateway"], max_in_flight=limit)
        target = evolve(emea.settings, channels={"gateway": gateway})
        outcomes_of_change = await emea.cluster.change(target, emea.cluster.classes)
        assert all(one.error is None for one in outcomes_of_change if hasattr(one, "error"))

    nursery.start_soon(ask)
    await settled()
    assert gate.held == 1
    await change(3)
    await settled()
    assert gate.held == 3
    await change(2)
    gate.is_open.set()
    await until(lambda: len(outcomes) == 5)
    assert outcomes == [1] * 5
