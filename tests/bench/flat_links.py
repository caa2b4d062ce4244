"""The cost of a call as it is measured: a hub with one link, and another with many."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define, field

from tests.bench.call_rows import NATIVE_WIRE
from tests.bench.call_services import Caller, Echo
from tests.bench.clusters import Clusters, hub_table, link_names, link_table
from tests.bench.cpu import CpuMeter
from tests.bench.flat import LinkCostRow
from tests.bench.profiling import Profiler
from tests.bench.rows import ISTHMUS, Figure, Load, Row
from tests.processes import free_port

HUB, PEER = "hub", "peer"

_PEER = """
[clusters.peer]
services = ["tests.bench.services", "tests.bench.call_services"]
"""


def configuration(port: int, links: int) -> str:
    """Return a clusters.toml with a cluster that has so many links to the hub."""
    address = f"ws://127.0.0.1:{port}/bench"
    hub = hub_table(address, services="tests.bench.call_services") + 'services_allowed = ["bench.*"]\n'
    return "".join([hub, _PEER, *(link_table(PEER, address, link=link) for link in link_names(links))])


@define
class LinkCost:
    """Two hubs, each with a cluster that calls it; `open` runs them."""

    few: Clusters
    many: Clusters
    links: int
    name: str = ISTHMUS
    facts: list[str] = field(factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler, links: int) -> AsyncGenerator[LinkCost, None]:
        """Run the clusters as long as the block."""
        few = await Clusters.prepared(folder.with_name("one-link"), profiler, configuration(free_port(), 1))
        many = await Clusters.prepared(folder.with_name("many-links"), profiler, configuration(free_port(), links))
        async with few.started([HUB]), few.started([PEER]), many.started([HUB]), many.started([PEER]):
            await many.until_links_ready(PEER, links)
            yield cls(few, many, links, facts=[*few.facts, f"many links are {links}; {NATIVE_WIRE}"])

    def knows(self, row: Row) -> bool:
        """Tell whether it is about the cost of calls."""
        return isinstance(row, LinkCostRow)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return what a call took of the processors."""
        assert isinstance(row, LinkCostRow)
        clusters = self.many if row.has_many else self.few
        names = link_names(self.links if row.uses_all else 1)
        order = {"service": Echo.name, "callers": row.workers * len(names), "seconds": load.call_seconds, "rate": 0.0}
        async with clusters.profiler.watch(row.name, clusters.pids):
            meter = CpuMeter(clusters.pids.values())
            found = await clusters.ask(PEER, Caller.name, {**order, "connections": names})
        return Figure(meter.microseconds() / found["calls"])
