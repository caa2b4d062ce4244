"""Links over WebSockets: dialling one, and listening for them.

Each link has tasks that must outlive the cancellation of its owner for the moment that a goodbye takes, so they
run in a shielded nursery of their own (`_open_link`), which ends with the link.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast

import structlog
import trio
from trio_websocket import (
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    WebSocketRequest,
    wrap_client_stream,
    wrap_server_stream,
)

from actors.errors import DialFailed, LinkClosed
from actors.failures import single
from actors.ports import Entropy, Link
from runtime.transport.buffered import BufferedStream
from runtime.transport.link import LinkOptions, WebSocketLink
from runtime.transport.network import Address, Network
from runtime.wire import NATIVE_SUBPROTOCOL, Wire

__all__ = ["LinkOptions", "MakeWire", "WebSocketDialer", "WebSocketListener"]

MakeWire: TypeAlias = Callable[[str | None], Wire]
"""Makes a wire for the sub-protocol that was agreed on; None is Zato's format."""

_Upgrade: TypeAlias = Callable[[trio.Nursery, BufferedStream], Awaitable["WebSocketConnection | None"]]

_RECEIVE_BUFFER = 64 * 1024
_FRAME_OVERHEAD = 64

_log = structlog.get_logger(kind="link")


@asynccontextmanager
async def _open_link(
    transport: trio.abc.Stream,
    upgrade: _Upgrade,
    make_wire: MakeWire,
    options: LinkOptions,
    entropy: Entropy,
) -> AsyncGenerator[WebSocketLink | None, None]:
    """Run a link over a transport as long as the context; None where the upgrade refused the peer.

    What the body raises comes out as it is; a failure of the link's own tasks as a single error.
    """
    failure: Exception | None = None
    inner: Exception | None = None
    try:
        async with trio.open_nursery() as nursery:
            internals: trio.Nursery = await nursery.start(_hold_shielded_nursery)
            stream = BufferedStream(transport, max_frame=options.max_message_size + _FRAME_OVERHEAD)
            link: WebSocketLink | None = None
            try:
                internals.start_soon(stream.run_writer)
                socket = await upgrade(internals, stream)
                if socket is not None:
                    wire = make_wire(socket.subprotocol)
                    link = WebSocketLink(
                        socket,
                        stream,
                        wire,
                        peer=_peer_of(transport),
                        options=options,
                        entropy=entropy,
                        on_pong=getattr(wire, "extend_token", None),
                    )
                    internals.start_soon(link.run)
                yield link
            except Exception as error:  # taken out of the nursery, which would wrap it
                failure = error
            finally:
                try:
                    if link is not None:
                        await link.aclose(1001, "Going away")
                    await stream.aclose()
                finally:
                    internals.cancel_scope.cancel()
    except* Exception as group:
        inner = single(group)
    if failure is not None:
        raise failure
    if inner is not None:
        raise inner


async def _hold_shielded_nursery(task_status: trio.TaskStatus[trio.Nursery]) -> None:
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as nursery:
            task_status.started(nursery)
            await trio.sleep_forever()


def _peer_of(transport: trio.abc.Stream) -> str:
    stream: Any = getattr(transport, "transport_stream", transport)
    if isinstance(stream, trio.SocketStream):
        try:
            name = stream.socket.getpeername()
        except OSError:
            return "unknown"
        return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else "a local user"
    return "memory"


async def _until_ended(stream: BufferedStream, function: Callable[[], Awaitable[Any]]) -> Any:
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


class WebSocketDialer:
    """Makes links to one address; implements `actors.ports.Dialer`.

    Args:
        network: Opens streams.
        address: Where to.
        make_wire: Makes each link's wire.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
        subprotocols: What to offer.
    """

    def __init__(
        self,
        network: Network,
        address: Address,
        make_wire: MakeWire,
        options: LinkOptions,
        *,
        entropy: Entropy,
        subprotocols: Sequence[str] = (NATIVE_SUBPROTOCOL,),
    ) -> None:
        self._network = network
        self._address = address
        self._make_wire = make_wire
        self._options = options
        self._entropy = entropy
        self._subprotocols = subprotocols

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Link, None]:
        """Open a link, which lives as long as the context; raise `DialFailed` naming the step that failed."""
        transport = await self._connect()
        try:
            async with _open_link(transport, self._upgrade, self._make_wire, self._options, self._entropy) as link:
                assert link is not None  # noqa: S101 - a client's upgrade gives a socket or raises
                yield link
        except ConnectionRejected as error:
            body = (error.body or b"").decode(errors="replace").strip()
            part = "upgrade"
            raise DialFailed(part, f"{self._address}: HTTP {error.status_code} {body}".rstrip()) from None
        except HandshakeError as error:
            part = "upgrade"
            raise DialFailed(part, f"{self._address}: {error}") from None

    async def _connect(self) -> trio.abc.Stream:
        timeout = self._options.handshake_timeout
        with trio.move_on_after(timeout):
            return await self._network.connect(self._address)
        part = "TCP"
        raise DialFailed(part, f"{self._address}: no connection within {timeout:g} s")

    async def _upgrade(self, nursery: trio.Nursery, stream: BufferedStream) -> WebSocketConnection:
        address = self._address
        host = f"[{address.host}]" if ":" in address.host else address.host
        reason = f"no answer within {self._options.handshake_timeout:g} s"
        with trio.move_on_after(self._options.handshake_timeout):
            socket = await _until_ended(
                stream,
                lambda: wrap_client_stream(
                    nursery,
                    cast("trio.SocketStream", stream),  # any trio stream serves; the annotation is narrower
                    f"{host}:{address.port}",
                    address.path,
                    subprotocols=self._subprotocols,
                    max_message_size=self._options.max_message_size,
                    receive_buffer_size=_RECEIVE_BUFFER,
                ),
            )
            if isinstance(socket, WebSocketConnection):
                return socket
            reason = "the peer closed the connection during the upgrade"
            await trio.lowlevel.checkpoint()
        part = "upgrade"
        raise DialFailed(part, f"{address}: {reason}")


