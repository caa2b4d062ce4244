"""The real clock, randomness and threads behind the ports of `actors.ports`."""

from __future__ import annotations

import contextvars
import datetime
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable
from random import SystemRandom  # noqa: TID251 - the one place that jitter comes from
from typing import TypeVar

import trio

__all__ = ["SystemClock", "SystemEntropy", "SystemThreads"]

T = TypeVar("T")

MAX_USER_THREADS = 40

ID_BYTES = 12
IDS_AT_ONCE = 256


class SystemClock:
    """This machine's clock."""

    def __init__(self) -> None:
        self._second = (0, "")  # and how it reads, which every frame of a second begins with

    def utc_now(self) -> datetime.datetime:
        """Return the time now, naive, in UTC."""
        return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)  # noqa: TID251 - this is the port

    def timestamp(self) -> str:
        """Return it as messages say it; see `Clock.timestamp`."""
        second, rest = divmod(time.time_ns(), 1_000_000_000)
        known, text = self._second
        if second != known:
            text = datetime.datetime.fromtimestamp(second, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._second = (second, text)
        return f"{text}{rest // 1000:06d}"


class SystemEntropy:
    """The system's randomness, which is asked for many ids at once, since each time costs several microseconds."""

    def __init__(self) -> None:
        self._random = SystemRandom()
        self._ids: deque[str] = deque()

    def hex_id(self) -> str:
        """Return 24 hexadecimal digits that nobody can guess."""
        try:
            return self._ids.popleft()  # also from the store's thread; no id is given twice
        except IndexError:
            drawn = secrets.token_hex(ID_BYTES * IDS_AT_ONCE)
            self._ids.extend(drawn[at : at + 2 * ID_BYTES] for at in range(2 * ID_BYTES, len(drawn), 2 * ID_BYTES))
            return drawn[: 2 * ID_BYTES]

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
