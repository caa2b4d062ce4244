"""A link without a wire: what was queued, what a frame has taken, and what the peer says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import trio

from actors.errors import LinkClosed
from actors.messages import Message


class FakeLink:
    """Implements `actors.ports.Link`; a test sets `has_room`, calls `frame` and `end`, and puts into `inbox`."""

    peer = "peer"
    wire = "isthmus.1"

    def __init__(self) -> None:
        self._has_room = True
        self.queued: list[Message] = []
        self.framed: list[Message] = []
        self.inbox: list[Message] = []
        self.ended: LinkClosed | None = None
        self.waiting_senders = 0
        self._changed = trio.Event()

    def changed(self) -> None:
        """Wake whoever waits, after something was set."""
        self._changed.set()
        self._changed = trio.Event()

    @property
    def has_room(self) -> bool:
        return self._has_room and self.ended is None

    @has_room.setter
    def has_room(self, value: bool) -> None:
        self._has_room = value

    def frame(self) -> None:
        """Take all that is queued into a frame."""
        self.framed += self.queued
        self.queued.clear()

    def end(self, code: int = 1006, reason: str = "connection lost", origin: str = "network") -> None:
        self.ended = LinkClosed(code, reason, origin)
        self.changed()

    async def receive(self) -> Sequence[Message]:
        while not self.inbox:
            if self.ended is not None:
                raise LinkClosed(self.ended.code, self.ended.reason, self.ended.origin)
            await self._changed.wait()
        found, self.inbox = self.inbox, []
        return found

    def take_at_once(self, taker: Callable[[Sequence[Message]], bool] | None) -> None:
        """Leave all to `receive`, as a link may."""

    async def send(self, message: Message) -> None:
        self.waiting_senders += 1
        try:
            while not self._has_room and self.ended is None:
                await self._changed.wait()
        finally:
            self.waiting_senders -= 1
        if self.ended is not None:
            raise LinkClosed(self.ended.code, self.ended.reason, self.ended.origin)
        self.queued.append(message)

    def send_nowait(self, message: Message, others: float = inf) -> None:
        if self.ended is None:
            self.queued.append(message)

    async def until_framed(self, message_id: str) -> None:
        while any(getattr(message, "id", None) == message_id for message in self.queued):
            if self.ended is not None:
                raise LinkClosed(self.ended.code, self.ended.reason, self.ended.origin)
            await self._changed.wait()

    def withdraw(self, message_id: str) -> bool:
        for message in self.queued:
            if getattr(message, "id", None) == message_id:
                self.queued.remove(message)
                return True
        return False

    async def is_alive(self) -> bool:
        return self.ended is None

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self.ended is None:
            self.frame()
            self.end(code, reason, "local")
