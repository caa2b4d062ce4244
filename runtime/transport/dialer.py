"""Dials a remote channel: stream, upgrade, link. Each step that can fail is named."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import trio
from trio_websocket import ConnectionRejected, HandshakeError, WebSocketConnection, wrap_client_stream

from actors.errors import DialFailed
from actors.ports import Entropy, Link
from runtime.transport.buffered import BufferedStream
from runtime.transport.network import Address, Network
from runtime.transport.options import LinkOptions
from runtime.transport.websocket import RECEIVE_BUFFER, MakeWire, open_link, until_ended
from runtime.wire import NATIVE_SUBPROTOCOL

__all__ = ["WebSocketDialer"]


MAX_BODY = 500
_DENIED = (401, 403)


class WebSocketDialer:
    """Makes links to one address; implements `actors.ports.Dialer`.

    Args:
        network: Opens streams.
        address: Where to.
        make_wire: Makes each link's wire.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
        subprotocols: What to offer.
        headers: Gives what the upgrade bears beside its own headers, at each dial; raises `DialFailed`.
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
        headers: Callable[[], list[tuple[bytes, bytes]]] = list,
    ) -> None:
        self._network = network
        self._address = address
        self._make_wire = make_wire
        self._options = options
        self._entropy = entropy
        self._subprotocols = subprotocols
        self._headers = headers

    @property
    def address(self) -> str:
        """Where it dials, to print."""
        return str(self._address)

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Link, None]:
        """Open a link, which lives as long as the context; raise `DialFailed` naming the step that failed."""
        transport = await self._connect()
        try:
            async with open_link(
                transport, self._upgrade, self._make_wire, self._options, self._entropy, is_client=True
            ) as link:
                assert link is not None  # noqa: S101 - a client's upgrade gives a socket or raises
                yield link
        except ConnectionRejected as error:
            body = (error.body or b"").decode(errors="replace").strip()
            part = "upgrade"
            reason = f"{self._address}: HTTP {error.status_code} {body:.{MAX_BODY}}".rstrip()
            raise DialFailed(part, reason, is_denied=error.status_code in _DENIED) from None
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
        headers = self._headers()
        host = f"[{address.host}]" if ":" in address.host else address.host
        reason = f"no answer within {self._options.handshake_timeout:g} s"
        with trio.move_on_after(self._options.handshake_timeout):
            socket = await until_ended(
                stream,
                lambda: wrap_client_stream(
                    nursery,
                    cast("trio.SocketStream", stream),  # any trio stream serves; the annotation is narrower
                    f"{host}:{address.port}",
                    address.path,
                    subprotocols=self._subprotocols,
                    extra_headers=headers,
                    max_message_size=self._options.max_message_size,
                    receive_buffer_size=RECEIVE_BUFFER,
                ),
            )
            if isinstance(socket, WebSocketConnection):
                return socket
            reason = "the peer closed the connection during the upgrade, or does not speak HTTP"
            if address.scheme == "wss":
                reason += ", or asks for a certificate that it has not been shown"
            await trio.lowlevel.checkpoint()
        part = "upgrade"
        raise DialFailed(part, f"{address}: {reason}")
