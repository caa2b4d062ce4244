"""TCP, with TLS where the address says `wss`. Each step of a dial that can fail is named."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Sequence

import trio

from actors.errors import DialFailed
from runtime.transport.network import Address

__all__ = ["TcpNetwork"]

LOOK_UP, TCP, TLS = "look-up", "TCP", "TLS"


def _reason(error: OSError) -> str:
    """Return what the system says of an error, once for all addresses that were tried."""
    while isinstance(error.__cause__, OSError):
        error = error.__cause__
    tried = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error,)
    numbers = {one.errno for one in tried if isinstance(one, OSError) and one.errno is not None}
    return "; ".join(sorted(os.strerror(number) for number in numbers)) or str(error)


class TcpNetwork:
    """The network of this machine.

    Args:
        ssl_context: Trust and certificates for `wss`; None for the system's authorities.
    """

    def __init__(self, ssl_context: ssl.SSLContext | None = None) -> None:
        self._ssl_context = ssl_context

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Look up, connect, and for `wss` shake hands; raise `DialFailed` naming the step that failed."""
        try:
            await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise DialFailed(LOOK_UP, f"{address.host}: {error.strerror or error}") from None
        except UnicodeError as error:
            raise DialFailed(LOOK_UP, f"{address.host} cannot be the name of a host: {error}") from None
        try:
            stream = await trio.open_tcp_stream(address.host, address.port)
        except OSError as error:
            raise DialFailed(TCP, f"{address.host}:{address.port}: {_reason(error)}") from None
        if address.scheme != "wss":
            return stream
        context = self._ssl_context or ssl.create_default_context()
        secure = trio.SSLStream(stream, context, server_hostname=address.host, https_compatible=True)
        try:
            await secure.do_handshake()
        except BaseException as error:
            await trio.aclose_forcefully(stream)
            if isinstance(error, trio.BrokenResourceError):
                cause = error.__cause__
                reason = (
                    cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else str(cause or error)
                )
                raise DialFailed(TLS, f"{address.host}: {reason}") from None
            raise
        return secure

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the address; raise `OSError` when that is not possible."""
        listeners = await trio.open_tcp_listeners(address.port, host=address.host)
        if address.scheme == "wss" and self._ssl_context is not None:
            return [trio.SSLListener(one, self._ssl_context, https_compatible=True) for one in listeners]
        return listeners
