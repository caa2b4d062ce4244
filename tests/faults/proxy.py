"""A TCP proxy between two clusters, which cuts connections in the middle of a frame or goes silent."""

from __future__ import annotations

import socket
import struct

import trio
from attrs import define, field

LINGER_NOT = struct.pack("ii", 1, 0)
UP, DOWN = "up", "down"
"""Towards the cluster that listens, and back from it."""


@define(eq=False)
class Proxy:
    """Forwards connections to a port of this machine; use `serve` in a nursery."""

    target: int
    port: int = 0
    connections: int = 0
    passed: dict[str, int] = field(factory=lambda: {UP: 0, DOWN: 0})
    cut_done: trio.Event = field(factory=trio.Event)
    _cut_at: dict[str, int] = field(factory=dict)
    _cuts_of_next: list[tuple[str, int]] = field(factory=list)
    _is_silent: bool = False
    _changed: trio.Event = field(factory=trio.Event)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        await trio.serve_listeners(self._forward, listeners, task_status=_Started(task_status))

    def cut_after(self, direction: str, count: int) -> None:
        """Reset the connection when so many more bytes have passed in a direction."""
        self.cut_done = trio.Event()
        self._cut_at[direction] = self.passed[direction] + count

    def cut_next_after(self, direction: str, count: int) -> None:
        """Reset the next connection when so many bytes of it have passed in a direction."""
        self._cuts_of_next.append((direction, count))

    def silence(self) -> None:
        """Pass nothing more on, in either direction, and tell nobody; also of new connections."""
        self._is_silent = True

    def heal(self) -> None:
        self._is_silent = False
        self._changed.set()
        self._changed = trio.Event()

    async def _forward(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream("127.0.0.1", self.target)
        except OSError:
            return
        self.connections += 1
        if self._cuts_of_next:
            self.cut_after(*self._cuts_of_next.pop(0))
        async with server, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, UP, client, server, nursery.cancel_scope)
            nursery.start_soon(self._pump, DOWN, server, client, nursery.cancel_scope)

    async def _pump(
        self, direction: str, source: trio.SocketStream, sink: trio.SocketStream, scope: trio.CancelScope
    ) -> None:
        try:
            while data := await source.receive_some(16 * 1024):
                while self._is_silent:
                    await self._changed.wait()
                limit = self._cut_at.get(direction)
                passed = data if limit is None else data[: max(0, limit - self.passed[direction])]
                self.passed[direction] += len(passed)
                await sink.send_all(passed)
                if limit is not None and self.passed[direction] >= limit:
                    del self._cut_at[direction]
                    for one in (source, sink):
                        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
                    self.cut_done.set()
                    break
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@define
class _Started:
    """Drops the listeners that Trio's server passes on when it has started."""

    status: trio.TaskStatus[None]

    def started(self, _listeners: object = None) -> None:
        self.status.started()
