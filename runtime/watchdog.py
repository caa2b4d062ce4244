"""The watchdog of the event loop: names what holds it, and shows where.

A task on the loop notes that the loop turns; a thread looks on. When the loop has not turned for too long, the
thread reads the stack of the loop's thread: the actor whose code is at its inner end holds up all others.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from types import FrameType

import structlog
import trio

from actors.actor import Actor

__all__ = ["watch_loop"]

MAX_HOLD = 1.0
"""Seconds that a task may hold the loop unnamed."""

_log = structlog.get_logger(kind="watchdog")


async def watch_loop(
    max_hold: float = MAX_HOLD,
    on_held: Callable[[str, float, str], None] | None = None,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Watch the loop that this runs on, until cancelled.

    Args:
        max_hold: Seconds after which a task that holds the loop is named, once for each time it does.
        on_held: Called in the watching thread with the actor's name, the seconds and the stack; by default logs them.
        task_status: Told when it watches.
    """
    watchdog = _Watchdog(max_hold, on_held or _report)
    watchdog.start()
    task_status.started()
    try:
        while True:
            watchdog.turned()
            await trio.sleep(max_hold / 4)
    finally:
        watchdog.stop()


def _report(actor: str, seconds: float, stack: str) -> None:
    _log.error("the event loop is held up", actor=actor, seconds=round(seconds, 1), stack=stack)


class _Watchdog:
    def __init__(self, max_hold: float, on_held: Callable[[str, float, str], None]) -> None:
        self._max_hold = max_hold
        self._on_held = on_held
        self._watched = threading.get_ident()
        self._turns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="isthmus-watchdog", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def turned(self) -> None:
        self._turns += 1

    def _look_on(self) -> None:
        seen, still, named = -1, 0.0, False
        interval = self._max_hold / 4
        while not self._stopping.wait(interval):
            if self._turns != seen:
                seen, still, named = self._turns, 0.0, False
                continue
            still += interval
            if still >= self._max_hold and not named:
                named = True
                frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - documented, for this purpose
                if frame is not None:
                    self._on_held(_actor_of(frame), still, "".join(traceback.format_stack(frame)[-8:]))


def _actor_of(frame: FrameType | None) -> str:
    """Return the name of the innermost actor on a stack."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, Actor):
            return f"{owner.kind}:{owner.actor}"
        frame = frame.f_back
    return "unknown"
