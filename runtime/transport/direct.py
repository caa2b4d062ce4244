"""What goes at once, past Trio's streams: bytes that the system takes without anybody waiting for it.

Trio's own way passes two checkpoints for each write, and tries to read before it waits for something to read; of a call
that goes alone over a link that is a good part. What cannot go at once is left to the stream, errors included.
"""

from __future__ import annotations

import os
from typing import Protocol, runtime_checkable

import trio

__all__ = ["Direct", "direct_way"]


@runtime_checkable
class Direct(Protocol):
    """A stream that can also be written to without waiting."""

    def send_nowait(self, data: bytes | bytearray) -> int:
        """Send what goes at once, and return how many bytes that was; 0 also where none can ever be sent."""
        ...

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive as `trio.abc.ReceiveStream` does."""
        ...


class _DirectSocket:
    """The socket of a stream."""

    __slots__ = ("_socket", "_stream")

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._socket = stream.socket

    def send_nowait(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._socket.fileno(), data)
        except OSError:  # no room, or broken or closed, which the stream says in its own words
            return 0

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if max_bytes is None or self._socket.fileno() < 0:
            return await self._stream.receive_some(max_bytes)
        await trio.lowlevel.wait_readable(self._socket)
        try:
            return os.read(self._socket.fileno(), max_bytes)
        except OSError:
            return await self._stream.receive_some(max_bytes)


def direct_way(transport: trio.abc.Stream) -> Direct | None:
    """Return how to send over a transport without waiting, or None where that cannot be, as with TLS."""
    if isinstance(transport, trio.SocketStream):
        return _DirectSocket(transport)
    return transport if isinstance(transport, Direct) else None
