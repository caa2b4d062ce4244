"""`python -m tests.soak --minutes N`: the sample under load, while its servers are killed, stopped and terminated.

Callers invoke emea's echo over apac's link, each by an admin session of its own. At the end the faults stop, the link
has to come back, and every process has to end; see scripts/soak.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

import trio
from attrs import define, field

from actors.errors import CallError, LinkClosed
from runtime.admin.client import AdminClient, NotRunning, connect
from tests.processes import COMMAND, free_port, write_sample

CONNECTION = "My WSX Outconn"
CALL_TIMEOUT = 5.0
LONGEST_STOP = 8.0
ANSWER_WITHIN = CALL_TIMEOUT + LONGEST_STOP + 10.0
"""Seconds after which a call that nobody answered has no outcome; a server may be stopped meanwhile."""

BACK_WITHIN = 75.0
"""Seconds for a server to be restarted and for its link to come back, the longest backoffs included."""

STARTED_AFTER = 3.0
"""Seconds after which a process is measured for the first time: before, it imports."""

LOG_LINES_KEPT = 200_000


@define
class Life:
    """One process of a cluster, and its resident memory over time: seconds since its start, KiB."""

    pid: int
    began_at: float
    memory: list[tuple[float, int]] = field(factory=list)

    def measure(self) -> None:
        age = time.monotonic() - self.began_at
        if age < STARTED_AFTER:
            return
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return
        if found := re.search(r"VmRSS:\s+(\d+) kB", status):
            self.memory.append((age, int(found[1])))

    def __str__(self) -> str:
        if not self.memory:
            return "not measured"
        (_start, first), (age, last) = self.memory[0], self.memory[-1]
        return f"{first / 1024:.1f} MiB at its start, {last / 1024:.1f} MiB after {age:.0f} s"


@define
class Soak:
    """One run: what was done and what came of it."""

    folder: Path
    random: random.Random
    is_calm: bool = False
    process: trio.Process = field(init=False)
    outcomes: Counter[str] = field(factory=Counter)
    faults: Counter[str] = field(factory=Counter)
    links: int = 0
    lives: dict[str, list[Life]] = field(factory=lambda: {"apac": [], "emea": []})
    failures: list[str] = field(factory=list)
    lines: list[str] = field(factory=list)
    is_over: bool = False
    output_ended: trio.Event = field(factory=trio.Event)
    changed: trio.Event = field(factory=trio.Event)

    def data_dir(self, cluster: str) -> Path:
        return self.folder / ".isthmus" / cluster

    # The processes

    async def read_log(self) -> None:
        """Follow the output, which ends when every process that has it open is gone."""
        assert self.process.stderr is not None
        rest = b""
        async for chunk in self.process.stderr:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self.note(line.decode(errors="replace"))
        self.output_ended.set()

    def note(self, line: str) -> None:
        if len(self.lines) < LOG_LINES_KEPT:
            self.lines.append(line)
        if found := re.search(r"launcher (apac|emea) .*server started +pid=(\d+)", line):
            self.lives[found[1]].append(Life(int(found[2]), time.monotonic()))
        elif "link ready" in line:
            self.links += 1
        elif "Traceback" in line or "killed: it did not end in time" in line:
            self.failures.append(f"in the log: {line}")
        else:
            return
        self.changed.set()
        self.changed = trio.Event()

    async def until_links(self, count: int) -> None:
        while self.links < count:
            await self.changed.wait()

    async def measure(self, interval: float) -> None:
        while True:
            self.measure_now()
            await trio.sleep(interval)

    def measure_now(self) -> None:
        for lives in self.lives.values():
            if lives:
                lives[-1].measure()

    # The load

    async def call_for_ever(self) -> None:
        """Keep an admin session and make calls over it, one after the other."""
        while not self.is_over:
            try:
                async with connect(self.data_dir("apac")) as admin:
                    while not self.is_over:
                        outcome = await self.call(admin)
                        self.outcomes[outcome] += 1
                        await trio.sleep(self.random.uniform(0.0, 0.02))
            except NotRunning:
                await trio.sleep(0.2)

    async def call(self, admin: AdminClient) -> str:
        data = {"number": self.random.randrange(10**9), "text": "x" * self.random.randrange(20_000)}
        message = {"service": "demo.echo", "request": data}
        request = {"connection": CONNECTION, "data": message, "timeout": CALL_TIMEOUT}
        with trio.move_on_after(ANSWER_WITHIN):
            try:
                answer = await admin.invoke("isthmus.admin.invoke-via", request, timeout=math.inf)
            except CallError as error:
                return f"{type(error).__name__} {error.status}"
            except LinkClosed:
                self.outcomes["admin session lost"] += 1
                raise
            if answer == data:
                return "answered"
            self.failures.append(f"a call was given another one's answer: {str(answer)[:80]}")
            return "wrong answer"
        self.failures.append(f"a call had no outcome within {ANSWER_WITHIN:g} s")
        return "no outcome"

    # The faults

    async def harm(self, seconds: float) -> None:
        """Do things to servers at random times, then see that the link came back."""
        with trio.move_on_after(seconds):
            while True:
                await trio.sleep(self.random.uniform(1.0, 20.0))
                if not self.is_calm:
                    await self.harm_once()

    async def harm_once(self) -> None:
        cluster = self.random.choice(("apac", "emea"))
        pid = self.lives[cluster][-1].pid
        fault = self.random.choice(("SIGKILL", "SIGSTOP", "SIGTERM"))
        self.faults[f"{fault} {cluster}"] += 1
        if not self.signal(pid, signal.Signals[fault]) or fault != "SIGSTOP":
            return
        try:
            await trio.sleep(self.random.uniform(0.5, LONGEST_STOP))
        finally:
            self.signal(pid, signal.SIGCONT)

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Signal a server, unless it has ended by itself and its pid may be another's."""
        try:
            if str(self.folder).encode() not in Path(f"/proc/{pid}/cmdline").read_bytes():
                return False
            os.kill(pid, number)
        except OSError:
            return False
        return True

    async def see_it_well(self) -> None:
        """See that the link is ready and a call passes."""
        with trio.move_on_after(BACK_WITHIN):
            while True:
                try:
                    async with connect(self.data_dir("apac")) as admin:
                        if await self.call(admin) == "answered":
                            return
                except NotRunning:
                    pass
                await trio.sleep(0.2)
        self.failures.append(f"the link did not come back within {BACK_WITHIN:g} s")

    # The run

    async def run(self, minutes: float, callers: int) -> None:
        write_sample(self.folder, free_port(), ping_interval=2.0, ping_timeout=1.0)
        command = [*COMMAND, "run", "--config", str(self.folder / "clusters.toml")]
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        self.process = await trio.lowlevel.open_process(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.read_log)
                await self.soak(minutes, callers)
                await self.end()
                nursery.cancel_scope.cancel()
        finally:
            self.clean_up()

    async def soak(self, minutes: float, callers: int) -> None:
        with trio.move_on_after(60) as scope:
            await self.until_links(1)
        if scope.cancelled_caught:
            self.failures.append("no link came about at the start")
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.measure, 2.0)
            async with trio.open_nursery() as loads:
                for _ in range(callers):
                    loads.start_soon(self.call_for_ever)
                await self.harm(60 * minutes)
                await self.see_it_well()
                self.is_over = True
            nursery.cancel_scope.cancel()
        self.measure_now()

    async def end(self) -> None:
        """End the launcher in order, and see that no process has the output open any more."""
        self.process.terminate()
        with trio.move_on_after(60) as scope:
            status = await self.process.wait()
            if status:
                self.failures.append(f"the launcher's exit status is {status}")
            await self.output_ended.wait()
        if scope.cancelled_caught:
            self.failures.append("a process is left")

    def clean_up(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        for life in (one for lives in self.lives.values() for one in lives):
            if self.signal(life.pid, signal.SIGKILL):
                self.failures.append(f"process {life.pid} is left")

    def print(self) -> None:
        faults = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items())) or "none"
        print(f"faults: {faults}")
        print(f"{self.outcomes.total()} calls: {_listed(self.outcomes)}")
        print(f"{max(0, self.links - 1)} reconnects")
        for cluster, lives in self.lives.items():
            if lives:
                longest = max(lives, key=lambda life: life.memory[-1][0] if life.memory else 0.0)
                print(
                    f"{cluster}: {len(lives)} processes; the first: {lives[0]}; the last: {lives[-1]}; "
                    f"the longest: {longest}"
                )
        for failure in self.failures[:20]:
            print(f"FAILED: {failure}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def main() -> int:
    """Soak for as long as the arguments say; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="soak", description="Run the sample under load and kill its servers.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: 5)")
    parser.add_argument("--callers", type=int, default=8, help="how many call at once (default: 8)")
    parser.add_argument("--calm", action="store_true", help="harm nothing: how memory grows under load alone")
    parser.add_argument("--seed", type=int, default=None, help="decides what is done when (default: random)")
    arguments = parser.parse_args()
    seed = random.randrange(10**9) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="isthmus-soak-", dir="/tmp") as folder:
        soak = Soak(Path(folder), random.Random(seed), is_calm=arguments.calm)
        print(f"seed {seed}, {arguments.minutes:g} minutes, {arguments.callers} callers", flush=True)
        trio.run(partial(soak.run, arguments.minutes, arguments.callers))
    soak.print()
    if soak.failures:
        log = Path(tempfile.gettempdir()) / f"isthmus-soak-{seed}.log"
        log.write_text("\n".join(soak.lines))
        print(f"failed; the log is {log}")
    return bool(soak.failures)


if __name__ == "__main__":
    sys.exit(main())
