"""The faults of a simulated run, chosen at random; each tells how many live connections it hit."""

from __future__ import annotations

from random import Random

import trio
from attrs import define, field

from runtime.testing import Clusters


@define
class Faults:
    """Does harm to clusters and the network between them.

    Args:
        clusters: The clusters.
        random: Decides what and when.
        may_throttle: Whether throttling is among them.
    """

    clusters: Clusters
    random: Random
    may_throttle: bool
    down: list[str] = field(factory=list)
    spells: list[tuple[float, float]] = field(factory=list)
    count: int = 0
    hits: int = 0
    calls_hit: int = 0

    async def harm_until(self, end: float) -> None:
        """Do harm at random times until a point in time."""
        while trio.current_time() < end:
            await trio.sleep(self.random.expovariate(1 / 4))
            in_flight = self._in_flight()
            began_at = trio.current_time()
            hits = await self._harm_once()
            self.spells.append((began_at, trio.current_time()))
            self.count += 1
            if hits:
                self.hits += 1
                self.calls_hit += in_flight

    def is_calm(self, since: float, until: float) -> bool:
        """Tell whether no fault lasted into a span of time."""
        return all(end < since or begin > until for begin, end in self.spells)

    def _in_flight(self) -> int:
        return sum(
            entry["gauges"].get("pending", 0)
            for cluster in self.clusters.values()
            if cluster.is_running
            for entry in cluster.actors()
        )

    def _connected(self, *names: str) -> int:
        return self.clusters.network.count(*names)

    async def _harm_once(self) -> int:
        random, network = self.random, self.clusters.network
        one, other = random.sample(list(self.clusters), 2)
        duration = random.uniform(0.1, 25.0)
        match random.randrange(9):
            case 0:
                return network.cut(one, other)
            case 1:
                network.cut_after(one, other, random.randrange(2000))
            case 2:
                network.silence(one, other)
                await self._later(duration, one, other)
            case 3:
                network.silence(one, other)
                network.silence(other, one)
                await self._later(duration, one, other)
            case 4:
                network.delay(one, other, random.uniform(0.0, 0.5))
                network.delay(other, one, random.uniform(0.0, 0.5))
            case 5 if self.may_throttle:
                network.throttle(one, other, random.uniform(2_000, 100_000))
                await self._later(duration, one, other)
            case 6:
                hit = network.count(one)
                network.partition([one], [name for name in self.clusters if name != one])
                await trio.sleep(duration)
                network.heal()
                return hit
            case 7:
                network.refuse(one)
                hit = network.cut(one)
                await trio.sleep(duration)
                network.heal()
                return hit
            case _:
                return await self._crash(one, duration)
        return self._connected(one, other)

    async def _later(self, duration: float, one: str, other: str) -> None:
        await trio.sleep(duration)
        self.clusters.network.heal(one, other)

    async def _crash(self, name: str, duration: float) -> int:
        if name in self.down:
            return 0
        self.down.append(name)
        hit = await self.clusters[name].crash()
        await trio.sleep(duration)
        await self.clusters[name].start()
        self.down.remove(name)
        return hit
