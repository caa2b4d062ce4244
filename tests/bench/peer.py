"""The peers as they are measured: a server on a port of its own, and workers that are its clients."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Self

import trio
from attrs import define, field, frozen

from tests.bench.install import Installer, is_installed
from tests.bench.rows import FSYNC, MOST_SUBSCRIBERS, Figure, Load, Row, check_counts
from tests.bench.servers import Worker, running, together, until_listening, worker
from tests.processes import ROOT, free_port


@frozen
class Setting:
    """How a server is started, and what is to be said of it."""

    command: list[str]
    facts: list[str]


@frozen
class Kind:
    """A kind of peer.

    Args:
        name: What the table calls it.
        program: Its server.
        package: Its client.
        worker: The module that its workers run.
        prepare: Says how the server is started in a folder on a port.
    """

    name: str
    program: str
    package: str
    worker: str
    prepare: Callable[[str, Path, int], Setting]


def _redis(program: str, folder: Path, port: int) -> Setting:
    folder.mkdir()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"]
    reader = "hiredis" if is_installed("hiredis") else "its parser in Python"
    return Setting(
        command, [f"{program_version(program)}; appendonly yes, appendfsync always", f"client with {reader}"]
    )


_JETSTREAM = """
listen: "127.0.0.1:{port}"
jetstream {{
  store_dir: "{folder}"{sync}
}}
"""


def _nats(program: str, folder: Path, port: int) -> Setting:
    """Have each message synced before it is confirmed, where the version can."""
    folder.mkdir()
    config = folder / "nats.conf"
    command = [program, "--config", str(config)]
    config.write_text(_JETSTREAM.format(port=port, folder=folder, sync="\n  sync_interval: always"))
    sync = "sync_interval: always"
    if subprocess.run([*command, "-t"], capture_output=True, check=False).returncode:
        config.write_text(_JETSTREAM.format(port=port, folder=folder, sync=""))
        sync = "this version knows no sync_interval: it syncs every two minutes, and confirms before that"
    return Setting(command, [f"{program_version(program)}; file storage; {sync}"])


REDIS = Kind("redis", "redis-server", "redis", "tests.bench.redis_worker", _redis)
JETSTREAM = Kind("jetstream", "nats-server", "nats-py", "tests.bench.nats_worker", _nats)


def program_version(program: str) -> str:
    """Return what a server says of its version."""
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()


@define
class Peer:
    """A server with its workers; `open` runs them."""

    name: str
    facts: list[str]
    server: int
    workers: list[Worker] = field(factory=list)

    @classmethod
    @asynccontextmanager
    async def open(cls, kind: Kind, folder: Path, installer: Installer) -> AsyncGenerator[Self, None]:
        """Run the server, a worker for each subscriber and one more as long as the block.

        Raises:
            Skipped: When something that it needs is not there.
        """
        program = installer.program(kind.program)
        installer.package(kind.package)
        port, log = free_port(), folder / f"{kind.program}.log"
        setting = await trio.to_thread.run_sync(kind.prepare, program, folder, port)
        async with AsyncExitStack() as stack:
            process = await stack.enter_async_context(running(setting.command, log, cwd=folder))
            await until_listening(process, port, log)
            one = cls(kind.name, [*setting.facts, f"{kind.package} {version(kind.package)}"], process.pid)
            command = [sys.executable, "-m", kind.worker, str(port)]
            for number in range(MOST_SUBSCRIBERS + 1):
                log = folder / f"{kind.name}-worker-{number + 1}.log"
                one.workers.append(await stack.enter_async_context(worker(command, log, cwd=ROOT)))
            yield one

    def knows(self, row: Row) -> bool:
        """Tell whether the row is one of its own: all its publishers are across a link."""
        return row != FSYNC and not row.like

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many messages a second were confirmed, or consumed and acknowledged."""
        first = self.workers[0]
        if not row.is_delivery:
            order = {"messages": load.messages, "seconds": load.seconds, "publishers": row.workers}
            result = await first.ask(do="publish", stream=row.name, **order)
            return Figure(result["confirmed"] / result["seconds"])
        messages = load.guaranteed
        groups = [f"group-{number + 1}" for number in range(row.workers)]
        await first.ask(do="prepare", stream=row.name, groups=groups, messages=messages)
        answers = await together(
            *(
                partial(one.ask, do="consume", stream=row.name, group=group, messages=messages)
                for one, group in zip(self.workers, groups, strict=False)
            )
        )
        check_counts(answers, messages)
        began_at = min(answer["began_at"] for answer in answers)
        ended_at = max(answer["ended_at"] for answer in answers)
        return Figure(row.workers * messages / (ended_at - began_at))
