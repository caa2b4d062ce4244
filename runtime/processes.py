"""Worker processes for users' heavy code, behind the port `Processes`."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio
import trio_parallel

from runtime.loading import load_classes

__all__ = ["WorkerProcesses", "open_processes"]

T = TypeVar("T")


class WorkerProcesses:
    """Runs functions in worker processes, as many at once as there are processors.

    Args:
        context: Where the workers are kept between calls.
    """

    def __init__(self, context: trio_parallel.WorkerContext) -> None:
        self._context = context
        self._limiter = trio.CapacityLimiter(os.cpu_count() or 1)

    async def run_cpu(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in a worker, which is killed when the caller is cancelled; see `Processes.run_cpu`."""
        result: T = await self._context.run_sync(function, *args, kill_on_cancel=True, limiter=self._limiter)
        return result


@asynccontextmanager
async def open_processes(services: Sequence[str], folder: Path) -> AsyncGenerator[WorkerProcesses, None]:
    """Keep worker processes as long as the context lives; they are started when they are needed.

    Args:
        services: The users' modules, which each worker loads, so that it knows their functions.
        folder: What their paths are relative to.
    """
    load = functools.partial(load_classes, services, folder)
    async with trio_parallel.open_worker_context(init=load) as context:
        yield WorkerProcesses(context)
