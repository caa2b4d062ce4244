"""Streams of a simulated run: services that yield, that pass on and that iterate, and what must hold of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from random import Random
from typing import Any

import trio
from attrs import define, field

from actors import Service
from actors.streams.flow import MAX_ITEMS
from runtime.testing import SimulatedCluster

STREAMS = ("sim.yields", "sim.passes")
"""Services that yield: at the next cluster, and at the one behind it."""


@define
class Streamed:
    """What happened to streams, by the cids of their calls."""

    made: Counter[str] = field(factory=Counter)
    taken: Counter[str] = field(factory=Counter)
    paused: Counter[str] = field(factory=Counter)
    left_at: dict[str, float] = field(factory=dict)
    complaints: list[str] = field(factory=list)

    def services(self, begin: Any) -> list[type[Service]]:
        """Return the services of a cluster; `begin` notes that a handler has begun, and gives where its end goes."""
        streamed = self

        class Yields(Service):
            name = "sim.yields"

            async def handle(self, request: dict) -> AsyncGenerator[int, None]:
                handler = begin(self.cid)
                try:
                    for number in range(request["count"]):
                        streamed.note_made(self.cid, request["hops"])
                        yield number
                        if request["pause"]:
                            await trio.sleep(request["pause"])
                    if request["fails"]:
                        msg = "on purpose"
                        raise RuntimeError(msg)
                finally:
                    handler.ended_at = trio.current_time()

        class Passes(Service):
            name = "sim.passes"

            async def handle(self, request: dict) -> AsyncGenerator[int, None]:
                handler = begin(self.cid)
                try:
                    async with self.out.wsx.get(request["via"]).conn.client() as client:
                        async for number in client.stream("sim.yields", request):
                            yield number
                finally:
                    handler.ended_at = trio.current_time()

        class Iterates(Service):
            """Iterates as long as it is to, and returns whether that was to the end."""

            name = "sim.iterates"

            async def handle(self, request: dict) -> bool:
                data, timeout = request["data"], request["timeout"]
                expected = 0
                async with self.out.wsx.get(request["via"]).conn.client() as client:
                    stream = client.stream(request["service"], data, timeout=timeout, total_timeout=timeout)
                    async for number in stream:
                        streamed.note_taken(self.cid, number, expected)
                        expected += 1
                        if expected == request["data"]["leaves_at"]:
                            break
                        if expected % 50 == 0:
                            streamed.paused[self.cid] += data["reader_pause"]
                            await trio.sleep(data["reader_pause"])
                    await stream.aclose()
                streamed.left_at[self.cid] = trio.current_time()
                if expected not in (data["count"], data["leaves_at"]):
                    streamed.complaints.append(f"{self.cid}: ended after {expected} items of {data}")
                return expected == data["count"]

        return [Yields, Passes, Iterates]

    def note_made(self, cid: str, hops: int) -> None:
        """An item was made: no more may be on its way than all hops have credit for, and one waits at each."""
        self.made[cid] += 1
        if self.made[cid] - self.taken[cid] > hops * (MAX_ITEMS + 1):
            self.complaints.append(f"{cid}: {self.made[cid]} items made, {self.taken[cid]} taken")

    def note_taken(self, cid: str, number: int, expected: int) -> None:
        """An item arrived: it must be the next one."""
        self.taken[cid] += 1
        if number != expected:
            self.complaints.append(f"{cid}: item {number} arrived, {expected} was next")


def choose(random: Random, onward: str) -> tuple[str, dict[str, Any]]:
    """Return a service that yields, and what it is given; `onward` is the connection of the next cluster's own."""
    service = random.choice(STREAMS)
    count = random.choice((0, 3, 100, 1000))
    return service, {
        "via": onward,
        "hops": 1 + STREAMS.index(service),
        "count": count,
        "pause": random.choice((0, 0, 0.003, 0.5)),
        "reader_pause": random.choice((0, 0.1, 1.0)),
        "leaves_at": random.randint(1, count) if count and random.random() < 0.4 else -1,
        "fails": random.random() < 0.1,
    }


def left_over(cluster: SimulatedCluster) -> list[str]:
    """Return the sessions of a cluster in whose tables streams are left."""
    return [f"{cluster.name} {one['name']}" for one in cluster.actors() if one["gauges"].get("streams")]
