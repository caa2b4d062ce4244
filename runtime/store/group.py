"""Group commit: whatever waits is written in one transaction, by one thread, one hop for all.

There is no task for it. Whoever comes first while nobody writes takes all that waits and writes it; the others wait
for their results. So a lone write waits for nothing, and groups grow with load.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import trio

from actors.errors import StoreFailed
from actors.meters import Meters
from actors.pulse import Pulse

__all__ = ["GroupCommit", "StoreThread", "SystemStoreThread"]

T = TypeVar("T")

Operation = Callable[[sqlite3.Connection], T]


class StoreThread(Protocol):
    """Where a store's blocking work is done."""

    async def run(self, function: Callable[[], T]) -> T:
        """Run blocking code and wait for its end, whatever happens."""
        ...


class SystemStoreThread:
    """A worker thread of the store's own, so that users' threads cannot hold it up."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, function: Callable[[], T]) -> T:
        """Run blocking code in the thread; see `StoreThread.run`."""
        return await trio.to_thread.run_sync(function, limiter=self._limiter)


class _Job(Generic[T]):
    """An operation that waits for its group."""

    def __init__(self, operation: Operation[T]) -> None:
        self.operation = operation
        self.is_done = False
        self.result: T | None = None
        self.error: Exception | None = None


class GroupCommit:
    """Runs operations on a database in groups, each group in one transaction.

    Args:
        database: The connection, which nobody else uses.
        thread: Where it is used.
        on_rollback: Called there when a group was undone.
    """

    def __init__(self, database: sqlite3.Connection, thread: StoreThread, *, on_rollback: Callable[[], None]) -> None:
        self._database = database
        self._on_rollback = on_rollback
        self._thread = thread
        self._waiting: deque[_Job[Any]] = deque()
        self._is_writing = False
        self._written = Pulse()
        self.meters: Meters | None = None
        """Where transactions are timed, where somebody looks."""
        self.failures = 0
        """How many of them could not be committed."""

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is being written and nothing waits."""
        return not self._is_writing and not self._waiting

    async def do(self, operation: Operation[T]) -> T:
        """Run an operation within the next group and return its result once the group is committed.

        An operation that raises is undone alone. When cancelled before its group began it has not been run; later it
        is run all the same, and cancellation comes after it.

        Raises:
            StoreFailed: When the group could not be committed; nothing of it is stored.
            Exception: What the operation raised.
        """
        job = _Job(operation)
        self._waiting.append(job)
        try:
            while not job.is_done:
                if self._is_writing:
                    await self._written.wait()
                else:
                    await self._write()
        finally:
            if not job.is_done and job in self._waiting:
                self._waiting.remove(job)
        if job.error is not None:
            raise job.error
        return job.result  # type: ignore[return-value]

    async def _write(self) -> None:
        jobs = list(self._waiting)
        self._waiting.clear()
        self._is_writing = True
        meters = self.meters
        began_at = 0.0 if meters is None else meters.now()
        try:
            with trio.CancelScope(shield=True):
                await self._thread.run(lambda: self._run_group(jobs))
        finally:
            self._is_writing = False
            self._written.notify()
            if meters is not None:
                meters.committed(began_at, len(jobs))
        await trio.lowlevel.checkpoint_if_cancelled()

    def _run_group(self, jobs: list[_Job[Any]]) -> None:
        """In the thread: run all jobs in one transaction."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run_alone(job)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            self._on_rollback()
            self.failures += 1
            for job in jobs:
                job.error = StoreFailed(f"the store cannot write: {error}")
        for job in jobs:
            job.is_done = True

    def _run_alone(self, job: _Job[Any]) -> None:
        database = self._database
        database.execute("SAVEPOINT job")
        try:
            job.result = job.operation(database)
        except sqlite3.Error:
            raise
        except Exception as error:  # the job's own fault, which costs the others nothing
            database.execute("ROLLBACK TO job")
            job.error = error
        database.execute("RELEASE job")
