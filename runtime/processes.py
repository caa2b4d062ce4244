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
        nursery: Where workers are kept between calls.
        services: The users' modules, which each worker loads first, so that it knows their functions.
        folder: What their paths are relative to.
    """

    def __init__(self, nursery: trio.Nursery, services: Sequence[str], folder: Path) -> None:
        self._nursery = nursery
        self._services = services
        self._folder = folder
        self._limiter = trio.CapacityLimiter(os.cpu_count() or 1)
        self._is_over = trio.Event()
        self._context: trio_parallel.WorkerContext

    async def run_cpu(self, function: Callable[..., T], *args: object) -> T:
        """Run a function in a worker, which is killed when the caller is cancelled; see `Processes.run_cpu`."""
        result: T = await self._context.run_sync(function, *args, kill_on_cancel=True, limiter=self._limiter)
        return result

    async def renew(self) -> None:
        """Have further functions run in fresh workers; those that run end in the old ones."""
        before, self._is_over = self._is_over, trio.Event()
        self._context = await self._nursery.start(self._keep, self._is_over)
        before.set()

    async def relist(self, services: Sequence[str]) -> None:
        """Have further functions run in workers that load other modules."""
        self._services = services
        await self.renew()

    async def _keep(self, is_over: trio.Event, task_status: trio.TaskStatus[trio_parallel.WorkerContext]) -> None:
        load = functools.partial(load_classes, self._services, self._folder)
        async with trio_parallel.open_worker_context(init=load) as context:
            task_status.started(context)
            await is_over.wait()


@asynccontextmanager
async def open_processes(services: Sequence[str], folder: Path) -> AsyncGenerator[WorkerProcesses, None]:
    """Keep worker processes as long as the context lives; they are started when they are needed.

    Args:
        services: The users' modules, which each worker loads, so that it knows their functions.
        folder: What their paths are relative to.
    """
    async with trio.open_nursery() as nursery:
        processes = WorkerProcesses(nursery, services, folder)
        await processes.renew()
        yield processes
        nursery.cancel_scope.cancel()
