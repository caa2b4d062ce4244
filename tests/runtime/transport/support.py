"""What the tests of transports share: a listener with a handler, the two ends of a link, and peers that are no links."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from actors.errors import DialFailed, LinkClosed
from actors.messages import Hello, Invoke, Welcome
from actors.ports import Arrival, Link
from runtime.testing import MemoryNetwork, SeededEntropy
from runtime.transport import Address, LinkOptions, Network, WebSocketDialer, WebSocketListener
from runtime.transport.link import WebSocketLink
from runtime.transport.websocket import MakeWire
from runtime.wire.native import NativeWire
from runtime.wire.protocol import Role
from runtime.wire.zato import ZatoClientWire, ZatoServerWire

ADDRESS = Address.parse("ws://server:47043/link")
TIMESTAMP = "2026-01-01T00:00:00.000000"

Handler = Callable[[Link], Awaitable[None]]


def make_wire(role: Role, options: LinkOptions) -> MakeWire:
    """Return what makes one end's wires, in the format that was agreed on."""

    def make(subprotocol: str | None, _is_local: bool) -> Any:
        if subprotocol is not None:
            return NativeWire(role, timestamp=lambda: TIMESTAMP, max_message_size=options.max_message_size)
        if role is Role.CLIENT:
            return ZatoClientWire(timestamp=lambda: TIMESTAMP)
        return ZatoServerWire(timestamp=lambda: TIMESTAMP, now=trio.current_time, token_ttl=3600.0)

    return make


def make_listener(
    network: Network, *, address: Address = ADDRESS, options: LinkOptions | None = None, **limits: Any
) -> WebSocketListener:
    options = options or LinkOptions()
    wires = make_wire(Role.SERVER, options)
    return WebSocketListener(network, address, wires, options, entropy=SeededEntropy("server"), **limits)


@asynccontextmanager
async def serving(
    network: Network, handler: Handler, *, address: Address = ADDRESS, options: LinkOptions | None = None, **limits: Any
) -> AsyncGenerator[None, None]:
    """Listen as long as the context, with a task for each link; peers that did not complete the upgrade are ignored."""
    listener = make_listener(network, address=address, options=options, **limits)

    async def serve(arrival: Arrival) -> None:
        try:
            async with arrival.open() as link:
                await handler(link)
        except DialFailed:
            pass

    async with trio.open_nursery() as nursery:
        listening = trio.Event()
        nursery.start_soon(listener.listen, lambda arrival: nursery.start_soon(serve, arrival), listening.set)
        await listening.wait()
        yield
        nursery.cancel_scope.cancel()


def dial(
    network: Network, *, address: Address = ADDRESS, options: LinkOptions | None = None
) -> AbstractAsyncContextManager[Link]:
    """Open the client's end of a link."""
    options = options or LinkOptions()
    return WebSocketDialer(
        network, address, make_wire(Role.CLIENT, options), options, entropy=SeededEntropy("client")
    ).dial()


@asynccontextmanager
async def pair(
    network: MemoryNetwork, options: LinkOptions | None = None, *, server_options: LinkOptions | None = None
) -> AsyncGenerator[tuple[WebSocketLink, WebSocketLink], None]:
    """Give the client's and the server's end of a link that has a session, between nodes `client` and `server`."""
    gives, takes = trio.open_memory_channel[Link](1)

    async def hold(link: Link) -> None:
        gives.send_nowait(link)
        await trio.sleep_forever()

    async with (
        gives,
        takes,
        serving(network.node("server"), hold, options=server_options or options),
        dial(network.node("client"), options=options) as client,
    ):
        server = await takes.receive()
        await open_session(client, server)
        yield cast("WebSocketLink", client), cast("WebSocketLink", server)


async def open_session(client: Link, server: Link) -> None:
    """Have the client say hello and the server welcome it."""
    client.send_nowait(Hello("hello"))
    [hello] = await server.receive()
    assert isinstance(hello, Hello)
    server.send_nowait(Welcome("welcome", "hello", token="token"))
    [welcome] = await client.receive()
    assert isinstance(welcome, Welcome)


async def goes_on(sender: Link, receiver: Link) -> None:
    """Assert that a request still gets from one end to the other."""
    with trio.fail_after(60):
        await sender.send(Invoke("goes-on", "hello"))
        messages = await receiver.receive()
    assert [(one.id, one.data) for one in messages if isinstance(one, Invoke)] == [("goes-on", "hello")]


async def rest_of(link: Link) -> tuple[list[Any], LinkClosed]:
    """Receive until the link ends; return what came, and how the link ended."""
    messages: list[Any] = []
    while True:
        try:
            messages += await link.receive()
        except LinkClosed as end:
            return messages, end


async def receive_invokes(link: Link, count: int) -> list[Any]:
    """Receive so many requests and return their data, in order."""
    found: list[Any] = []
    while len(found) < count:
        found += [one.data for one in await link.receive() if isinstance(one, Invoke)]
    return found


@asynccontextmanager
async def websocket(
    stream: trio.abc.Stream, address: Address = ADDRESS, **options: Any
) -> AsyncGenerator[WebSocketConnection, None]:
    """Make a stream a WebSocket of the bare library, which ends without a close frame."""
    host = f"{address.host}:{address.port}"
    try:
        async with trio.open_nursery() as nursery:
            yield await wrap_client_stream(nursery, cast("trio.SocketStream", stream), host, address.path, **options)
            nursery.cancel_scope.cancel()
    finally:
        await trio.aclose_forcefully(stream)
