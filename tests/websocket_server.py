"""A WebSocket server that is no channel: a test says what it sends and sees what it gets; on the network in memory."""

from __future__ import annotations

from typing import Any, cast

import trio
from attrs import define, field
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_server_stream

from runtime.testing import MemoryNetwork
from runtime.transport import Address

SERVER = "ws://server:8080/feed?key=hidden"


@define(eq=False)
class WebSocketServer:
    """Takes every upgrade, or answers it with `refuse_with`; what comes is in `received`, each with its connection."""

    network: MemoryNetwork
    nursery: trio.Nursery
    node: str = "server"
    select: str | None = None
    refuse_with: int | None = None
    requests: list[Any] = field(factory=list)
    sockets: list[WebSocketConnection] = field(factory=list)
    received: list[str | bytes] = field(factory=list)
    greeting: list[str | bytes] = field(factory=list)
    is_reading: bool = True
    reads_again: trio.Event = field(factory=trio.Event)

    async def start(self) -> None:
        """Listen; returns once it does."""
        [listener] = await self.network.node(self.node).listen(Address.parse(SERVER))
        self.nursery.start_soon(trio.serve_listeners, self._serve, [listener])

    async def _serve(self, stream: trio.abc.Stream) -> None:
        async with trio.open_nursery() as nursery:
            request = await wrap_server_stream(nursery, cast("trio.SocketStream", stream))
            self.requests.append(request)
            if self.refuse_with is not None:
                await request.reject(self.refuse_with, body=b"not you")
                nursery.cancel_scope.cancel()
                return
            socket = await request.accept(subprotocol=self.select)
            self.sockets.append(socket)
            try:
                for frame in self.greeting:
                    await socket.send_message(frame)
                while True:
                    if not self.is_reading:
                        await self.reads_again.wait()
                    self.received.append(await socket.get_message())
            except ConnectionClosed:
                pass  # the library's own task ends when the closing is done
        await trio.aclose_forcefully(stream)

    def header(self, name: str) -> list[str]:
        """Return the values of a header of the last upgrade."""
        return [value.decode() for key, value in self.requests[-1].headers if key.lower() == name.lower().encode()]
