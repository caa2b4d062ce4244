"""A client of a channel that is nothing but a WebSocket and JSON, as a client in another language would be."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import trio
from attrs import evolve
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.actor import Actor
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from tests.planted import PASSWORD
from tests.runtime.transport.support import TIMESTAMP, websocket
from tests.support import ADDRESS, emea_settings, start


class ZatoPeer:
    """Sends frames, and reads what comes one by one; `pushes` are what came while an answer was waited for."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.token: str | None = None
        self.pushes: list[dict[str, Any]] = []
        self._ids = count(1)

    async def send(self, action: str | None, data: object = None, **meta: Any) -> str:
        """Send a message and return its id."""
        own = {"id": f"m{next(self._ids)}", "timestamp": TIMESTAMP, "token": self.token, "action": action}
        frame = {"meta": {**own, **meta}, "data": data}
        await self.socket.send_message(json.dumps(frame))
        return str(frame["meta"]["id"])

    async def receive(self) -> dict[str, Any]:
        """Return the next frame."""
        with trio.fail_after(600):
            frame: dict[str, Any] = json.loads(await self.socket.get_message())
        return frame

    async def answer_to(self, message_id: str) -> dict[str, Any]:
        """Return the answer to a message."""
        while True:
            frame = await self.receive()
            if frame["meta"].get("in_reply_to") == message_id:
                return frame
            self.pushes.append(frame)

    async def log_in(self, *, secret: str = PASSWORD, **meta: Any) -> dict[str, Any]:
        """Create a session and return the answer."""
        asked = await self.send("create-session", {}, username="apac", secret=secret, **meta)
        answer = await self.answer_to(asked)
        self.token = answer["data"].get("token")
        return answer

    async def call(self, data: object) -> dict[str, Any]:
        """Send a request and return its answer."""
        return await self.answer_to(await self.send("invoke-service", data))

    async def invoke(self, service: str, request: object = None) -> dict[str, Any]:
        """Invoke a service by way of a gateway and return the answer."""
        return await self.call({"service": service, "request": request})

    async def end(self) -> tuple[list[dict[str, Any]], int, str]:
        """Read until the link ends; return what came, and the code and reason of the close."""
        frames: list[dict[str, Any]] = []
        while True:
            try:
                frames.append(await self.receive())
            except ConnectionClosed as closed:
                reason = closed.reason
                return frames, 0 if reason is None else reason.code, "" if reason is None else reason.reason or ""


async def serve(
    network: MemoryNetwork, nursery: trio.Nursery, classes: Sequence[type[Actor]] = (), **channel: Any
) -> SimulatedCluster:
    """Start a cluster whose channel has the options, and wait until it listens."""
    settings = emea_settings()
    settings.channels["gateway"] = evolve(settings.channels["gateway"], **channel)
    emea = await start(nursery, network, "emea", settings, classes)
    await emea.until("listener", "gateway", "listening")
    return emea


@asynccontextmanager
async def zato_peer(network: MemoryNetwork, *, address: str = ADDRESS, node: str = "peer") -> AsyncIterator[ZatoPeer]:
    """Connect to a channel, without a session yet."""
    where = Address.parse(address)
    stream = await network.node(node).connect(where)
    async with websocket(stream, where) as socket:
        yield ZatoPeer(socket)
