"""Streams between clusters: over one link and three, with back-pressure, leaving, errors, and peers that cannot."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from actors import (
    CallError,
    InvokeTimeout,
    LinkDown,
    LinkLost,
    MethodNotAllowed,
    NotFound,
    NotSupported,
    RemoteError,
    Service,
)
from actors.channels import channel
from actors.streams.flow import MAX_BYTES, MAX_ITEMS
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.support import CONNECTION, apac_settings, emea_settings, start

DELAY = 0.25
"""Seconds that bytes take in each direction."""


class Source:
    """A service that yields, what it has made, and when it ended."""

    def __init__(self) -> None:
        self.made = 0
        self.ended_at: list[float] = []
        self.left: list[float] = []
        source = self

        class Yields(Service):
            name = "test.yields"

            async def handle(self, request: dict) -> AsyncGenerator[Any, None]:
                source.left.append(self.deadline - trio.current_time())
                try:
                    for number in range(request.get("count", 1_000_000)):
                        source.made = number + 1
                        yield request.get("item", number)
                        if "pause" in request:
                            await trio.sleep(request["pause"])
                    if "error" in request:
                        raise NotFound(request["error"], details={"a": 1})
                    if request.get("waits"):
                        await trio.sleep_forever()
                    if request.get("odd"):
                        yield 1 << 70  # more than the format has
                finally:
                    source.ended_at.append(trio.current_time())

        self.service = Yields


class Passes(Service):
    """Yields on what the next cluster yields: its own kind, or what is asked for at the end of the chain."""

    name = "test.passes"

    async def handle(self, request: dict) -> AsyncGenerator[Any, None]:
        hops = request["hops"]
        name = "test.passes" if hops else "test.yields"
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            async for item in client.stream(name, {**request, "hops": hops - 1}, timeout=60.0):
                yield item


def asking(function: Callable[[Any], Any]) -> type[Service]:
    """Return a service that does what a test says with the client of its connection."""

    class Asks(Service):
        name = "test.asks"

        async def handle(self) -> Any:
            async with self.out.wsx.get(CONNECTION).conn.client() as client:
                return await function(client)

    return Asks


async def pair(
    nursery: trio.Nursery, network: MemoryNetwork, source: Source, function: Callable[[Any], Any]
) -> SimulatedCluster:
    """Start a cluster that yields and one that asks; return the one that asks."""
    await start(nursery, network, "emea", emea_settings(), [source.service])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [asking(function)])
    await apac.until("outgoing", CONNECTION, "ready")
    return apac


async def chain(
    nursery: trio.Nursery, network: MemoryNetwork, source: Source, function: Callable[[Any], Any]
) -> dict[str, SimulatedCluster]:
    """Start four clusters, each of which dials the one before; the last one asks, the first one yields."""
    clusters = {"c0": await start(nursery, network, "c0", emea_settings(address=address(0)), [source.service])}
    for number in (1, 2, 3):
        settings = evolve(
            emea_settings(address=address(number)),
            outgoing=apac_settings(hooks=False, address=address(number - 1)).outgoing,
        )
        name = f"c{number}"
        clusters[name] = await start(nursery, network, name, settings, [Passes, asking(function)])
        await clusters[name].until("outgoing", CONNECTION, "ready")
    return clusters


def address(number: int) -> str:
    return f"ws://c{number}:47043/zato.wsx.gateway"


def tables(*clusters: SimulatedCluster) -> dict[str, Any]:
    """Return what of calls, requests and streams is under way anywhere."""
    found = {}
    for cluster in clusters:
        for entry in cluster.actors():
            for gauge in ("pending", "in_flight", "streams", "overdue"):
                if entry["gauges"].get(gauge):
                    found[f"{cluster.name} {entry['kind']} {entry['name']} {gauge}"] = entry["gauges"][gauge]
    return found


async def extend(seen: list[Any], stream: Any) -> None:
    async for item in stream:
        seen.append(item)  # noqa: PERF401 - it is there when the stream fails


async def test_a_remote_stream_is_iterated_over_as_though_it_were_local(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Many items, of any JSON, cross the link in order and in batches; then the loop ends and nothing is left."""
    source = Source()
    items = [{"a": [1, None, "ä"]}, "text", None, [], 0.5]

    async def ask(client: Any) -> list[Any]:
        numbers = [item async for item in client.stream("test.yields", {"count": 5 * MAX_ITEMS})]
        others = [[item async for item in client.stream("test.yields", {"count": 2, "item": one})] for one in items]
        return [numbers, others]

    apac = await pair(nursery, network, source, ask)
    assert await apac.invoke("test.asks") == [list(range(5 * MAX_ITEMS)), [[one, one] for one in items]]
    assert apac.entry("outgoing", CONNECTION)["counts"]["items"] < 30
    assert tables(apac) == {}


