"""Links that do nothing, as they are measured: what each takes of memory, and how soon all of them are there again."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from attrs import define, field, frozen

from tests.bench.call_rows import NAIVE
from tests.bench.clusters import Clusters, hub_table, link_names, link_table
from tests.bench.memory import resident
from tests.bench.profiling import Profiler
from tests.bench.rows import ISTHMUS, Figure, Load, Row
from tests.bench.servers import running, until_listening, worker
from tests.bench.targets import Target
from tests.processes import ROOT, free_port

HUB, ONE, MANY = "hub", "one", "many"
KIB = 1024


@frozen(kw_only=True)
class LinkRow(Row):
    """One thing that is measured of links; less is better."""

    @property
    def decimals(self) -> int:
        """How many digits the table shows after the point."""
        return 2


MEMORY = LinkRow("link-memory", "memory of an idle link in KiB, both ends together", most_rounds=2)
RECONNECT = LinkRow("reconnect", "seconds from the server's return until all links are ready", most_rounds=2)

LINK_ROWS = (MEMORY, RECONNECT)
LINK_CONTESTANTS = (ISTHMUS, NAIVE)
LINK_TARGETS = (Target("link-memory", NAIVE, 1.5, is_most=True),)

_PEER = """
[clusters.{name}]
services = ["tests.bench.services"]
"""


def configuration(port: int, links: int) -> str:
    """Return a clusters.toml with a cluster that has one link and one that has many; the first is called hub."""
    address = f"ws://127.0.0.1:{port}/bench"
    parts = [hub_table(address)]
    for name, number in ((ONE, 1), (MANY, links)):
        parts.append(_PEER.format(name=name))
        parts += [link_table(name, address, link=link) for link in link_names(number)]
    return "".join(parts)


@define
class IsthmusLinks(Clusters):
    """The clusters, started anew for each figure."""

    links: int = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler, links: int) -> AsyncGenerator[IsthmusLinks, None]:
        """Prepare the clusters."""
        one = await cls.prepared(folder, profiler, configuration(free_port(), links))
        one.links = links
        one.hubs = (HUB, ONE, MANY)  # whether there are links is looked at later, since many need their time
        one.facts.append(f"{links} links")
        yield one

    def knows(self, row: Row) -> bool:
        """Tell whether it is about links."""
        return isinstance(row, LinkRow)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return KiB of a link, or seconds until all are ready again."""
        return Figure(await (self._memory() if row == MEMORY else self._reconnect()))

    async def _memory(self) -> float:
        taken = {}
        for cluster, links in ((ONE, 1), (MANY, self.links)):
            async with self.started([HUB]), self.started([cluster]):
                await self.until_links_ready(cluster, links)
                taken[cluster] = resident([self.pids[HUB], self.pids[cluster]])
        return (taken[MANY] - taken[ONE]) / (self.links - 1) / KIB

    async def _reconnect(self) -> float:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(AsyncExitStack())
            await first.enter_async_context(self.started([HUB]))
            await stack.enter_async_context(self.started([MANY]))
            await self.until_links_ready(MANY, self.links)
            await first.aclose()
            await stack.enter_async_context(self.started([HUB]))
            began_at = time.monotonic()
            async with self.profiler.watch(RECONNECT.name, {one: self.pids[one] for one in (HUB, MANY)}):
                await self.until_links_ready(MANY, self.links)
                return time.monotonic() - began_at


@define
class NaiveLinks:
    """Bare trio-websocket, two processes started anew for each figure."""

    folder: Path
    links: int
    name: str = NAIVE
    facts: list[str] = field(factory=lambda: ["bare trio-websocket"])
    _numbers: count[int] = field(factory=count)

    def knows(self, row: Row) -> bool:
        """Tell whether it is about memory; it does not connect again by itself."""
        return row == MEMORY

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return KiB of a link."""
        number, port = next(self._numbers), free_port()
        log, python = self.folder / f"links-{number}.log", [sys.executable, "-m", "tests.bench.idle_links", str(port)]
        async with running([*python, "serve"], log, cwd=ROOT) as server:
            await until_listening(server, port, log)
            async with worker(python, self.folder / f"dials-{number}.log", cwd=ROOT) as client:
                taken = await client.ask(do="measure", links=self.links, server=server.pid)
        return Figure((taken["with_all"] - taken["with_one"]) / (self.links - 1) / KIB)
