"""Group commit: whatever waits is written in one transaction, by one thread, one hop for all.

There is no task for it. Whoever comes first while nobody writes takes all that waits and writes it; the others wait
for their results. So a lone write waits for nothing, and groups grow with load.

An operation runs in the thread, within the transaction. Or it is prepared on the event loop, and the thread only has
to execute its statements: then the loop may go on using what is known by heart meanwhile (`is_free`), and the two do
not take turns with each other's code. A group has operations of one kind.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, Protocol, TypeVar

import trio
from attrs import define

from actors.errors import StoreFailed
from actors.meters import Meters
from actors.pulse import Pulse
from runtime.store.prepared import Prepared, Statement

__all__ = ["GroupCommit", "StoreThread", "SystemStoreThread"]

T = TypeVar("T")

Operation = Callable[[sqlite3.Connection], T]

FULL = 2
"""What SQLite calls it that each commit is synced."""


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


@define(eq=False)
class _Job(Generic[T]):
    """An operation that waits for its group."""

    operation: Operation[T]
    prepare: Callable[[], Prepared[T] | None] | None
    prepared: Prepared[T] | None = None
    is_done: bool = False
    result: T | None = None
    error: Exception | None = None

    def can_be_prepared(self) -> bool:
        """Prepare it where that can be done now; tell whether the thread is to do no more than its statements."""
        try:
            self.prepared = None if self.prepare is None else self.prepare()
        except Exception as error:  # the job's own fault, which costs the others nothing
            self.error = error
        return self.prepared is not None or self.error is not None

    def finish(self) -> None:
        """On the event loop: end what was prepared, where it is committed."""
        if self.prepared is not None and self.error is None:
            self.result = self.prepared.then()
        self.is_done = True

    def end(self) -> None:
        """Have whoever waits go on, however its group ended."""
        if not self.is_done:
            self.error = self.error or StoreFailed("the store was interrupted")
            self.is_done = True


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
        self._is_lent = False
        self._is_clean = True
        self._syncs: bool = database.execute("PRAGMA synchronous").fetchone()[0] == FULL
        self._is_syncing = self._syncs
        self._written = Pulse()
        self.meters: Meters | None = None
        """Where transactions are timed, where somebody looks."""
        self.failures = 0
        """How many of them could not be committed."""

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing is being written, nothing waits, and nothing is left of a group that failed."""
        return not self._is_writing and not self._waiting and self._is_clean

    @property
    def is_free(self) -> bool:
        """Tell whether what is known by heart may be used on the event loop, though something may be being written."""
        return self._is_clean and not self._is_lent

    async def do(self, operation: Operation[T], prepare: Callable[[], Prepared[T] | None] | None = None) -> T:
        """Run an operation within the next group and return its result once the group is committed.

        An operation that raises is undone alone. When cancelled before its group began it has not been run; later it
        is run all the same, and cancellation comes after it.

        Args:
            operation: Run in the thread, unless it can be prepared.
            prepare: Called on the event loop when its group begins, while nobody else uses what is known by heart;
                None where it cannot be prepared just now, and then nothing has changed.

        Raises:
            StoreFailed: When the group could not be committed; nothing of it is stored.
            Exception: What the operation raised.
        """
        job = _Job(operation, prepare)
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

    def _next_group(self) -> tuple[list[_Job[Any]], bool]:
        """Take the first that wait: those that can be prepared, or else all; tell whether they are prepared."""
        waiting = self._waiting
        jobs: list[_Job[Any]] = []
        while self._is_clean and waiting and waiting[0].can_be_prepared():
            jobs.append(waiting.popleft())
        if jobs:
            return jobs, True
        jobs.extend(waiting)
        waiting.clear()
        return jobs, False

    async def _write(self) -> None:
        jobs, is_prepared = self._next_group()
        statements = [one for job in jobs if job.prepared is not None for one in job.prepared.statements]
        try:
            if statements or not is_prepared:
                await self._run_in_thread(jobs, statements, is_lent=not is_prepared)
            for job in jobs:
                job.finish()
        finally:
            for job in jobs:
                job.end()
            self._written.notify()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def _run_in_thread(self, jobs: list[_Job[Any]], statements: Sequence[Statement], *, is_lent: bool) -> None:
        """Have the thread run a group; `is_lent` tells whether it uses what is known by heart."""
        self._is_writing, self._is_lent = True, is_lent
        meters = self.meters
        began_at = 0.0 if meters is None else meters.now()
        try:
            with trio.CancelScope(shield=True):
                await self._thread.run(lambda: self._run_group(jobs, statements))
                if not self._is_clean:
                    self._is_lent = True
                    await self._thread.run(self._undo_if_possible)
        finally:
            self._is_writing = self._is_lent = False
            if meters is not None:
                meters.committed(began_at, len(jobs))

    def _run_group(self, jobs: list[_Job[Any]], statements: Sequence[Statement]) -> None:
        """In the thread: run all jobs in one transaction, or what was prepared of them."""
        database = self._database
        failure: StoreFailed | None = StoreFailed("the store cannot write: it was interrupted")
        try:
            self._undo()
            self._sync(is_needed=not all(job.prepared is not None and job.prepared.may_be_lost for job in jobs))
            database.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                database.execute(sql, values)
            for job in jobs:
                if job.prepared is None and job.error is None:
                    self._run_alone(job)
            database.execute("COMMIT")
            failure = None
        except sqlite3.Error as error:
            failure = StoreFailed(f"the store cannot write: {error}")
        finally:
            if failure is not None:
                self._is_clean = False
                self.failures += 1
                for job in jobs:
                    job.error = failure

    def _sync(self, *, is_needed: bool) -> None:
        """Say whether the next commit is to be synced, where that is wanted at all; one that is syncs all before it."""
        if self._syncs and is_needed != self._is_syncing:
            self._database.execute(f"PRAGMA synchronous = {'FULL' if is_needed else 'NORMAL'}")
            self._is_syncing = is_needed

    def _undo_if_possible(self) -> None:
        with suppress(sqlite3.Error):  # else the next group begins with it
            self._undo()

    def _undo(self) -> None:
        """Undo what is left of a group that failed, and have what is known by heart read anew."""
        if self._is_clean:
            return
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        self._on_rollback()
        self._is_clean = True

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
