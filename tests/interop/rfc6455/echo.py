"""An echo on top of a channel's listener and link: all that a channel uses below its sessions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.errors import DialFailed, LinkClosed
from actors.messages import Invoke, Message, Reply
from actors.ports import Arrival, Link
from runtime.testing import SeededEntropy
from runtime.transport import Address, LinkOptions, Network, WebSocketListener
from runtime.wire import Frame, Violation

MIB = 1024 * 1024
LIMIT = 32 * MIB
"""The largest message: what the cases of group 9 send, and room."""


class EchoWire:
    """A wire without a format: each frame is a message, and the answer to it is a frame."""

    name = "echo"
    parts = None
    compression = None

    def receive(self, frame: Frame) -> list[Message | Violation]:
        return [Invoke("", frame)]

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        return [message.data for message in messages if isinstance(message, Reply)]

    def ping_payload(self, unique: str) -> bytes:
        return unique.encode()

    def overdue(self, _now: float, *, is_read: bool) -> Violation | None:
        return None

    def pong_came(self) -> None:
        """Nothing follows from it."""

    def is_peer_busy(self) -> bool:
        return False

    def last_words(self, _reason: str) -> list[Frame]:
        return []


async def _echo(link: Link) -> None:
    try:
        while True:
            for message in await link.receive():
                assert isinstance(message, Invoke)
                await link.send(Reply("", "", message.data))
    except LinkClosed:
        pass


@asynccontextmanager
async def echoing(network: Network, address: Address, **options: Any) -> AsyncGenerator[None, None]:
    """Listen at an address as long as the context."""
    link_options = LinkOptions(**{"max_message_size": LIMIT, **options})
    listener = WebSocketListener(
        network, address, lambda _subprotocol, _is_local: EchoWire(), link_options, entropy=SeededEntropy("echo")
    )

    async def serve(arrival: Arrival) -> None:
        try:
            async with arrival.open() as link:
                await _echo(link)
        except DialFailed:
            pass  # the peer did not complete the upgrade

    async with trio.open_nursery() as nursery:
        listening = trio.Event()
        nursery.start_soon(listener.listen, lambda arrival: nursery.start_soon(serve, arrival), listening.set)
        await listening.wait()
        yield
        nursery.cancel_scope.cancel()
