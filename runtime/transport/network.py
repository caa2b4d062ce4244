"""What carries bytes: the one Protocol behind which TCP, Unix sockets and the simulated network stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import urlsplit

import trio
from attrs import frozen

from actors.secret import masked_address

__all__ = ["Address", "Network"]


@frozen
class Address:
    """A WebSocket address, taken apart."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `ws://host:port/path` or `wss://...`.

        Raises:
            ValueError: When it is anything else; the text names what was expected.
        """
        parts = urlsplit(text)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            msg = f"expected ws://HOST:PORT/PATH or wss://HOST:PORT/PATH, got {masked_address(text)!r}"
            raise ValueError(msg)
        if "@" in parts.netloc:
            msg = f"expected no credentials in an address, got {masked_address(text)!r}: use username and password"
            raise ValueError(msg)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        path = parts.path or "/"
        return cls(parts.scheme, parts.hostname, port, f"{path}?{parts.query}" if parts.query else path)

    def __str__(self) -> str:
        """Return it as it may be printed: what stands in the query string is hidden."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return masked_address(f"{self.scheme}://{host}:{self.port}{self.path}")


class Network(Protocol):
    """Opens and accepts streams of bytes."""

    async def connect(self, address: Address) -> trio.abc.Stream:
        """Open a stream; raise `DialFailed` with the part that failed: look-up, TCP or TLS."""
        ...

    async def listen(self, address: Address) -> Sequence[trio.abc.Listener[trio.abc.Stream]]:
        """Bind the address; raise `OSError` when that is not possible."""
        ...
