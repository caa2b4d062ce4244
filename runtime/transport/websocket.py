"""A link over an upgraded WebSocket, as long as a context lives: what dialling and listening share.

Each link has tasks that must outlive the cancellation of its owner for the moment that a goodbye takes, so they
run in a shielded nursery of their own, which ends with the link.
"""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import h11
import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection
from wsproto.utilities import LocalProtocolError

from actors.failures import single
from actors.lazy import Lazy
from actors.ports import Entropy
from actors.pulse import Latch
from runtime.transport.buffered import BufferedStream
from runtime.transport.link import WebSocketLink
from runtime.transport.options import PROTOCOL_ERRORS, LinkOptions
from runtime.transport.shortcut import Shortcut
from runtime.wire import Wire

__all__ = ["RECEIVE_BUFFER", "MakeWire", "host_of", "is_this_machine", "open_link", "peer_of", "until_ended"]

MakeWire: TypeAlias = Callable[[str | None, bool], Wire]
"""Makes a wire for the sub-protocol that was agreed on, None for Zato's format; told whether the peer is local."""

Upgrade: TypeAlias = Callable[[trio.Nursery, BufferedStream], Awaitable["WebSocketConnection | None"]]

RECEIVE_BUFFER = 64 * 1024
_FRAME_OVERHEAD = 64

_log = structlog.get_logger(kind="link")


@asynccontextmanager
async def open_link(
    transport: trio.abc.Stream,
    upgrade: Upgrade,
    make_wire: MakeWire,
    options: LinkOptions,
    entropy: Entropy,
    *,
    is_client: bool,
) -> AsyncGenerator[WebSocketLink | None, None]:
    """Run a link over a transport as long as the context; None where the upgrade refused the peer.

    What the body raises comes out as it is; a failure of the link's own tasks as a single error.
    """
    failure: Exception | None = None
    inner: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            shortcut = Shortcut(is_client=is_client, max_size=options.max_message_size)
            stream = BufferedStream(transport, max_frame=options.max_message_size + _FRAME_OVERHEAD, shortcut=shortcut)
            internals = _Internals(stream, shortcut)
            await nursery.start(internals.run)
            link: WebSocketLink | None = None
            try:
                socket = await upgrade(cast("trio.Nursery", internals), stream)
                if socket is not None:
                    stream.farewell = functools.partial(_verdict, socket, stream)
                    wire = make_wire(socket.subprotocol, _is_local(transport))
                    link = WebSocketLink(
                        socket,
                        stream,
                        shortcut,
                        wire,
                        peer=peer_of(transport),
                        options=options,
                        entropy=entropy,
                    )
                    internals.begin(link)
                yield link
            except Exception as error:  # taken out of the nursery, which would wrap it
                failure = error
            finally:
                try:
                    if link is not None:
                        await link.aclose(1001, "Going away")
                    await stream.aclose()
                finally:
                    internals.cancel()
    except* Exception as group:
        inner = single(group)
    if failure is not None:
        raise failure
    if inner is not None:
        raise inner


class _Internals:
    """The tasks of a link, in a shielded nursery. The library's reader holds it open, and is all that an idle link has.

    This is what the library is given as the nursery to start its reader in. What may end is not an error of the link:
    the reader answers a ping and a protocol error of the peer also when a close frame has been sent or the stream has
    ended meanwhile, and a peer that does not speak HTTP as though it were a client; it fails because it may not. It
    ends at too large a message, and what is left of that must be received before the connection is closed.

    Args:
        stream: The stream under the link.
        shortcut: Tells of what the library is to give.
    """

    def __init__(self, stream: BufferedStream, shortcut: Shortcut) -> None:
        self._stream = stream
        self._reader: Callable[[], Awaitable[object]] = trio.sleep_forever
        self._has_reader = Latch()
        self._link: WebSocketLink | None = None
        self._reading = Lazy(self._read)
        self._nursery: trio.Nursery | None = None
        shortcut.on_passed = stream.on_failed = self._reading.need

    def start_soon(self, reader: Callable[[], Awaitable[object]]) -> None:
        """Have the library's reader run."""
        self._reader = reader
        self._has_reader.set()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Hold the nursery open, and run the reader in it as soon as there is one."""
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.shield = True
            self._nursery = nursery
            self._stream.writer.may_run_in(nursery)
            task_status.started()
            del task_status  # which knows the nursery that this task was started in, and is kept as long as the frame
            try:
                await self._has_reader.wait()
                try:
                    await self._reader()
                    self._reading.need()
                    await self._stream.drop_rest()
                except (ConnectionClosed, LocalProtocolError, h11.LocalProtocolError) as error:
                    _log.debug("the reader ended", reason=str(error))
                    self._reading.need()
                    self._stream.ended.set()
                await trio.sleep_forever()
            finally:
                self._begin_nothing()

    def begin(self, link: WebSocketLink) -> None:
        """Have a link work from now on."""
        self._link = link
        if self._nursery is not None:
            link.begin(self._nursery, self._reading.need)
            self._reading.may_run_in(self._nursery)

    async def _read(self) -> None:
        if self._link is not None:
            await self._link.read()

    def cancel(self) -> None:
        """End all of it."""
        if self._nursery is not None:
            self._nursery.cancel_scope.cancel()
        self._begin_nothing()

    def _begin_nothing(self) -> None:
        self._nursery = None
        self._stream.writer.may_run_in(None)
        self._reading.may_run_in(None)
        if self._link is not None:
            self._link.end()


def _verdict(socket: WebSocketConnection, stream: BufferedStream) -> bytes:
    """Return the close frame for a peer that broke the protocol; the library ends the connection without one."""
    closed = socket.closed
    if closed is None or closed.code not in PROTOCOL_ERRORS or stream.has_sent_close:
        return b""
    role = ConnectionType.CLIENT if socket.is_client else ConnectionType.SERVER
    return bytes(Connection(role).send(CloseConnection(closed.code, closed.reason)))


def host_of(transport: trio.abc.Stream) -> str:
    """Return the address at the other end, without the port."""
    peer = peer_of(transport)
    return peer.rpartition(":")[0] or peer


def peer_of(transport: trio.abc.Stream) -> str:
    """Return the address at the other end, to print."""
    if not isinstance(_under(transport), trio.SocketStream):
        return "memory"
    name = _peer_name(transport)
    if name is None:
        return "unknown"
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a local user"


def _is_local(transport: trio.abc.Stream) -> bool:
    """Tell whether the other end is on this machine; a proxy or a tunnel on it is."""
    name = _peer_name(transport)
    return name is not None and is_this_machine(name)


def is_this_machine(name: object) -> bool:
    """Tell whether the name of a socket, as the operating system gives it, is one of this machine alone."""
    return not isinstance(name, tuple) or ipaddress.ip_address(str(name[0]).partition("%")[0]).is_loopback


def _peer_name(transport: trio.abc.Stream) -> Any:
    """Return the name of the socket at the other end; None where there is none, or none any more."""
    stream = _under(transport)
    if not isinstance(stream, trio.SocketStream):
        return None
    try:
        return stream.socket.getpeername()
    except OSError:
        return None


def _under(transport: trio.abc.Stream) -> object:
    """Return the stream that carries TLS, or the stream itself."""
    return getattr(transport, "transport_stream", transport)


async def until_ended(stream: BufferedStream, function: Callable[[], Awaitable[Any]]) -> Any:
    """Await `function`, or give None when the stream ends before it returns: the library would wait for ever."""
    result = None
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            await stream.ended.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        result = await function()
        nursery.cancel_scope.cancel()
    return result
