"""Calls of Isthmus as they are measured: a hub that answers, and for each wire a cluster that calls it over a link."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path

from attrs import define, field

from tests.bench.call_load import HalfLoad
from tests.bench.call_rows import BARE, MOST_CALLERS, NATIVE_WIRE, WIRES, ZATO_WIRE, CallRow
from tests.bench.call_services import Caller, Echo, Local, WaitingEcho
from tests.bench.clusters import Clusters, hub_table, link_table
from tests.bench.cpu import CpuMeter
from tests.bench.pinning import pinned
from tests.bench.profiling import Profiler
from tests.bench.rows import Figure, Load, Row
from tests.processes import free_port

HUB = "hub"

_PEER = """
[clusters.{name}]
services = ["tests.bench.services", "tests.bench.call_services"]
"""


def configuration(port: int) -> str:
    """Return a clusters.toml; all that it does not name has its default."""
    address = f"ws://127.0.0.1:{port}/bench"
    hub = hub_table(address, services="tests.bench.call_services") + 'services_allowed = ["bench.*"]\n'
    formats = {NATIVE_WIRE: "", ZATO_WIRE: 'wire = "zato"\n'}
    return hub + "".join(_PEER.format(name=name) + link_table(name, address) + formats[name] for name in WIRES)


@define
class IsthmusCalls(Clusters):
    """The clusters, in a folder of their own; `open` runs them."""

    half_load: HalfLoad = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.half_load = HalfLoad(partial(self._call, NATIVE_WIRE, Echo.name, MOST_CALLERS))

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler) -> AsyncGenerator[IsthmusCalls, None]:
        """Run the clusters as long as the block."""
        one = await cls.prepared(folder, profiler, configuration(free_port()))
        async with AsyncExitStack() as stack:
            for cluster in (HUB, *WIRES):
                await stack.enter_async_context(one.started([cluster]))
            yield one

    def knows(self, row: Row) -> bool:
        """Tell whether it is about calls, over a link or from actor to actor."""
        return isinstance(row, CallRow)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many a second were answered, or a percentile of the latency."""
        assert isinstance(row, CallRow)
        if row.is_local:
            async with self.profiler.watch(row.name, {HUB: self.pids[HUB]}):
                return await self.measure_local(row, load, is_bare=False)
        if row.percentile:
            return Figure(await self.half_load.latency(row.percentile, load.call_seconds))
        service = WaitingEcho.name if row.suspends else Echo.name
        measured = {name: self.pids[name] for name in (HUB, row.wire)}
        with pinned(measured.values()) if row.is_pinned else nullcontext():
            async with self.profiler.watch(row.name, measured):
                meter = CpuMeter(measured.values())
                found = await self._call(row.wire, service, row.workers, load.call_seconds, 0.0)
        return meter.figure(found["rate"], found["calls"])

    async def measure_local(self, row: CallRow, load: Load, *, is_bare: bool) -> Figure:
        """Return how many messages a second went from task to task, to an actor or over a bare channel."""
        order = {"row": row.name, "is_bare": is_bare, "seconds": load.call_seconds}
        meter = CpuMeter([self.pids[HUB]])
        rate = float(await self.ask(HUB, Local.name, order))
        return meter.figure(rate, rate * load.call_seconds)

    async def _call(self, wire: str, service: str, callers: int, seconds: float, rate: float) -> dict[str, float]:
        order = {"service": service, "callers": callers, "seconds": seconds, "rate": rate}
        found: dict[str, float] = await self.ask(wire, Caller.name, order)
        return found


@define
class Bare:
    """Trio's channel and event between two tasks, in the process in which actors are measured."""

    clusters: IsthmusCalls
    name: str = BARE
    facts: list[str] = field(factory=lambda: ["a memory channel and an event, two tasks, in the hub's process"])

    def knows(self, row: Row) -> bool:
        """Tell whether the row is about messages from task to task."""
        return isinstance(row, CallRow) and row.is_local and not row.like

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many messages a second there were."""
        assert isinstance(row, CallRow)
        return await self.clusters.measure_local(row, load, is_bare=True)
