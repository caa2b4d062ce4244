"""The receiving end of a stream: what has arrived and waits to be iterated over, and how the stream ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from actors.errors import AskTimeout, CallError, InvokeTimeout, RemoteError
from actors.streams.flow import Window

__all__ = ["Inlet"]

_decode = msgspec.msgpack.Decoder().decode


class Inlet:
    """Items in order, then the end.

    What arrived before an error is iterated over before the error is raised. `grant` tells the sender how much more it
    may send; whoever opens the stream sets it.
    """

    __slots__ = ("_error", "_has_ended", "_items", "_waiting", "_window", "grant")

    def __init__(self) -> None:
        self.grant: Callable[[int, int], None] = lambda _count, _size: None
        self._window = Window()
        self._items: deque[tuple[Any, int]] = deque()
        self._waiting = trio.lowlevel.ParkingLot()
        self._has_ended = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more will arrive."""
        return self._has_ended

    def put(self, item: object, size: int) -> bool:
        """Take an item in; tell whether the sender might send it. After the end it is dropped."""
        if self._has_ended:
            return True
        if not self._window.arrived(size):
            return False
        self._items.append((item, size))
        self._waiting.unpark_all()
        return True

    def end(self, error: Exception | None = None) -> None:
        """Note that nothing more will arrive, and why where that is an error."""
        if not self._has_ended:
            self._has_ended = True
            self._error = error
            self._waiting.unpark_all()

    @property
    def is_late(self) -> bool:
        """Tell whether it ended since its time was over."""
        error = self._error
        return isinstance(error, AskTimeout) or (isinstance(error, CallError) and error.status == InvokeTimeout.status)

    async def wait(self) -> None:
        """Wait for an item or the end; cancellation takes nothing."""
        while not self._items and not self._has_ended:
            await self._waiting.park()

    def take(self) -> Any:
        """Return the next item.

        Raises:
            StopAsyncIteration: At the end.
            Exception: What the stream ended with.
        """
        if not self._items:
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        item, size = self._items.popleft()
        granted = self._window.taken(size)
        if granted is not None and not self._has_ended:
            self.grant(*granted)
        return item if not isinstance(item, msgspec.Raw) else _read(item)


def _read(raw: msgspec.Raw) -> Any:
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        msg = f"an item of the stream cannot be read: {error}"
        raise RemoteError(msg) from error