async def test_a_peer_that_cannot_stream_is_sent_nothing(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Zato's wire, and with a native peer of an older release, a typed error says so; a list is to be had."""
    monkeypatch.setattr(channel, "FEATURES", ())
    source = Source()

    async def ask(client: Any) -> Any:
        with pytest.raises(NotSupported, match="nothing was sent"):
            await anext(client.stream("test.yields", {"count": 2}))
        assert source.made == 0
        return (await client.invoke("test.yields", {"count": 2})).data

    apac = await pair(nursery, network, source, ask)
    assert await apac.invoke("test.asks") == [0, 1]


async def test_without_a_link_no_stream_begins(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What cannot be sent in time, or to anybody, is LinkDown, as for calls."""

    async def ask(client: Any) -> None:
        with pytest.raises(LinkDown, match="connection refused"):
            await anext(client.stream("test.yields", {}, timeout=3.0))

    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [asking(ask)])
    await apac.invoke("test.asks")


async def test_a_caller_that_does_not_iterate_stops_the_generator(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """The remote generator makes what there is credit for; each item that is taken is worth another."""
    source = Source()

    async def ask(client: Any) -> list[int]:
        made = []
        async with client.stream("test.yields", {}) as items:
            for taken in (1, MAX_ITEMS // 2, MAX_ITEMS):
                for _ in range(taken):
                    await anext(items)
                await trio.sleep(10)
                made.append(source.made)
        return made

    apac = await pair(nursery, network, source, ask)
    first, second, third = await apac.invoke("test.asks", timeout=120.0)
    assert first == MAX_ITEMS + 1
    assert second == MAX_ITEMS + MAX_ITEMS // 2 + 1
    assert third <= 3 * MAX_ITEMS


async def test_large_items_use_up_the_credit_in_bytes(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A few large items are as far as the generator gets, and all of them arrive in the end."""
    source = Source()
    item = "x" * (MAX_BYTES // 4)

    async def ask(client: Any) -> list[int]:
        stream = client.stream("test.yields", {"item": item, "count": 12})
        await anext(stream)
        await trio.sleep(10)
        return [source.made, len([one async for one in stream])]

    apac = await pair(nursery, network, source, ask)
    assert await apac.invoke("test.asks") == [5, 11]


@pytest.mark.parametrize("way", ["break", "exception", "cancellation", "aclose"])
async def test_leaving_a_loop_cancels_the_generator_three_hops_away(
    way: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Each hop passes on that nobody iterates any more, as fast as bytes travel, and all tables are empty."""
    source = Source()
    left_at: list[float] = []

    async def leave(client: Any) -> None:
        request = {"hops": 1, "pause": 0.1}
        if way == "aclose":
            stream = client.stream("test.passes", request, timeout=60.0)
            await anext(stream)
            left_at.append(trio.current_time())
            await stream.aclose()
            return
        with trio.move_on_after(10.0 if way == "cancellation" else 1000.0):
            async for item in client.stream("test.passes", request, timeout=60.0):
                if item == 5 and way == "break":
                    break
                if item == 5 and way == "exception":
                    left_at.append(trio.current_time())
                    raise NotFound(way)
        if not left_at:
            left_at.append(trio.current_time())

    async def ask(client: Any) -> None:
        with suppress(NotFound):
            await leave(client)
        await trio.sleep(3 * 2 * DELAY)

    clusters = await chain(nursery, network, source, ask)
    for one, other in (("c0", "c1"), ("c1", "c2"), ("c2", "c3")):
        network.delay(one, other, DELAY)
        network.delay(other, one, DELAY)
    await clusters["c3"].invoke("test.asks", timeout=120.0)
    [ended_at] = source.ended_at
    assert ended_at - left_at[0] <= 3 * 2 * DELAY
    assert tables(*clusters.values()) == {}


async def test_an_error_comes_with_its_details_after_all_items(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Three hops away what was yielded arrives first, then the error that the generator ended with."""
    source = Source()

    async def ask(client: Any) -> Any:
        seen: list[Any] = []
        with pytest.raises(NotFound, match="no more") as failed:
            await extend(seen, client.stream("test.passes", {"hops": 1, "count": 200, "error": "no more"}))
        return [seen, failed.value.details]

    clusters = await chain(nursery, network, source, ask)
    assert await clusters["c3"].invoke("test.asks") == [list(range(200)), {"a": 1}]
    assert tables(*clusters.values()) == {}


async def test_a_lost_link_ends_a_stream(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What had arrived comes first, then LinkLost; the generator is cancelled, and the next stream begins anew."""
    source = Source()

    async def ask(client: Any) -> Any:
        stream = client.stream("test.yields", {"count": 3, "waits": True}, timeout=60.0)
        seen = [await anext(stream)]
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        network.cut()
        await trio.sleep(1)
        with pytest.raises(LinkLost, match="after the call was sent") as lost:
            await extend(seen, stream)
        assert lost.value.sent
        return [seen, [item async for item in client.stream("test.yields", {"count": 2}, timeout=60.0)]]

    apac = await pair(nursery, network, source, ask)
    assert await apac.invoke("test.asks", timeout=120.0) == [[0, 1, 2], [0, 1]]
    assert len(source.ended_at) == 2


async def test_time_outs_and_deadlines(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """An item that does not come, and a stream that takes too long, are InvokeTimeout; the generator knows its end."""
    source = Source()

    async def ask(client: Any) -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(InvokeTimeout, match="no further item within 2 s"):
            await extend(seen, client.stream("test.yields", {"count": 1, "waits": True}, timeout=2.0))
        with pytest.raises(InvokeTimeout):
            await extend(seen, client.stream("test.yields", {"pause": 1.0}, total_timeout=2.5))
        async with client.stream("test.yields", {"count": 1, "waits": True}, total_timeout=2.0) as stream:
            await anext(stream)
            await trio.sleep(3)
            with pytest.raises(InvokeTimeout, match="whole stream"):
                await anext(stream)
        await trio.sleep(1)
        return seen

    apac = await pair(nursery, network, source, ask)
    assert await apac.invoke("test.asks", timeout=60.0) == [0, 0, 1, 2]
    assert source.left[0] == pytest.approx(60.0, abs=0.5)
    assert source.left[1] == pytest.approx(2.5, abs=0.1)
    assert len(source.ended_at) == 3


async def test_an_item_that_cannot_be_sent_is_an_error_of_its_yield(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """What is no data, and what is larger than a message may be, end the stream with a text that says so."""
    source = Source()

    async def ask(client: Any) -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(RemoteError, match="cannot be sent"):
            await extend(seen, client.stream("test.yields", {"count": 2, "odd": True}))
        with pytest.raises(CallError, match="cannot be sent"):
            await extend(seen, client.stream("test.grows", {}))
        await trio.sleep(1)
        return seen

    class Grows(Service):
        name = "test.grows"

        async def handle(self) -> AsyncGenerator[str, None]:
            try:
                for size in (1000, 10_000, 100_000, 1_000_000, 10_000_000):
                    yield "x" * size
                await trio.sleep_forever()
            finally:
                ended.set()

    ended = trio.Event()
    await start(nursery, network, "emea", emea_settings(), [source.service, Grows])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [asking(ask)])
    await apac.until("outgoing", CONNECTION, "ready")
    seen = await apac.invoke("test.asks")
    assert [len(str(item)) for item in seen] == [1, 1, 1000, 10_000, 100_000, 1_000_000]
    assert ended.is_set()


async def test_what_gives_no_stream_says_so_over_a_link(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A service that yields nothing, and one that may not be invoked, are errors of the first step."""

    async def ask(client: Any) -> None:
        with pytest.raises(MethodNotAllowed, match="no stream"):
            await anext(client.stream("demo.echo", 1))
        with pytest.raises(CallError) as denied:
            await anext(client.stream("other.service"))
        assert denied.value.status == 403

    apac = await pair(nursery, network, Source(), ask)
    await apac.invoke("test.asks")
    assert tables(apac) == {}


async def test_a_blocking_service_iterates_over_a_link(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """`for` in a worker thread gives the same items, and leaving it cancels the remote generator."""
    source = Source()

    class Blocks(Service):
        name = "test.blocks"

        def handle(self) -> Any:
            with self.out.wsx.get(CONNECTION).conn.client() as client:
                for item in client.stream("test.yields", {"count": 1, "waits": True}):
                    return [item, *client.stream("test.yields", {"count": 3})]
            return None

    await start(nursery, network, "emea", emea_settings(), [source.service])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Blocks])
    await apac.until("outgoing", CONNECTION, "ready")
    assert await apac.invoke("test.blocks") == [0, 0, 1, 2]
    await trio.sleep(1)
    assert len(source.ended_at) == 2
