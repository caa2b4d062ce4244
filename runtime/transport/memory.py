"""A network in memory, with the faults of real ones, so that tests can run on a mock clock.

It carries the real bytes between named nodes. Its buffers are bounded, as sockets' are, or back-pressure would never
be tested. Every connection goes over two paths, one for each direction; faults are properties of paths, and what
has not arrived yet is subject to them:

    delay, throttle   bytes arrive later
    silence           bytes do not arrive and nobody is told: neither data, nor the end, nor a reset
    cut               connections end with a reset; `cut_after` does it when so many more bytes have passed
    refuse            a node takes no new connections
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from actors.errors import DialFailed
from actors.pulse import Pulse
from runtime.transport.network import Address

__all__ = ["MemoryNetwork", "Node"]

BUFFER = 64 * 1024
LISTEN_QUEUE = 4096


def _reset() -> trio.BrokenResourceError:
    return trio.BrokenResourceError("connection reset")


@define(eq=False)
class _Path:
    """The way from one node to another."""

    delay: float = 0.0
    rate: float = float("inf")
    is_silent: bool = False
    cut_after: int | None = None
    changed: Pulse = field(factory=Pulse)
    pipes: dict[_Pipe, None] = field(factory=dict)

    def change(self, **values: object) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.changed.notify()
        for pipe in self.pipes:
            pipe.notify()


@define(eq=False)
class _Pipe:
    """Bytes of one connection in one direction; an empty segment is the end."""

    path: _Path
    on_overrun: Callable[[], None]
    arrived: bytearray = field(factory=bytearray)
    under_way: deque[tuple[float, bytes]] = field(factory=deque)
    under_way_bytes: int = 0
    is_finished: bool = False
    has_ended: bool = False
    writer_is_gone: bool = False
    reader_is_gone: bool = False
    changed: Pulse = field(factory=Pulse)

    def notify(self) -> None:
        self.changed.notify()

    async def _wait(self, until: float = float("inf")) -> None:
        """Wait until something about the pipe or its path changes, or a point in time."""
        with trio.move_on_at(until):
            await self.changed.wait()

    async def write(self, data: memoryview) -> None:
        while data:
            if self._is_broken:
                raise _reset()
            data = data[self.write_nowait(data) :]
            if data and not self._is_broken:
                await self._wait()

    @property
    def _is_broken(self) -> bool:
        return self.writer_is_gone or (self.reader_is_gone and not self.path.is_silent)

    def write_nowait(self, data: memoryview) -> int:
        """Take in what there is room for, and return how much that was."""
        room = 0 if self._is_broken else max(0, BUFFER - len(self.arrived) - self.under_way_bytes)
        part = bytes(data[:room])
        if allowed := self._allowed(part):
            self._send(allowed)
        if part and self.path.cut_after == 0:
            self.path.cut_after = None
            self.on_overrun()
        return len(part)

    def _allowed(self, part: bytes) -> bytes:
        """Return what passes before the path is cut."""
        if self.path.cut_after is None:
            return part
        part = part[: self.path.cut_after]
        self.path.cut_after -= len(part)
        return part

    def _send(self, part: bytes) -> None:
        path = self.path
        last = self.under_way[-1][0] if self.under_way else 0.0
        arrives_at = max(last, trio.current_time() + path.delay) + len(part) / path.rate
        self.under_way.append((arrives_at, part))
        self.under_way_bytes += len(part)
        self.notify()

    def finish(self) -> None:
        if not self.is_finished:
            self.is_finished = True
            self._send(b"")

    async def read(self, max_bytes: int) -> bytes:
        while True:
            if self.reader_is_gone:
                raise _reset()
            self._arrive()
            if self.arrived:
                taken = bytes(self.arrived[:max_bytes])
                del self.arrived[:max_bytes]
                self.notify()
                return taken
            if self.has_ended:
                return b""
            if self.path.is_silent or not self.under_way:
                if self.writer_is_gone and not self.path.is_silent:
                    raise _reset()
                await self._wait()
            else:
                await self._wait(self.under_way[0][0])

    def _arrive(self) -> None:
        """Take in what has reached this end."""
        while self.under_way and not self.path.is_silent and self.under_way[0][0] <= trio.current_time():
            part = self.under_way.popleft()[1]
            self.under_way_bytes -= len(part)
            self.arrived += part
            self.has_ended = self.has_ended or not part


class _MemoryStream(trio.abc.Stream):
    """One end of a connection."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe, on_close: Callable[[], None]) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._on_close = on_close
        self._is_closed = False

    def _check_open(self) -> None:
        if self._is_closed:
            msg = "the stream is closed"
            raise trio.ClosedResourceError(msg)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._check_open()
        await trio.lowlevel.checkpoint()
        await self._outgoing.write(memoryview(bytes(data)))

    def send_nowait(self, data: bytes | bytearray) -> int:
        return 0 if self._is_closed else self._outgoing.write_nowait(memoryview(bytes(data)))

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
            self._incoming.reader_is_gone = True
            self._incoming.notify()
            self._on_close()
        await trio.lowlevel.checkpoint()

    def reset(self) -> None:
        """End this end at once; the other end learns of it when a reset can reach it."""
        self._incoming.reader_is_gone = True
        self._outgoing.writer_is_gone = True
        self._incoming.notify()
        self._outgoing.notify()


@define(eq=False)
class _Connection:
    """Two streams, and the nodes at their ends."""

    client: str
    server: str
    forget: Callable[[], object] = field(init=False)
    client_end: _MemoryStream = field(init=False)
    server_end: _MemoryStream = field(init=False)

    def joins(self, names: Sequence[str]) -> bool:
        """Tell whether it is between two of the nodes, at one where only one is named, or whether none is."""
        ends = {self.client, self.server}
        return ends <= set(names) if len(names) > 1 else not names or names[0] in ends

    def reset(self) -> None:
        self.client_end.reset()
        self.server_end.reset()


