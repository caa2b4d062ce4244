"""The simulator's clock, randomness and threads: what makes a run depend on its seed alone."""

from __future__ import annotations

import contextvars
import datetime
import queue
import threading
from collections.abc import Awaitable, Callable
from random import Random  # noqa: TID251 - a seeded port's
from typing import Any, Generic, TypeVar

import trio
from outcome import Outcome, acapture, capture

from actors.audit import AuditEvent, AuditResult

__all__ = ["InlineThreads", "RecordedAudit", "SeededEntropy", "SimulatedClock"]

T = TypeVar("T")

EPOCH = datetime.datetime(2026, 1, 1)


class SimulatedClock:
    """A wall clock that goes with Trio's."""

    def utc_now(self) -> datetime.datetime:
        """Return the time now, naive, in UTC: a fixed day, and as many seconds as the run has had."""
        return EPOCH + datetime.timedelta(seconds=trio.current_time())

    def timestamp(self) -> str:
        """Return it as messages say it; see `Clock.timestamp`."""
        return self.utc_now().isoformat(timespec="microseconds")


class RecordedAudit:
    """An audit log in memory.

    Args:
        entries: Where entries go, each a dict as a line of the file has it.
    """

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._entries = entries

    def note(self, event: AuditEvent, result: AuditResult, **facts: object) -> None:
        """Take an entry; see `actors.audit.Audit.note`."""
        known = {key: fact for key, fact in facts.items() if fact not in (None, "")}
        self._entries.append({"event": event.value, "result": result.value, **known})


class SeededEntropy:
    """Randomness and ids that a seed decides.

    Args:
        seed: Any text or number; different seeds give different ids.
    """

    def __init__(self, seed: str | int) -> None:
        self._random = Random(seed)  # noqa: S311 - to be repeated, not to be secret

    def hex_id(self) -> str:
        """Return 24 hexadecimal digits."""
        return f"{self._random.getrandbits(96):024x}"

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return self._random.uniform(low, high)


class _Job(Generic[T]):
    """Blocking code in a thread that runs only while the event loop waits for it."""

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self.to_loop: queue.SimpleQueue[Outcome[T] | Callable[[], Awaitable[Any]]] = queue.SimpleQueue()
        self.to_thread: queue.SimpleQueue[Outcome[Any]] = queue.SimpleQueue()

    def run(self) -> None:
        _job.set(self)
        self.to_loop.put(capture(self._function))


_job: contextvars.ContextVar[_Job[Any] | None] = contextvars.ContextVar("isthmus_inline_job", default=None)


class InlineThreads:
    """Blocking code runs while the event loop stands still, so that no time passes on a mock clock meanwhile.

    The code has a thread of its own, for it may call back; but it and the event loop take turns.

    Args:
        entropy: How long each piece of blocking code takes, in the simulation's time.
        max_delay: At most so many seconds.
    """

    def __init__(self, entropy: SeededEntropy, max_delay: float = 0.0) -> None:
        self._entropy = entropy
        self._max_delay = max_delay

    async def run_sync(self, function: Callable[[], T]) -> T:
        """Run blocking code to its end; see `actors.ports.Threads.run_sync`."""
        await trio.sleep(self._entropy.uniform(0.0, self._max_delay))
        job = _Job(function)
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(job.run,), name="isthmus-inline")
        thread.start()
        try:
            while callable(wish := job.to_loop.get()):
                job.to_thread.put(await acapture(wish))
        finally:
            thread.join()
        return wish.unwrap()

    async def run(self, function: Callable[[], T]) -> T:
        """Run a store's work to its end; see `runtime.store.group.StoreThread`."""
        await trio.sleep(self._entropy.uniform(0.0, self._max_delay))
        return function()

    async def run_cpu(self, function: Callable[..., T], *args: object) -> T:
        """Run heavy code to its end; see `actors.ports.Processes.run_cpu`."""
        return await self.run_sync(lambda: function(*args))

    def call_back(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run `function` on the event loop while this thread waits; see `actors.ports.Threads.call_back`."""
        job = _job.get()
        if job is None:
            msg = "call_back works in blocking code only"
            raise RuntimeError(msg)
        job.to_loop.put(function)
        result: T = job.to_thread.get().unwrap()
        return result

    def inside(self) -> bool:
        """Tell whether the caller is blocking code."""
        return _job.get() is not None and not trio.lowlevel.in_trio_run()