class WebSocketListener:
    """Takes links at one address; implements `actors.ports.Listener`.

    Args:
        network: Binds the address.
        address: Where; its path must equal that of the request.
        make_wire: Makes each link's wire.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
        allowed_origins: Browser origins that may connect, beside the address itself.
        max_handshakes: How many peers may be between connecting and having a session's link at once.
        max_links: How many links there may be at once.
    """

    def __init__(
        self,
        network: Network,
        address: Address,
        make_wire: MakeWire,
        options: LinkOptions,
        *,
        entropy: Entropy,
        allowed_origins: Sequence[str] = (),
        max_handshakes: int = 64,
        max_links: int = 10_000,
    ) -> None:
        self._network = network
        self._address = address
        self._make_wire = make_wire
        self._options = options
        self._entropy = entropy
        self._allowed_origins = frozenset((*allowed_origins, _origin_of(address)))
        self._handshakes = trio.CapacityLimiter(max_handshakes)
        self._max_links = max_links
        self._links = 0

    async def listen(self, on_link: Callable[[Link], Awaitable[None]], on_listening: Callable[[], None]) -> None:
        """Accept peers until cancelled; see `Listener.listen`."""
        listeners = await self._network.listen(self._address)
        on_listening()
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(self._accept_for_ever, listener, on_link, nursery)

    async def _accept_for_ever(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        on_link: Callable[[Link], Awaitable[None]],
        nursery: trio.Nursery,
    ) -> None:
        """Accept one peer after the other, as long as there is room for a handshake."""
        async with listener:
            while True:
                borrower = object()
                await self._handshakes.acquire_on_behalf_of(borrower)
                try:
                    transport = await listener.accept()
                except OSError as error:
                    self._handshakes.release_on_behalf_of(borrower)
                    _log.error("cannot accept", address=str(self._address), error=str(error))
                    await trio.sleep(0.1)
                    continue
                except BaseException:
                    self._handshakes.release_on_behalf_of(borrower)
                    raise
                nursery.start_soon(self._serve, transport, on_link, borrower)

    async def _serve(
        self, transport: trio.abc.Stream, on_link: Callable[[Link], Awaitable[None]], borrower: object
    ) -> None:
        """See one peer through; whatever it does, only its own connection ends."""
        is_shaking_hands = True

        def release() -> None:
            nonlocal is_shaking_hands
            if is_shaking_hands:
                is_shaking_hands = False
                self._handshakes.release_on_behalf_of(borrower)

        self._links += 1
        try:
            async with _open_link(transport, self._upgrade, self._make_wire, self._options, self._entropy) as link:
                release()
                if link is not None:
                    await on_link(link)
        except (DialFailed, LinkClosed, trio.BrokenResourceError) as error:
            _log.info("connection ended", peer=_peer_of(transport), reason=str(error))
        except Exception as error:  # one peer's trouble is no one else's
            _log.error("connection failed", peer=_peer_of(transport), error=repr(error), exc_info=error)
        finally:
            self._links -= 1
            release()
            await trio.aclose_forcefully(transport)

    async def _upgrade(self, nursery: trio.Nursery, stream: BufferedStream) -> WebSocketConnection | None:
        with trio.move_on_after(self._options.handshake_timeout):
            request = await _until_ended(
                stream,
                lambda: wrap_server_stream(
                    nursery,
                    stream,
                    max_message_size=self._options.max_message_size,
                    receive_buffer_size=_RECEIVE_BUFFER,
                ),
            )
            if isinstance(request, WebSocketRequest):
                return await self._decide(request)
        return None

    async def _decide(self, request: WebSocketRequest) -> WebSocketConnection | None:
        headers = {name.lower(): value for name, value in request.headers}
        origin = headers.get(b"origin", b"").decode("latin-1")
        if request.path != self._address.path:
            await request.reject(404, body=b'{"error": "Not found"}')
        elif origin and origin not in self._allowed_origins:
            _log.warning("origin refused", origin=origin, address=str(self._address))
            await request.reject(403, body=b'{"error": "Forbidden"}')
        elif self._links > self._max_links:
            await request.reject(503, body=b'{"error": "Too many connections"}')
        else:
            is_native = NATIVE_SUBPROTOCOL in request.proposed_subprotocols
            return await request.accept(subprotocol=NATIVE_SUBPROTOCOL if is_native else None)
        return None


def _origin_of(address: Address) -> str:
    return f"{address.scheme}://{address.host}:{address.port}"
