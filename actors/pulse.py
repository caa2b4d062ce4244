"""What wakes those who wait for something, and costs next to nothing while nobody waits.

An event of Trio's has a set of tasks, also where nobody ever waits for it; of many links that adds up. So do frames of
coroutines that only await another one, so `wait` is none of its own: it is to be awaited where it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import trio

__all__ = ["Latch", "Pulse"]


class Pulse:
    """An event that happens again and again. Who waits looks again at what it waits for when it is woken."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next: trio.Event | None = None

    def notify(self) -> None:
        """Wake all that wait now."""
        if self._next is not None:
            happened, self._next = self._next, None
            happened.set()

    def wait(self) -> Coroutine[Any, Any, None]:
        """Wait for the next time."""
        if self._next is None:
            self._next = trio.Event()
        return self._next.wait()


class Latch:
    """An event that happens once: used as `trio.Event` is. Beside those who wait it can call one who does not."""

    __slots__ = ("_callback", "_event", "_is_set")

    def __init__(self, *, is_set: bool = False) -> None:
        self._is_set = is_set
        self._event: trio.Event | None = None
        self._callback: Callable[[], object] | None = None

    def is_set(self) -> bool:
        """Tell whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Note that it has happened, and wake all that wait; twice is harmless."""
        self._is_set = True
        if self._event is not None:
            happened, self._event = self._event, None
            happened.set()
        if self._callback is not None:
            callback, self._callback = self._callback, None
            callback()

    def when_set(self, callback: Callable[[], object] | None) -> None:
        """Say what to call when it happens, at once where it has; the last one counts, None for nobody."""
        self._callback = callback
        if callback is not None and self._is_set:
            self._callback = None
            callback()

    def wait(self) -> Coroutine[Any, Any, None]:
        """Wait until it has happened; always a checkpoint."""
        if self._is_set:
            return trio.lowlevel.checkpoint()  # noqa: ASYNC105 - whoever calls this awaits it
        if self._event is None:
            self._event = trio.Event()
        return self._event.wait()
