"""The peers of calls as they are measured: a server, where there is one a process that answers, and one that calls."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path

import trio
from attrs import define, field, frozen

from tests.bench.call_load import HalfLoad
from tests.bench.call_rows import GRPC, MOST_CALLERS, NAIVE, NATS, REDIS, CallRow
from tests.bench.cpu import CpuMeter
from tests.bench.install import Installer
from tests.bench.pinning import pinned
from tests.bench.rows import Figure, Load, Row
from tests.bench.servers import Worker, running, until_listening, worker
from tests.processes import ROOT, free_port


@frozen
class CallKind:
    """A kind of peer.

    Args:
        name: What the table calls it.
        package: Its client.
        worker: The module that calls and, with `serve`, answers.
        program: Its server; empty where the process that answers is the server.
        answers: Whether a process in Python answers.
        options: What the server is told beside its port.
        has_latency: Whether a single call's latency can be had.
    """

    name: str
    package: str
    worker: str
    program: str = ""
    answers: bool = True
    options: tuple[str, ...] = ()
    has_latency: bool = True


CALL_PEERS = {
    kind.name: kind
    for kind in (
        CallKind(NAIVE, "trio-websocket", "tests.bench.naive_calls"),
        CallKind(NATS, "nats-py", "tests.bench.nats_calls", "nats-server", options=("--addr", "127.0.0.1")),
        CallKind(GRPC, "grpcio", "tests.bench.grpc_calls"),
        CallKind(
            REDIS,
            "redis",
            "tests.bench.redis_calls",
            "redis-server",
            answers=False,
            options=("--bind", "127.0.0.1", "--save", "", "--appendonly", "no"),
            has_latency=False,
        ),
    )
}


@define
class CallPeer:
    """A peer that runs; `open` runs it."""

    kind: CallKind
    facts: list[str]
    caller: Worker
    pids: list[int]
    half_load: HalfLoad = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.half_load = HalfLoad(partial(self._call, MOST_CALLERS))

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.kind.name

    @classmethod
    @asynccontextmanager
    async def open(cls, kind: CallKind, folder: Path, installer: Installer) -> AsyncGenerator[CallPeer, None]:
        """Run its processes as long as the block.

        Raises:
            Skipped: When something that it needs is not there.
        """
        installer.package(kind.package)
        await trio.Path(folder).mkdir()
        port, python = free_port(), [sys.executable, "-m", kind.worker]
        pids = []
        async with AsyncExitStack() as stack:
            if kind.program:
                log = folder / f"{kind.program}.log"
                command = [installer.program(kind.program), "--port", str(port), *kind.options]
                server = await stack.enter_async_context(running(command, log, cwd=folder))
                await until_listening(server, port, log)
                pids.append(server.pid)
            if kind.answers:
                log = folder / "answers.log"
                server = await stack.enter_async_context(running([*python, str(port), "serve"], log, cwd=ROOT))
                await until_listening(server, port, log)
                pids.append(server.pid)
            caller = await stack.enter_async_context(worker([*python, str(port)], folder / "calls.log", cwd=ROOT))
            yield cls(kind, [f"{kind.package} {version(kind.package)}"], caller, [*pids, caller.pid])

    def knows(self, row: Row) -> bool:
        """Tell whether the row is one of its own."""
        known = isinstance(row, CallRow) and not row.like and not row.is_local
        return known and (self.kind.has_latency or not row.percentile)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many calls a second were answered, or a percentile of the latency."""
        assert isinstance(row, CallRow)
        if row.percentile:
            return Figure(await self.half_load.latency(row.percentile, load.call_seconds))
        with pinned(self.pids) if row.is_pinned else nullcontext():
            meter = CpuMeter(self.pids)
            found = await self._call(row.workers, load.call_seconds, 0.0)
        return meter.figure(found["rate"], found["calls"])

    async def _call(self, callers: int, seconds: float, rate: float) -> dict[str, float]:
        return await self.caller.ask(do="call", callers=callers, seconds=seconds, rate=rate)
