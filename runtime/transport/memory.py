"""A network in memory: the same bytes, without sockets, so that tests can run on a mock clock.

Its streams have bounded buffers, as sockets have, or back-pressure would never be tested.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

import trio

from actors.errors import DialFailed
from runtime.transport.network import Address

__all__ = ["MemoryNetwork"]

BUFFER = 64 * 1024


class _Pipe:
    """Bytes in one direction."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = trio.Event()
        self.is_finished = False
        self.is_broken = False

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def write(self, data: memoryview) -> None:
        while data:
            if self.is_broken:
                msg = "connection reset"
                raise trio.BrokenResourceError(msg)
            room = BUFFER - len(self._data)
            if room:
                self._data += data[:room]
                data = data[room:]
                self._notify()
            else:
                await self._changed.wait()

    async def read(self, max_bytes: int) -> bytes:
        while True:
            if self.is_broken:
                msg = "connection reset"
                raise trio.BrokenResourceError(msg)
            if self._data:
                taken = bytes(self._data[:max_bytes])
                del self._data[:max_bytes]
                self._notify()
                return taken
            if self.is_finished:
                return b""
            await self._changed.wait()

    def finish(self) -> None:
        self.is_finished = True
        self._notify()

    def cut(self) -> None:
        self.is_broken = True
        self._notify()


class _MemoryStream(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._is_closed = False

    def _check_open(self) -> None:
        if self._is_closed:
            msg = "the stream is closed"
            raise trio.ClosedResourceError(msg)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        await self._outgoing.write(memoryview(bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        self._check_open()
        await trio.lowlevel.checkpoint()
        return await self._incoming.read(max_bytes or BUFFER)

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._outgoing.finish()
            self._incoming.cut()
        await trio.lowlevel.checkpoint()

    def cut(self) -> None:
        self._incoming.cut()
        self._outgoing.cut()


class _MemoryListener(trio.abc.Listener[_MemoryStream]):
    def __init__(self, network: MemoryNetwork, key: tuple[str, int]) -> None:
        self._network = network
        self._key = key
        self.connect, self._accept = trio.open_memory_channel[_MemoryStream](1024)

    async def accept(self) -> _MemoryStream:
        try:
            return await self._accept.receive()
        except trio.EndOfChannel:
            msg = "the listener is closed"
            raise trio.ClosedResourceError(msg) from None

    async def aclose(self) -> None:
        self._network.forget(self._key)
        self._accept.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """A network of its own; all who share it can reach each other by address."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, int], _MemoryListener] = {}
        self._live: list[_MemoryStream] = []

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Open a stream to whoever listens at host and port."""
        await trio.lowlevel.checkpoint()
        part = "TCP"
        listener = self._listeners.get((address.host, address.port))
        if listener is None:
            raise DialFailed(part, f"{address.host}:{address.port}: connection refused")
        there, back = _Pipe(), _Pipe()
        client, server = _MemoryStream(back, there), _MemoryStream(there, back)
        try:
            listener.connect.send_nowait(server)
        except (trio.WouldBlock, trio.BrokenResourceError):
            raise DialFailed(part, f"{address.host}:{address.port}: connection refused") from None
        self._live.append(client)
        return client

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Take connections at host and port."""
        await trio.lowlevel.checkpoint()
        key = (address.host, address.port)
        if key in self._listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        listener = self._listeners[key] = _MemoryListener(self, key)
        return [listener]

    def forget(self, key: tuple[str, int]) -> None:
        """Free an address; its listener has closed."""
        self._listeners.pop(key, None)

    def cut(self) -> None:
        """Break all connections, as a failing network does."""
        for stream in self._live:
            stream.cut()
        self._live.clear()
