"""Lazy: a task that is started when it is needed for the first time, since a link that does nothing needs few."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

__all__ = ["Lazy"]


class Lazy:
    """Runs a function in a task of its own from when it is both needed and allowed to run.

    Args:
        function: What the task runs.
    """

    __slots__ = ("_function", "_is_needed", "_nursery")

    def __init__(self, function: Callable[[], Awaitable[object]]) -> None:
        self._function: Callable[[], Awaitable[object]] | None = function
        self._is_needed = False
        self._nursery: trio.Nursery | None = None

    def need(self) -> None:
        """Have it run, now or as soon as it may; it is started once."""
        self._is_needed = True
        self._start()

    def may_run_in(self, nursery: trio.Nursery | None) -> None:
        """Say where it may run; None where that is over, and it is not to be started any more."""
        self._nursery = nursery
        self._start()

    def _start(self) -> None:
        if self._is_needed and self._nursery is not None and self._function is not None:
            function, self._function = self._function, None
            self._nursery.start_soon(function)
