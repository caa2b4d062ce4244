"""A peer of a channel that a test plays itself: it invokes services and takes deliveries, on either wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.failures import error_of
from actors.messages import Acknowledge, Deliver, Failure, Hello, Invoke, Message, Reply, Welcome
from actors.ports import Link
from actors.topics.received import messages_of
from runtime.testing import MemoryNetwork, SeededEntropy
from runtime.transport import Address, LinkOptions, WebSocketDialer
from runtime.wire import NativeWire, Role, ZatoClientWire
from tests.planted import PASSWORD
from tests.support import ADDRESS


class Peer:
    """A session.

    `received` are the messages that were delivered, and `deliveries` what they came in, each acknowledged at once unless
    the peer is silent.
    """

    def __init__(self, link: Link, entropy: SeededEntropy) -> None:
        self._link = link
        self._entropy = entropy
        self.received: list[dict[str, Any]] = []
        self.deliveries: list[Deliver] = []
        self.is_silent = False

    async def say(self, message: Message) -> Message:
        """Send a message and return its answer."""
        await self._link.send(message)
        return await self._next(message.id)  # type: ignore[union-attr]

    async def invoke(self, service: str, **request: Any) -> Any:
        """Invoke a service by way of the gateway; raise what it failed with."""
        answer = await self.say(Invoke(self._entropy.hex_id(), {"service": service, "request": request}))
        if isinstance(answer, Failure):
            raise error_of(answer)
        assert isinstance(answer, Reply)
        return answer.data

    async def data(self, count: int) -> list[Any]:
        """Return the data of all messages that were delivered, once there are so many."""
        with trio.fail_after(600):
            while len(self.received) < count:
                await self._take_more()
        return [message["data"] for message in self.received]

    async def _next(self, message_id: str) -> Message:
        with trio.fail_after(60):
            while True:
                for message in await self._take_more():
                    if isinstance(message, Reply | Failure | Welcome) and message.in_reply_to == message_id:
                        return message
        raise AssertionError  # the loop above ends by returning or raising

    async def _take_more(self) -> list[Message]:
        messages = list(await self._link.receive())
        for message in messages:
            if isinstance(message, Deliver):
                found = messages_of(message)
                self.received += found if isinstance(found, list) else [found]
                self.deliveries.append(message)
                if not self.is_silent:
                    self.acknowledge(message)
        return messages

    def acknowledge(self, delivery: Deliver) -> None:
        """Say that all messages of a delivery were handled."""
        self._link.send_nowait(Acknowledge(self._entropy.hex_id(), delivery.id))


@asynccontextmanager
async def peer_of(
    network: MemoryNetwork, wire: str, seed: str, *, address: str = ADDRESS, username: str = "apac", **hello: Any
) -> AsyncIterator[Peer]:
    """Open a session with a channel."""
    entropy = SeededEntropy(seed)

    def make_wire(subprotocol: str | None, _is_local: bool) -> Any:
        if subprotocol is None:
            return ZatoClientWire(timestamp=lambda: "2026-01-01T00:00:00")
        return NativeWire(Role.CLIENT, timestamp=lambda: "", max_message_size=1 << 20)

    dialer = WebSocketDialer(
        network.node(f"peer-{seed}"),
        Address.parse(address),
        make_wire,
        LinkOptions(),
        entropy=entropy,
        subprotocols=("isthmus.1",) if wire == "isthmus.1" else (),
    )
    async with dialer.dial() as link:
        peer = Peer(link, entropy)
        await peer.say(Hello(entropy.hex_id(), username=username, secret=PASSWORD, **hello))
        yield peer