class _MemoryListener(trio.abc.Listener[trio.abc.Stream]):
    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self.connect, self._accept = trio.open_memory_channel["trio.abc.Stream | Exception"](LISTEN_QUEUE)

    async def accept(self) -> trio.abc.Stream:
        try:
            found = await self._accept.receive()
        except trio.EndOfChannel:
            msg = "the listener is closed"
            raise trio.ClosedResourceError(msg) from None
        if isinstance(found, Exception):
            raise found
        return found

    async def aclose(self) -> None:
        self._on_close()
        self._accept.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Nodes that can reach each other by address, and the faults between them."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str, int], tuple[str, _MemoryListener]] = {}
        self._connections: dict[_Connection, None] = {}
        self._paths: dict[tuple[str, str], _Path] = {}
        self._refusing: dict[str, None] = {}

    def node(self, name: str) -> Node:
        """Return a node's place in the network."""
        return Node(self, name)

    # Faults

    def cut(self, *names: str) -> int:
        """Reset all connections between the nodes, of one node, or of all; return how many there were."""
        hit = [one for one in self._connections if one.joins(names)]
        for connection in hit:
            connection.reset()
            del self._connections[connection]
        return len(hit)

    def cut_after(self, source: str, target: str, count: int) -> None:
        """Reset the connections between two nodes when `count` more bytes have been sent from one to the other."""
        self._path(source, target).change(cut_after=count)

    def silence(self, source: str, target: str) -> None:
        """Let nothing more arrive from one node at another, and tell nobody."""
        self._path(source, target).change(is_silent=True)

    def partition(self, *groups: Sequence[str]) -> None:
        """Silence every path between nodes of different groups."""
        for group in groups:
            for other in groups:
                if other is not group:
                    for source in group:
                        for target in other:
                            self.silence(source, target)

    def delay(self, source: str, target: str, seconds: float) -> None:
        """Have bytes from one node take so long to arrive at another."""
        self._path(source, target).change(delay=seconds)

    def throttle(self, source: str, target: str, bytes_per_second: float) -> None:
        """Have no more bytes pass in a second from one node to another."""
        self._path(source, target).change(rate=bytes_per_second)

    def refuse(self, name: str) -> None:
        """Have a node take no new connections."""
        self._refusing[name] = None

    def heal(self, *names: str) -> None:
        """End all faults, or those between the nodes named, but for those that have ended connections."""
        if not names:
            self._refusing.clear()
        for pair, path in self._paths.items():
            if not names or set(pair) <= set(names):
                path.change(delay=0.0, rate=float("inf"), is_silent=False, cut_after=None)

    def count(self, *names: str) -> int:
        """Return how many connections there are between the nodes, at one node, or in all."""
        return sum(one.joins(names) for one in self._connections)

    def fail_accepting(self, error: Exception) -> None:
        """Have every listener's next `accept` raise an error."""
        for _name, listener in self._listeners.values():
            listener.connect.send_nowait(error)

    def crash(self, name: str) -> int:
        """End everything of a node, as the end of its machine does; return how many connections there were."""
        for key, (owner, _listener) in list(self._listeners.items()):
            if owner == name:
                del self._listeners[key]
        return self.cut(name)

    # What nodes do

    def _path(self, source: str, target: str) -> _Path:
        return self._paths.setdefault((source, target), _Path())

    async def connect(self, client: str, address: Address) -> trio.abc.Stream:
        """Open a stream from a node to whoever listens at an address."""
        await trio.lowlevel.checkpoint()
        owner, listener = self._find(address)
        there, back = self._path(client, owner), self._path(owner, client)
        while there.is_silent or back.is_silent:
            await (there if there.is_silent else back).changed.wait()
        if there.delay or back.delay:
            await trio.sleep(there.delay + back.delay)
            owner, listener = self._find(address)
        connection = _Connection(client, owner)
        upward, downward = _Pipe(there, connection.reset), _Pipe(back, connection.reset)
        connection.client_end = _MemoryStream(downward, upward, lambda: self._closed(connection))
        connection.server_end = _MemoryStream(upward, downward, lambda: self._closed(connection))
        try:
            await listener.connect.send(connection.server_end)
        except trio.BrokenResourceError:
            raise _refused(address) from None
        self._connections[connection] = None
        there.pipes[upward] = back.pipes[downward] = None
        connection.forget = lambda: (there.pipes.pop(upward), back.pipes.pop(downward))
        return connection.client_end

    def _closed(self, connection: _Connection) -> None:
        if connection.client_end._is_closed and connection.server_end._is_closed:  # noqa: SLF001 - its own parts
            self._connections.pop(connection, None)
            connection.forget()

    def _find(self, address: Address) -> tuple[str, _MemoryListener]:
        found = self._listeners.get((address.host, address.port))
        if found is None or found[0] in self._refusing:
            raise _refused(address)
        return found

    async def listen(self, name: str, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Take connections at an address of a node."""
        await trio.lowlevel.checkpoint()
        key = (address.host, address.port)
        if key in self._listeners:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

        def forget() -> None:
            if self._listeners.get(key) == (name, listener):
                del self._listeners[key]

        listener = _MemoryListener(forget)
        self._listeners[key] = (name, listener)
        return [listener]


def _refused(address: Address) -> DialFailed:
    part = "TCP"
    return DialFailed(part, f"{address.host}:{address.port}: connection refused")


class Node:
    """A node's place in a network; implements `Network`."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self._network = network
        self._name = name

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Open a stream to whoever listens at host and port."""
        return await self._network.connect(self._name, address)

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Take connections at host and port."""
        return await self._network.listen(self._name, address)
