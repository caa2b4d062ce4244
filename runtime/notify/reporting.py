"""Reporting: has a server say when it is ready, that it lives, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import trio

from runtime.notify.notifier import Notifier

__all__ = ["Reporting"]

FIRST_INTERVAL = 0.2
"""Seconds between two looks at a server that is not ready yet."""

INTERVAL = 10.0
"""Seconds between two looks at one that was ready."""


class Reporting:
    """Says how a server is.

    Args:
        notifier: Whom to tell.
        missing: Returns what a server waits for, in words; nothing where it is ready.
    """

    def __init__(self, notifier: Notifier, missing: Callable[[], Awaitable[Sequence[str]]]) -> None:
        self._notifier = notifier
        self._missing = missing
        self._is_ready = False
        self._is_stopping = False
        self._status = ""

    async def run(self) -> None:
        """Report until cancelled; returns at once where nobody listens.

        That it lives is said by a task of its own, so that a store which does not answer is no reason to be killed.
        """
        if not self._notifier.is_heard:
            return
        async with trio.open_nursery() as nursery:
            if self._notifier.watchdog is not None:
                nursery.start_soon(self._say_that_it_lives, self._notifier.watchdog / 2)
            while not self._is_stopping:
                self._report(await self._missing())
                await trio.sleep(INTERVAL if self._is_ready else FIRST_INTERVAL)

    def stopping(self, patience: float) -> None:
        """Say that the server ends, and how many seconds that may take."""
        self._is_stopping = True
        self._notifier.tell("STOPPING=1", "STATUS=stopping", f"EXTEND_TIMEOUT_USEC={int(patience * 1_000_000)}")

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Say that the configuration is being changed, and afterwards that this is done."""
        if not self._is_ready or self._is_stopping:
            yield
            return
        now = time.monotonic_ns() // 1000  # the clock of the system, which whoever listens compares it with
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=changing the configuration")
        try:
            yield
        finally:
            self._is_ready = self._is_stopping or self._notifier.tell("READY=1", f"STATUS={self._status}")

    def _report(self, missing: Sequence[str]) -> None:
        if self._is_stopping:
            return
        status = f"not ready: {'; '.join(missing)}" if missing else "ready"
        lines = [f"STATUS={' '.join(status.split())}"] if status != self._status else []
        if not missing and not self._is_ready:
            lines.insert(0, "READY=1")
        if lines and self._notifier.tell(*lines):
            self._status = status
            self._is_ready = self._is_ready or not missing

    async def _say_that_it_lives(self, interval: float) -> None:
        while True:
            self._notifier.tell("WATCHDOG=1")
            await trio.sleep(interval)
