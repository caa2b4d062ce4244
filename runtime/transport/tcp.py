"""TCP. Each step of a dial that can fail is named."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

import trio

from actors.errors import DialFailed
from runtime.transport.network import Address

__all__ = ["TcpNetwork"]

LOOK_UP, TCP = "look-up", "TCP"


def _reason(error: OSError) -> str:
    """Return what the system says of an error, once for all addresses that were tried."""
    while isinstance(error.__cause__, OSError):
        error = error.__cause__
    tried = error.__cause__.exceptions if isinstance(error.__cause__, BaseExceptionGroup) else (error,)
    numbers = {one.errno for one in tried if isinstance(one, OSError) and one.errno is not None}
    return "; ".join(sorted(os.strerror(number) for number in numbers)) or str(error)


class TcpNetwork:
    """The network of this machine; for TLS see `runtime.transport.tls`."""

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Look up and connect; raise `DialFailed` naming the step that failed."""
        try:
            await trio.socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise DialFailed(LOOK_UP, f"{address.host}: {error.strerror or error}") from None
        except UnicodeError as error:
            raise DialFailed(LOOK_UP, f"{address.host} cannot be the name of a host: {error}") from None
        try:
            return await trio.open_tcp_stream(address.host, address.port)
        except OSError as error:
            raise DialFailed(TCP, f"{address.host}:{address.port}: {_reason(error)}") from None

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the address; raise `OSError` when that is not possible."""
        return await trio.open_tcp_listeners(address.port, host=address.host)
