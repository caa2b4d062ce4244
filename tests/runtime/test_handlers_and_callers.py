"""No handler outlives its caller: many calls and streams at once, over three hops, cancelled and timed out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import trio
from attrs import evolve

from actors import AskTimeout, CallError, Service
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.support import CONNECTION, apac_settings, emea_settings, start

DELAY = 0.1
HOPS = 3
ROUND_TRIP = 2 * HOPS * DELAY
CALLS = 200
GIVES_UP = 20.0
"""Seconds after which callers that cancel do so; the others have less time for their calls."""


class Handlers:
    """When handlers ended, by the cids of their calls, on each cluster that they are on."""

    def __init__(self) -> None:
        self.running = 0
        self.ended: dict[str, list[float]] = {}
        self.go_on = trio.Event()

    def end(self, cid: str) -> None:
        self.running -= 1
        self.ended.setdefault(cid, []).append(trio.current_time())

    def services(self) -> list[type[Service]]:
        handlers = self

        class Waits(Service):
            name = "test.waits"
            concurrency = 1000

            async def handle(self, request: dict) -> None:
                handlers.running += 1
                try:
                    await trio.sleep_forever()
                finally:
                    handlers.end(self.cid)

        class Ticks(Service):
            name = "test.ticks"
            concurrency = 1000

            async def handle(self, request: dict) -> AsyncGenerator[int, None]:
                handlers.running += 1
                try:
                    while True:
                        yield 1
                        await trio.sleep(0.5)
                finally:
                    handlers.end(self.cid)

        class Shields(Service):
            name = "test.shields"

            async def handle(self, request: dict) -> None:
                with trio.CancelScope(shield=True):
                    await handlers.go_on.wait()

        class Calls(Service):
            """Calls on, or iterates on, until the last hop."""

            name = "test.calls"
            concurrency = 1000

            async def handle(self, request: dict) -> Any:
                hops, what = request["hops"], request["what"]
                further = {**request, "hops": hops - 1}
                async with self.out.wsx.get(CONNECTION).conn.client() as client:
                    if hops > 1:
                        return (await client.invoke("test.calls", further, timeout=request["timeout"])).data
                    if what != "test.ticks":
                        return (await client.invoke(what, {}, timeout=request["timeout"])).data
                    async for _item in client.stream(what, {}, timeout=request["timeout"]):
                        pass
                return None

        return [Waits, Ticks, Shields, Calls]


async def chain(nursery: trio.Nursery, network: MemoryNetwork, handlers: Handlers) -> list[SimulatedCluster]:
    """Start four clusters, each of which dials the one before, with bytes that take their time."""
    clusters: list[SimulatedCluster] = []
    for number in range(HOPS + 1):
        settings = emea_settings(address=f"ws://c{number}:47043/gate")
        if number:
            dialled = f"ws://c{number - 1}:47043/gate"
            settings = evolve(settings, outgoing=apac_settings(hooks=False, address=dialled).outgoing)
        cluster = await start(nursery, network, f"c{number}", settings, handlers.services())
        if number:
            await cluster.until("outgoing", CONNECTION, "ready")
        clusters.append(cluster)
    for number in range(HOPS):
        network.delay(f"c{number}", f"c{number + 1}", DELAY)
        network.delay(f"c{number + 1}", f"c{number}", DELAY)
    return clusters


def gauges(clusters: list[SimulatedCluster], *names: str) -> list[Any]:
    return [
        found for one in clusters for entry in one.actors() for name in names if (found := entry["gauges"].get(name))
    ]


async def test_no_handler_outlives_its_caller(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Hundreds of calls and streams end by cancellation and by time-outs; three hops away all end with them."""
    handlers = Handlers()
    clusters = await chain(nursery, network, handlers)
    gone_at: dict[str, float] = {}

    async def call(number: int) -> None:
        timeout = 60.0 if number % 2 else 5.0 + number / CALLS
        what = "test.ticks" if number % 4 < 2 else "test.waits"
        request = {"hops": HOPS, "what": what, "timeout": timeout}
        try:
            with suppress(AskTimeout, CallError):
                await clusters[-1].invoke("test.calls", request, timeout=timeout, cid=f"c{number}")
        finally:
            gone_at[f"c{number}"] = trio.current_time()

    with trio.move_on_after(GIVES_UP):
        async with trio.open_nursery() as calls:
            for number in range(CALLS):
                calls.start_soon(call, number)
            await trio.sleep(2.0)
            assert handlers.running == CALLS
    await trio.sleep(ROUND_TRIP)
    assert handlers.running == 0
    late = {
        cid: times[0] - gone_at[cid] for cid, times in handlers.ended.items() if times[0] - gone_at[cid] > ROUND_TRIP
    }
    assert (late, len(handlers.ended)) == ({}, CALLS)
    assert gauges(clusters, "pending", "in_flight", "streams", "overdue") == []


async def test_a_handler_that_goes_on_is_listed(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """One that shields itself three hops away is overdue, by its cid, until it ends; no table waits for it."""
    handlers = Handlers()
    clusters = await chain(nursery, network, handlers)
    request = {"hops": HOPS, "what": "test.shields", "timeout": 60.0}
    with trio.move_on_after(5.0):
        await clusters[-1].invoke("test.calls", request, timeout=60.0, cid="c7")
    await trio.sleep(ROUND_TRIP)
    try:
        assert gauges(clusters, "overdue") == [["c7"]]
        assert gauges(clusters, "pending", "in_flight") == []
    finally:
        handlers.go_on.set()
    await trio.sleep(0.1)
    assert gauges(clusters, "overdue") == []
