"""Pings over a WebSocket: each with a payload and a deadline of its own, and none left when the link has ended."""

from __future__ import annotations

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.ports import Entropy
from runtime.wire.protocol import Wire

__all__ = ["Pings"]


class Pings:
    """Pings that can be ended together: the library waits for ever for a pong that does not come.

    Args:
        socket: The upgraded connection.
        wire: Gives what a ping carries, and is told of pongs.
        entropy: Tells pings apart.
        timeout: Seconds to wait for a pong.
    """

    def __init__(self, socket: WebSocketConnection, wire: Wire, entropy: Entropy, *, timeout: float) -> None:
        self._socket = socket
        self._wire = wire
        self._entropy = entropy
        self._timeout = timeout
        self._under_way: dict[trio.CancelScope, None] = {}
        self._is_over = False

    async def ping(self) -> bool:
        """Tell whether the pong came in time; no longer, when these pings have been ended."""
        if self._is_over:
            return False
        with trio.move_on_after(self._timeout) as ping:
            self._under_way[ping] = None
            try:
                await self._socket.ping(self._wire.ping_payload(self._entropy.hex_id()))
            except ConnectionClosed:
                return False
            finally:
                self._under_way.pop(ping, None)
            self._wire.pong_came()
            return True
        return False

    def end(self) -> None:
        """Wait for no pong any more."""
        self._is_over = True
        for ping in self._under_way:
            ping.cancel()
