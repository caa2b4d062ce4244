"""Pulse: wakes all that wait for something to change, and costs next to nothing while nobody waits."""

from __future__ import annotations

import trio

__all__ = ["Pulse"]


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

    async def wait(self) -> None:
        """Wait for the next time."""
        if self._next is None:
            self._next = trio.Event()
        await self._next.wait()
