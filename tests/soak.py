"""Runs the sample under random kills for a while, and counts what became of calls: see scripts/soak."""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import trio

from actors.errors import CallError, LinkClosed
from runtime.admin.client import AdminClient, NotRunning, connect
from tests.processes import COMMAND, ROOT, free_port

CLUSTERS = ("emea", "apac")
CONNECTION = "My WSX Outconn"
CALL_TIMEOUT = 5.0
NO_OUTCOME_AFTER = 30.0
COMES_BACK_WITHIN = 60.0


class Soak:
    """The sample, callers, and someone who kills.

    Args:
        folder: Where the sample runs.
        seed: Decides whom to kill, when and how.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self.outcomes: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.memory: dict[str, dict[str, str]] = {"start": {}, "end": {}}
        self.faults: list[str] = []

    async def run(self, seconds: float) -> None:
        """Let callers call and servers die, then see that all comes back."""
        await self._note_memory("start")
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(self._call_for_ever, number)
            with trio.move_on_after(seconds):
                await self._kill_for_ever()
            nursery.cancel_scope.cancel()
        with trio.move_on_after(COMES_BACK_WITHIN) as waiting:
            while (await self._call_once()) != "answer":
                await trio.sleep(0.5)
        if waiting.cancelled_caught:
            self.faults.append(f"the link was not back {COMES_BACK_WITHIN:g} s after the last kill")
        await self._note_memory("end")

    async def _call_for_ever(self, _number: int) -> None:
        while True:
            with trio.move_on_after(NO_OUTCOME_AFTER) as waiting:
                outcome = await self._call_once()
            if waiting.cancelled_caught:
                self.faults.append(f"a call had no outcome within {NO_OUTCOME_AFTER:g} s")
                outcome = "no outcome"
            self.outcomes[outcome] += 1
            await trio.sleep(0.01 if outcome == "answer" else 0.2)

    async def _call_once(self) -> str:
        request = {
            "connection": CONNECTION,
            "data": {"service": "demo.echo", "request": {"a": 1}},
            "timeout": CALL_TIMEOUT,
        }
        try:
            async with connect(self._folder / ".isthmus/apac") as admin:
                await admin.invoke("isthmus.admin.invoke-via", request, timeout=CALL_TIMEOUT + 1)
        except NotRunning:
            return "apac was down"
        except (CallError, LinkClosed) as error:
            return type(error).__name__
        return "answer"

    async def _kill_for_ever(self) -> None:
        while True:
            await trio.sleep(self._random.uniform(2.0, 12.0))
            cluster = self._random.choice(CLUSTERS)
            pid = await self._pid(cluster)
            if pid is None:
                continue
            how = self._random.choice(("SIGKILL", "SIGTERM", "SIGSTOP"))
            self.kills[f"{how} {cluster}"] += 1
            _send(pid, getattr(signal, how))
            if how == "SIGSTOP":
                try:
                    await trio.sleep(self._random.uniform(1.0, 25.0))
                finally:
                    _send(pid, signal.SIGCONT)

    async def _status(self, cluster: str) -> dict[str, Any] | None:
        async def ask(admin: AdminClient) -> dict[str, Any]:
            found: dict[str, Any] = await admin.invoke("isthmus.admin.status")
            return found

        with trio.move_on_after(5.0):
            try:
                async with connect(self._folder / ".isthmus" / cluster) as admin:
                    return await ask(admin)
            except (NotRunning, CallError, LinkClosed):
                pass
        return None

    async def _pid(self, cluster: str) -> int | None:
        status = await self._status(cluster)
        return None if status is None else int(status["pid"])

    async def _note_memory(self, when: str) -> None:
        for cluster in CLUSTERS:
            with trio.fail_after(COMES_BACK_WITHIN):
                while (pid := await self._pid(cluster)) is None:
                    await trio.sleep(0.2)
            self.memory[when][cluster] = f"{_resident(pid)} (pid {pid})"


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _resident(pid: int) -> str:
    """Return a process's resident memory, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("VmRSS")), "unknown")


def main() -> int:
    """Run the soak that the arguments ask for; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="soak", description="Run the sample under random kills.")
    parser.add_argument("--minutes", type=float, default=2.0, help="for how long (default: 2)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="decides the kills")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isthmus-soak-") as name:
        folder = Path(name)
        shutil.copytree(ROOT / "examples", folder / "examples")
        text = (ROOT / "clusters.toml").read_text().replace("47043", str(free_port()))
        (folder / "clusters.toml").write_text(text)
        soak = Soak(folder, arguments.seed)
        with (folder / "log").open("w+") as log:
            launcher = subprocess.Popen([*COMMAND, "run"], cwd=folder, stderr=log)
            try:
                trio.run(soak.run, arguments.minutes * 60)
            finally:
                launcher.terminate()
                status = launcher.wait(timeout=60)
            log.seek(0)
            lines = log.readlines()
    if status != 0:
        soak.faults.append(f"the launcher ended with status {status}")
    reconnects = sum("link ready" in line for line in lines) - 1
    crashes = sum("crashed" in line and "the connection crashed" not in line for line in lines)
    print(f"seed {arguments.seed}, {arguments.minutes:g} minutes")
    print(f"kills: {dict(soak.kills)}")
    print(f"{soak.outcomes.total()} calls: {dict(soak.outcomes.most_common())}")
    print(f"{reconnects} reconnects, {crashes} crashes of actors")
    for when, found in soak.memory.items():
        print(f"memory at the {when}: " + ", ".join(f"{cluster} {size}" for cluster, size in found.items()))
    for fault in soak.faults:
        print(f"WRONG: {fault}")
    return bool(soak.faults)


if __name__ == "__main__":
    sys.exit(main())
