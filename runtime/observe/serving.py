"""Serves an ASGI application over HTTP on Hypercorn's Trio worker, at sockets that are opened here."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
import trio
from hypercorn.config import Config, Sockets
from hypercorn.logging import Logger
from hypercorn.trio import serve
from starlette.applications import Starlette

__all__ = ["serve_http"]

READ_TIMEOUT = 10.0
"""Seconds that a peer may take to send what it has begun."""

WRITE_TIMEOUT = 10.0
"""Seconds that a peer may take nothing of what it is sent."""

GRACE = 1.0
"""Seconds that answers under way have at the end."""

_log = structlog.get_logger(kind="monitor")


async def serve_http(
    app: Starlette,
    host: str,
    port: int,
    *,
    on_listening: Callable[[], None],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Answer requests until `stop` returns.

    Args:
        app: What answers.
        host: Where to listen.
        port: At which port.
        on_listening: Called once the address is bound.
        stop: Returns when it is time to end.

    Raises:
        OSError: When the address cannot be bound.
    """
    listeners = await trio.open_tcp_listeners(port, host=host)
    sockets = [socket.socket(fileno=listener.socket.detach()) for listener in listeners]
    try:
        for one in sockets:
            if hasattr(socket, "TCP_USER_TIMEOUT"):  # Hypercorn waits, shielded, for whoever does not read
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(WRITE_TIMEOUT * 1000))
        on_listening()
        await serve(app, _OwnSockets(sockets), shutdown_trigger=stop)  # type: ignore[arg-type]
    finally:
        for one in sockets:
            one.close()


class _OwnSockets(Config):
    """Has Hypercorn serve at sockets that are there, and tell this server's log what goes wrong."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._opened = sockets
        self.logger_class = _Log
        self.errorlog = None
        self.read_timeout = int(READ_TIMEOUT)
        self.graceful_timeout = GRACE
        self.include_server_header = False

    def create_sockets(self) -> Sockets:
        return Sockets([], self._opened, [])


class _Log(Logger):
    """What Hypercorn says that is no matter of course."""

    async def exception(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.error(message % args if args else message, exc_info=True)

    async def error(self, message: str, *args: Any, **kwargs: Any) -> None:
        _log.error(message % args if args else message)

    critical = error
