"""Dialling by way of an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), then the stream is the remote's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import h11
import trio

from actors.errors import DialFailed
from runtime.transport.network import Address, Network

__all__ = ["ProxyNetwork"]

PROXY = "proxy"
_CHUNK = 4096


class ProxyNetwork:
    """Implements `Network` for dialling; listening is that of the network below.

    Args:
        network: Reaches the proxy.
        proxy: Where that is.
        credentials: Gives user name and password for it, at each dial; raises `DialFailed`.
    """

    def __init__(
        self, network: Network, proxy: Address, credentials: Callable[[], tuple[str, str] | None] = lambda: None
    ) -> None:
        self._network = network
        self._proxy = proxy
        self._credentials = credentials

    @property
    def _name(self) -> str:
        return f"{self._proxy.host}:{self._proxy.port}"

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Have the proxy connect; raise `DialFailed` with part `proxy` and its status, or why it is out of reach."""
        try:
            stream = await self._network.connect(self._proxy)
        except DialFailed as error:
            raise DialFailed(PROXY, f"{self._name}: {error}") from None
        try:
            await self._ask(stream, address)
        except BaseException as error:
            await trio.aclose_forcefully(stream)
            if isinstance(error, h11.RemoteProtocolError | trio.BrokenResourceError):
                raise DialFailed(PROXY, f"{self._name}: it does not answer as a proxy does: {error}") from None
            raise
        return stream

    async def _ask(self, stream: trio.abc.Stream, address: Address) -> None:
        host = f"[{address.host}]" if ":" in address.host else address.host
        target = f"{host}:{address.port}"
        headers = [("Host", target)]
        credentials = self._credentials()
        if credentials is not None:
            encoded = base64.b64encode(":".join(credentials).encode()).decode()
            headers.append(("Proxy-Authorization", f"Basic {encoded}"))
        connection = h11.Connection(h11.CLIENT)
        request = h11.Request(method="CONNECT", target=target, headers=headers)
        await stream.send_all((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(_CHUNK)))
            elif isinstance(event, h11.Response):
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise DialFailed(PROXY, f"{self._name}: it closed the connection without an answer")
        if not 200 <= event.status_code < 300:
            reason = bytes(event.reason).decode(errors="replace")
            raise DialFailed(
                PROXY, f"{self._name}: HTTP {event.status_code} {reason}".rstrip(), is_denied=event.status_code == 407
            )
        if connection.trailing_data[0]:
            raise DialFailed(PROXY, f"{self._name}: it sent bytes that nobody asked for")

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the address on the network below."""
        return await self._network.listen(address)
