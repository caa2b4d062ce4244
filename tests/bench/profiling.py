"""Records where the measured processes spend their time, by py-spy."""

from __future__ import annotations

import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio
from attrs import frozen

from tests.bench.rows import MeasureFailed
from tests.bench.servers import STARTS_WITHIN, not_started, running

RATE = 200
LONGEST = 3600
MOST_LINES = 15
_LINE_NUMBER = re.compile(r":\d+\)$")


@frozen
class Profiler:
    """Writes `ROW-CLUSTER.txt`, collapsed stacks, into a folder; the last round's stay. None: records nothing."""

    folder: Path | None = None

    @asynccontextmanager
    async def watch(self, row: str, pids: Mapping[str, int]) -> AsyncGenerator[None, None]:
        """Record processes as long as the block."""
        async with AsyncExitStack() as stack:
            if self.folder is not None:
                for cluster, pid in pids.items():
                    await stack.enter_async_context(self._record(self.folder, f"{row}-{cluster}", pid))
            yield

    @asynccontextmanager
    async def _record(self, folder: Path, name: str, pid: int) -> AsyncGenerator[None, None]:
        output = folder / f"{name}.txt"
        command = [
            str(Path(sys.executable).with_name("py-spy")),
            "record",
            "--pid",
            str(pid),
            "--output",
            str(output),
            "--format",
            "raw",
        ]
        command += ["--rate", str(RATE), "--duration", str(LONGEST)]
        log = folder / f"{name}.log"
        async with running(command, log) as process:
            await self._until_sampling(process, log)
            try:
                yield
            finally:
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)  # it writes what it has
                with trio.CancelScope(shield=True):
                    await process.wait()
        await trio.Path(log).unlink()

    def summary(self) -> str:
        """Return for each recorded process where it spent its time."""
        if self.folder is None:
            return ""
        parts = [shares_of(path.stem, path.read_text()) for path in sorted(self.folder.glob("*.txt"))]
        return "\n\n".join(parts)

    async def _until_sampling(self, process: trio.Process, log: Path) -> None:
        with trio.move_on_after(STARTS_WITHIN):
            while process.poll() is None:
                if b"Sampling process" in await trio.Path(log).read_bytes():
                    return
                await trio.sleep(0.02)
        raise MeasureFailed(not_started(process, log))


def shares_of(title: str, stacks: str, most: int = MOST_LINES) -> str:
    """Return in which functions a process was, in percent of the samples, most first.

    Args:
        title: The first line.
        stacks: Collapsed stacks: frames from the outermost on, separated by semicolons, then how often.
        most: How many functions.
    """
    inside, itself, samples = Counter[str](), Counter[str](), 0
    for line in stacks.splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [_LINE_NUMBER.sub(")", frame) for frame in stack.split(";")]
        samples += int(number)
        itself[frames[-1]] += int(number)
        for frame in set(frames):
            inside[frame] += int(number)
    lines = [f"{title}: {samples} samples; in a function itself, with what it calls"]
    for frame, number in itself.most_common(most):
        lines.append(f"  {100 * number / samples:5.1f} %  {100 * inside[frame] / samples:5.1f} %  {frame}")
    return "\n".join(lines)
