"""Clusters that are measured: each a process of its own, started by the command line, from one clusters.toml."""

from __future__ import annotations

import os
import platform
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import trio
from attrs import define, field

from actors.errors import CallError
from runtime.admin.client import NotRunning, connect
from tests.bench.profiling import Profiler
from tests.bench.rows import ISTHMUS, MeasureFailed
from tests.bench.servers import ANSWERS_WITHIN, STARTS_WITHIN, not_started, running
from tests.processes import COMMAND, ROOT

LOOK_INTERVAL = 0.25
"""Seconds between two looks at many links, which cost the one who has them time."""
READY_WITHIN = 180.0

_HUB = """
[clusters.hub]
services = ["{services}"]

[clusters.hub.security.peer]
username = "peer"
password = "local:bench"

[clusters.hub.channels.gateway]
address = "{address}"
service = "helpers.web-sockets-gateway"
security = "peer"
"""

_LINK = """
[clusters.{name}.outgoing.{link}]
address = "{address}"
remote = "cluster"
username = "peer"
password = "local:bench"
"""


def hub_table(address: str, *, services: str = "tests.bench.services") -> str:
    """Return the cluster that listens, as clusters.toml has it; keys that follow are its channel's."""
    return _HUB.format(address=address, services=services)


def link_table(name: str, address: str, *, link: str = "hub") -> str:
    """Return a connection of a cluster to the hub, as clusters.toml has it; keys that follow are the connection's."""
    return _LINK.format(name=name, address=address, link=link)


def link_names(number: int) -> list[str]:
    """Return the names of so many connections of a cluster; the first is called hub."""
    return ["hub", *(f"link-{place}" for place in range(2, number + 1))][:number]


@define
class Clusters:
    """The clusters of a folder.

    Args:
        folder: Where their files are.
        profiler: Records them.
        name: What the table calls them.
        hubs: Those that dial nobody; the others are there once their link `hub` is.
        facts: What is to be said of them.
        pids: Their processes.
    """

    folder: Path
    profiler: Profiler
    name: str = ISTHMUS
    hubs: Collection[str] = ("hub",)
    facts: list[str] = field(factory=list)
    pids: dict[str, int] = field(factory=dict)

    @classmethod
    async def prepared(cls, folder: Path, profiler: Profiler, configuration: str) -> Self:
        """Write clusters.toml to a new folder."""
        await trio.Path(folder).mkdir()
        await trio.Path(folder / "clusters.toml").write_text(configuration)
        one = cls(folder, profiler)
        one.facts.append(f"Isthmus {version('isthmus')}, Python {platform.python_version()}; default configuration")
        return one

    def data_dir(self, cluster: str) -> Path:
        """Return where a cluster keeps its files."""
        return self.folder / ".isthmus" / cluster

    @asynccontextmanager
    async def started(self, clusters: Sequence[str]) -> AsyncGenerator[None, None]:
        """Run clusters, each with its link, as long as the block."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        async with AsyncExitStack() as stack:
            processes = {}
            for cluster in clusters:
                command = [
                    *COMMAND,
                    "run",
                    "--cluster",
                    cluster,
                    "--config",
                    str(self.folder / "clusters.toml"),
                ]
                log = self.folder / f"{cluster}.log"
                processes[cluster] = await stack.enter_async_context(running(command, log, environment))
                self.pids[cluster] = processes[cluster].pid
            for cluster, process in processes.items():
                await self._until_ready(cluster, process)
            yield

    async def _until_ready(self, cluster: str, process: trio.Process) -> None:
        service = "zato.ping" if cluster in self.hubs else "bench.ready"
        with trio.move_on_after(STARTS_WITHIN):
            while process.poll() is None:
                try:
                    async with connect(self.data_dir(cluster)) as admin:
                        await admin.invoke(service)
                        return
                except (NotRunning, CallError):
                    await trio.sleep(0.05)
        raise MeasureFailed(not_started(process, self.folder / f"{cluster}.log"))

    async def until_links_ready(self, cluster: str, links: int) -> None:
        """Wait until so many links of a cluster are ready."""
        ready = 0
        with trio.move_on_after(READY_WITHIN):
            while ready < links:
                found = await self.ask(cluster, "isthmus.admin.status", {})
                ready = sum(one["kind"] == "outgoing" and one["state"] == "ready" for one in found["actors"])
                await trio.sleep(LOOK_INTERVAL)
            return
        msg = f"{cluster}: only {ready} of {links} links are ready"
        raise MeasureFailed(msg)

    async def ask(self, cluster: str, service: str, request: object) -> Any:
        """Have a service of a cluster answer a request.

        Raises:
            MeasureFailed: When it did not.
        """
        try:
            async with connect(self.data_dir(cluster)) as admin:
                return await admin.invoke(service, request, timeout=ANSWERS_WITHIN)
        except (NotRunning, CallError) as error:
            msg = f"{cluster}: {type(error).__name__}: {error}"
            raise MeasureFailed(msg) from error
