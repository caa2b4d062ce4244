"""Listens for peers at one address, bounds how many shake hands at once, and upgrades each to a link."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import structlog
import trio
from trio_websocket import WebSocketConnection, WebSocketRequest, wrap_server_stream

from actors.channels.credentials import Presented
from actors.errors import DialFailed
from actors.ports import Arrival, Entropy, Link
from runtime.transport.buffered import BufferedStream
from runtime.transport.door import Comer, Door, Inside
from runtime.transport.network import Address, Network
from runtime.transport.options import LinkOptions
from runtime.transport.places import Places
from runtime.transport.tls import certificate_of
from runtime.transport.unix import local_user_of
from runtime.transport.websocket import RECEIVE_BUFFER, MakeWire, host_of, open_link, peer_of, until_ended
from runtime.wire import NATIVE_SUBPROTOCOL

__all__ = ["WebSocketListener"]

_log = structlog.get_logger(kind="link")


class WebSocketListener:
    """Takes peers in at one address; implements `actors.ports.Listener`.

    Args:
        network: Binds the address.
        address: Where; its path must equal that of the request, and its own origin may connect.
        make_wire: Makes each link's wire.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
        allowed_origins: Further browser origins that may connect.
        max_handshakes: How many peers may shake hands and log in at once, at most half of them from one address.
        **door: What else decides who may connect; see `runtime.transport.door.Door`.
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
        **door: Any,
    ) -> None:
        self._network = network
        self.address = address
        self._make_wire = make_wire
        self._options = options
        self._entropy = entropy
        origins = frozenset((*allowed_origins, _origin_of(address)))
        self._door = Door(address.path, allowed_origins=origins, **door)
        self._places: Places[_WebSocketArrival] = Places(max_handshakes)
        self._inside = Inside()

    def adopt(self, newer: WebSocketListener) -> None:
        """Go on with what another listener of the same address was made with, for peers that come from now on."""
        self._places.total = newer._places.total
        self.__dict__.update(vars(newer) | {"_places": self._places, "_inside": self._inside})

    async def listen(self, on_arrival: Callable[[Arrival], None], on_listening: Callable[[], None]) -> None:
        """Accept peers until cancelled; see `Listener.listen`."""
        listeners = await self._network.listen(self.address)
        on_listening()
        unopened: dict[_WebSocketArrival, None] = {}
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._let_in_for_ever, on_arrival)
                for listener in listeners:
                    nursery.start_soon(self._accept_for_ever, listener, on_arrival, unopened)
        finally:
            for arrival in unopened:
                await arrival.discard()

    async def _accept_for_ever(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        on_arrival: Callable[[Arrival], None],
        unopened: dict[_WebSocketArrival, None],
    ) -> None:
        """Accept one peer after the other, and have each wait for its place."""
        async with listener:
            while True:
                try:
                    transport = await listener.accept()
                except OSError as error:
                    _log.error("cannot accept", address=str(self.address), error=str(error))
                    await trio.sleep(0.1)
                    continue
                comer = Comer(peer_of(transport), host_of(transport))
                group, places = self._door.group_of(comer), self._places
                if self._door.shuts_at_once(comer) or self._door.is_crowded(
                    comer, self._inside, group, waiting=places.waiting, of_group=places.waiting_of(group)
                ):
                    await trio.aclose_forcefully(transport)
                    continue
                arrival = _WebSocketArrival(self, transport, unopened)
                unopened[arrival] = None
                places.queue(arrival, group)
                self._let_in(on_arrival)

    async def _let_in_for_ever(self, on_arrival: Callable[[Arrival], None]) -> None:
        while True:
            await self._places.changed()
            self._let_in(on_arrival)

    def _let_in(self, on_arrival: Callable[[Arrival], None]) -> None:
        """Have peers shake hands for whom there are places."""
        while (arrival := self._places.next()) is not None:
            on_arrival(arrival)

    @asynccontextmanager
    async def open_link(self, arrival: _WebSocketArrival) -> AsyncGenerator[Link, None]:
        """Upgrade a peer's transport to a link, which lives as long as the context; `arrival` learns what it shows."""
        transport = arrival.transport
        arrival.opened()
        self._inside.count += 1
        upgrade = functools.partial(self._upgrade, arrival)
        try:
            async with open_link(
                transport, upgrade, self._make_wire, self._options, self._entropy, is_client=False
            ) as link:
                if link is None:
                    part = "upgrade"
                    raise DialFailed(part, "the peer was refused, or did not complete it")
                yield link
        except trio.BrokenResourceError as error:
            part = "upgrade"
            raise DialFailed(part, str(error)) from None
        finally:
            self._inside.count -= 1
            self._inside.leave(arrival.group)
            arrival.admitted()
            await trio.aclose_forcefully(transport)

    def leave_handshakes(self, arrival: _WebSocketArrival) -> None:
        """Free an arrival's place among those who are shaking hands."""
        self._places.leave(arrival)

    async def _upgrade(
        self, arrival: _WebSocketArrival, nursery: trio.Nursery, stream: BufferedStream
    ) -> WebSocketConnection | None:
        with trio.move_on_after(self._options.handshake_timeout):
            request = await until_ended(
                stream,
                lambda: wrap_server_stream(
                    nursery,
                    stream,
                    max_message_size=self._options.max_message_size,
                    receive_buffer_size=RECEIVE_BUFFER,
                ),
            )
            if isinstance(request, WebSocketRequest):
                return await self._decide(request, arrival)
        return None

    async def _decide(self, request: WebSocketRequest, arrival: _WebSocketArrival) -> WebSocketConnection | None:
        transport, door = arrival.transport, self._door
        host, peer = host_of(transport), peer_of(transport)
        headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        comer = Comer(peer, host, door.client_behind(request, host))
        arrival.presented = Presented(headers, certificate_of(transport), comer.behind, local_user_of(transport))
        if (refused := door.refusal(request, comer, self._inside)) is not None:
            await request.reject(refused.status, body=refused.body)
            return None
        arrival.group = self._inside.enter(comer.address)
        return await request.accept(subprotocol=NATIVE_SUBPROTOCOL if door.is_native(request) else None)


class _WebSocketArrival:
    """A peer that a listener has accepted; implements `actors.ports.Arrival`."""

    def __init__(
        self,
        listener: WebSocketListener,
        transport: trio.abc.Stream,
        unopened: dict[_WebSocketArrival, None],
    ) -> None:
        self._listener = listener
        self.transport = transport
        self._unopened = unopened
        self.presented = Presented()
        """What the peer showed; see `Arrival.presented`."""
        self.group = ""
        """What its address is counted under, once it is."""

    @property
    def peer(self) -> str:
        """The peer's address, to print."""
        return peer_of(self.transport)

    def open(self) -> AbstractAsyncContextManager[Link]:
        """Upgrade, and give the link; see `Arrival.open`."""
        return self._listener.open_link(self)

    def opened(self) -> None:
        """Whoever opens it also ends it."""
        self._unopened.pop(self, None)

    def admitted(self) -> None:
        """Leave its place among those who are shaking hands; see `Arrival.admitted`."""
        self._listener.leave_handshakes(self)

    async def discard(self) -> None:
        """End what nobody opened."""
        self.admitted()
        await trio.aclose_forcefully(self.transport)


def _origin_of(address: Address) -> str:
    return f"{address.scheme}://{address.host}:{address.port}"
