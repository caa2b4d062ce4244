"""The sending end of a stream: where what a generator yields goes, as fast as whoever iterates takes it."""

from __future__ import annotations

from typing import Any, Protocol

import trio

from actors.errors import MethodNotAllowed
from actors.streams.flow import MAX_BYTES, MAX_ITEMS, Allowance, size_of
from actors.streams.inlet import Inlet

__all__ = ["Listed", "LocalOutlet", "Outlet"]

MAX_LISTED = 10_000
"""Items that a call which is no stream gets as a list."""

MAX_LISTED_BYTES = 8 * 1024 * 1024
"""The same in bytes."""


class Outlet(Protocol):
    """Takes the items of one stream."""

    async def put(self, item: Any) -> None:
        """Wait until there is credit for one more item, then send it, now or with those that follow at once.

        Cancellation sends nothing of it.
        """
        ...

    def flush(self) -> None:
        """Send what was put, for the generator waits for something, or has ended."""
        ...


class LocalOutlet:
    """Gives the items to an inlet of the same server, as they are."""

    def __init__(self, inlet: Inlet) -> None:
        self._inlet = inlet
        self._allowance = Allowance(MAX_ITEMS, MAX_BYTES)
        inlet.grant = self._allowance.add

    async def put(self, item: Any) -> None:
        """Hand an item over as soon as there is room; see `Outlet.put`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._allowance.wait()
        size = size_of(item)
        self._allowance.take(size)
        self._inlet.put(item, size)

    def flush(self) -> None:
        """Do nothing; see `Outlet.flush`."""


class Listed:
    """Keeps the items for a caller that wants one answer, and cannot be told of single ones."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._bytes = 0

    async def put(self, item: Any) -> None:
        """Keep an item.

        Raises:
            MethodNotAllowed: When it would be too many, or too much.
        """
        await trio.lowlevel.checkpoint()
        self._bytes += size_of(item)
        if len(self.items) >= MAX_LISTED or self._bytes > MAX_LISTED_BYTES:
            msg = (
                f"the service streams more than one answer can hold ({MAX_LISTED} items, {MAX_LISTED_BYTES} bytes): "
                "iterate over it with stream()"
            )
            raise MethodNotAllowed(msg)
        self.items.append(item)

    def flush(self) -> None:
        """Do nothing; see `Outlet.flush`."""
