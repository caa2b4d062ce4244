"""Deadlines of those who wait for something: one heap and one task of Trio's run for all of them.

A cancel scope costs some ten microseconds, which is as much as the rest of a call. Where nothing is to be cancelled but
a wait that we know how to end ourselves, an entry in a heap does. The task sleeps until the first deadline that is
still of interest; what was cancelled meanwhile stays in the heap until its time or until it is half of the heap.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from math import inf

import trio
from trio.lowlevel import Abort, RunVar

__all__ = ["Deadlines", "Timer", "deadlines"]

_FEW = 64


class Timer:
    """Something to be called at a point in time, unless it is cancelled before."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], object] | None) -> None:
        self.action = action


_NEVER = Timer(None)


class Deadlines:
    """The heap. `deadlines` gives the one of the current run."""

    def __init__(self) -> None:
        self.now: Callable[[], float] = trio.lowlevel.current_clock().current_time
        """Tells Trio's time; `trio.current_time` has to find out first which run it is in."""
        self._heap: list[tuple[float, int, Timer]] = []
        self._numbers = count()
        self._cancelled = 0
        self._wakes_at = inf
        self._sleeper: trio.lowlevel.Task | None = None

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def call_at(self, deadline: float, action: Callable[[], object]) -> Timer:
        """Have `action` called at a point in Trio's time, from a task of its own; it must neither fail nor wait."""
        if deadline == inf:
            return _NEVER
        timer = Timer(action)
        heapq.heappush(self._heap, (deadline, next(self._numbers), timer))
        if deadline < self._wakes_at:
            self._wake()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Have it called no more; twice, or after the call, is harmless."""
        if timer.action is not None:
            timer.action = None
            self._cancelled += 1
            if self._cancelled > _FEW and 2 * self._cancelled > len(self._heap):
                self._heap = [entry for entry in self._heap if entry[2].action is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0

    async def run(self) -> None:
        """Call what is due, for ever."""
        self._sleeper = trio.lowlevel.current_task()
        while True:
            self._call_due()
            self._wakes_at = self._heap[0][0] if self._heap else inf
            with trio.CancelScope(deadline=self._wakes_at):
                await trio.lowlevel.wait_task_rescheduled(self._stop_sleeping)

    def _stop_sleeping(self, _raise_cancel: object) -> Abort:
        self._wakes_at = -inf
        return Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._sleeper is not None and self._wakes_at != -inf:
            self._wakes_at = -inf
            trio.lowlevel.reschedule(self._sleeper)

    def _call_due(self) -> None:
        """Call what is due, and drop what was cancelled from the head of the heap."""
        now = self.now()
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].action is None):
            _deadline, _number, timer = heapq.heappop(self._heap)
            action, timer.action = timer.action, None
            if action is None:
                self._cancelled -= 1
            else:
                action()


_of_this_run: RunVar[Deadlines] = RunVar("isthmus_deadlines")


def deadlines() -> Deadlines:
    """Return the deadlines of the current `trio.run`, which live as long as it does."""
    try:
        return _of_this_run.get()
    except LookupError:
        made = Deadlines()
        _of_this_run.set(made)
        trio.lowlevel.spawn_system_task(made.run)
        return made
