"""Pings over a WebSocket: each with a payload and a deadline of its own, and none left when the link has ended."""

from __future__ import annotations

from collections.abc import Callable

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

__all__ = ["Pings"]


class Pings:
    """Pings that can be ended together: the library waits for ever for a pong that does not come.

    Args:
        socket: The upgraded connection.
        make_payload: Gives each ping a payload that no other has.
        timeout: Seconds to wait for a pong.
        on_pong: Called when the peer answered one.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        make_payload: Callable[[], bytes],
        *,
        timeout: float,
        on_pong: Callable[[], None] | None,
    ) -> None:
        self._socket = socket
        self._make_payload = make_payload
        self._timeout = timeout
        self._on_pong = on_pong
        self._under_way: set[trio.CancelScope] = set()
        self._is_over = False

    async def ping(self) -> bool:
        """Tell whether the pong came in time; no longer, when these pings have been ended."""
        if self._is_over:
            return False
        with trio.move_on_after(self._timeout) as ping:
            self._under_way.add(ping)
            try:
                await self._socket.ping(self._make_payload())
            except ConnectionClosed:
                return False
            finally:
                self._under_way.discard(ping)
            if self._on_pong is not None:
                self._on_pong()
            return True
        return False

    def end(self) -> None:
        """Wait for no pong any more."""
        self._is_over = True
        for ping in self._under_way:
            ping.cancel()
