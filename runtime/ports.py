"""The real clock, randomness and threads behind the ports of `actors.ports`."""

from __future__ import annotations

import contextvars
import datetime
import secrets
from collections.abc import Awaitable, Callable
from random import SystemRandom  # noqa: TID251 - the one place that jitter comes from
from typing import TypeVar

import trio

__all__ = ["SystemClock", "SystemEntropy", "SystemThreads"]

T = TypeVar("T")

MAX_USER_THREADS = 40


class SystemClock:
    """This machine's clock."""

    def utc_now(self) -> datetime.datetime:
        """Return the time now, naive, in UTC."""
        return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # noqa: TID251 - this is the port


class SystemEntropy:
    """The system's randomness."""

    def __init__(self) -> None:
        self._random = SystemRandom()

    def hex_id(self) -> str:
        """Return 24 hexadecimal digits that nobody can guess."""
        return secrets.token_hex(12)

    def uniform(self, low: float, high: float) -> float:
        """Return a number between the two."""
        return self._random.uniform(low, high)


_in_worker: contextvars.ContextVar[bool] = contextvars.ContextVar("isthmus_in_worker", default=False)


class SystemThreads:
    """Worker threads for users' blocking code, with a limit of their own."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(MAX_USER_THREADS)

    async def run_sync(self, function: Callable[[], T]) -> T:
        """Run `function` in a worker thread, in the caller's context; cancellation waits for its end."""

        def run() -> T:
            _in_worker.set(True)
            return function()

        return await trio.to_thread.run_sync(run, limiter=self._limiter)

    def call_back(self, function: Callable[[], Awaitable[T]]) -> T:
        """From such code, run `function` on the event loop and wait for its result."""

        async def run() -> T:
            return await function()

        return trio.from_thread.run(run)

    def inside(self) -> bool:
        """Tell whether the caller is such blocking code."""
        return _in_worker.get() and not trio.lowlevel.in_trio_run()
