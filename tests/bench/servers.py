"""The processes of a run: started with their output in a file, asked to end, and killed where they do not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import trio

from tests.bench.rows import MeasureFailed

T = TypeVar("T")

ENDS_WITHIN = 30.0
"""Seconds that a process has to end once it is asked to."""

STARTS_WITHIN = 30.0
ANSWERS_WITHIN = 600.0


@asynccontextmanager
async def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None, **options: Any
) -> AsyncGenerator[trio.Process, None]:
    """Run a process as long as the block; what it writes to its standard error is appended to `log`."""
    with log.open("ab") as output:
        options = {"stdin": subprocess.DEVNULL, "stdout": output, **options}
        process = await trio.lowlevel.open_process(list(command), stderr=output, env=environment, **options)
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.poll() is None:
            process.terminate()
        with trio.move_on_after(ENDS_WITHIN):
            await process.wait()
        if process.poll() is None:
            process.kill()
        await process.wait()


async def until_listening(process: trio.Process, port: int, log: Path) -> None:
    """Wait until a process takes connections.

    Raises:
        MeasureFailed: When it ended before, or did not come to it.
    """
    with trio.move_on_after(STARTS_WITHIN):
        while process.poll() is None:
            try:
                stream = await trio.open_tcp_stream("127.0.0.1", port)
            except OSError:
                await trio.sleep(0.02)
            else:
                await stream.aclose()
                return
    raise MeasureFailed(not_started(process, log))


def not_started(process: trio.Process, log: Path) -> str:
    """Return a sentence on a process that did not start, with the end of what it wrote."""
    how = "did not start in time" if process.poll() is None else f"ended with status {process.poll()}"
    last = log.read_text(errors="replace").strip().splitlines()[-3:]
    return f"{log.stem} {how}: {' / '.join(last) or 'it wrote nothing'}"


async def together(*calls: Callable[[], Awaitable[T]]) -> list[T]:
    """Make calls side by side and return their results, in no order; wait for all of them even where one fails.

    Raises:
        MeasureFailed: The first failure.
    """
    results: list[T] = []
    failures: list[MeasureFailed] = []

    async def run(call: Callable[[], Awaitable[T]]) -> None:
        try:
            results.append(await call())
        except MeasureFailed as error:
            failures.append(error)

    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(run, call)
    if failures:
        raise failures[0]
    return results


class Worker:
    """A process that takes orders, a line of JSON each, and answers each with one.

    Args:
        process: The process; its standard input and output are pipes.
        log: Where its standard error goes.
    """

    def __init__(self, process: trio.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._rest = b""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ask(self, **order: object) -> dict[str, Any]:
        """Give an order and return the answer.

        Raises:
            MeasureFailed: When it failed.
        """
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(json.dumps(order).encode() + b"\n")
            with trio.fail_after(ANSWERS_WITHIN):
                answer: dict[str, Any] = json.loads(await self._line())
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            self._process.kill()  # a late answer would be taken for that to the next order
            msg = f"{self._log.stem} gave no answer: {error!r}"
            raise MeasureFailed(msg) from None
        if "error" in answer:
            raise MeasureFailed(f"{self._log.stem}: {answer['error']}")
        return answer

    async def _line(self) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._rest:
            chunk = await self._process.stdout.receive_some()
            if not chunk:
                raise MeasureFailed(not_started(self._process, self._log))
            self._rest += chunk
        line, self._rest = self._rest.split(b"\n", 1)
        return line


@asynccontextmanager
async def worker(command: Sequence[str], log: Path, **options: Any) -> AsyncGenerator[Worker, None]:
    """Run a worker as long as the block."""
    async with running(command, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **options) as process:
        yield Worker(process, log)
