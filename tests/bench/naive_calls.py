"""`python -m tests.bench.naive_calls PORT [serve]`: calls the way that one writes them first with trio-websocket.

Each message is one text frame of JSON. The server starts a task for each request; the client has an event for each
call in a dict.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from itertools import count
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, open_websocket_url, serve_websocket

from tests.bench.call_load import PAYLOAD, Calls, check_answer, keep_calling
from tests.bench.orders import serve

PORT = int(sys.argv[1])


async def _answer(socket: WebSocketConnection, text: str) -> None:
    request = json.loads(text)
    await socket.send_message(json.dumps({"id": request["id"], "data": request["data"]}))


async def _serve_one(request: WebSocketRequest) -> None:
    socket = await request.accept()
    async with trio.open_nursery() as nursery:
        try:
            while True:
                nursery.start_soon(_answer, socket, await socket.get_message())
        except ConnectionClosed:
            nursery.cancel_scope.cancel()


class _Client:
    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self._ids = count()
        self._waiting: dict[int, trio.Event] = {}
        self._answers: dict[int, Any] = {}

    async def receive(self) -> None:
        while True:
            answer = json.loads(await self._socket.get_message())
            self._answers[answer["id"]] = answer["data"]
            self._waiting.pop(answer["id"]).set()

    async def call(self) -> Any:
        number = next(self._ids)
        event = self._waiting[number] = trio.Event()
        await self._socket.send_message(json.dumps({"id": number, "data": PAYLOAD}))
        await event.wait()
        return self._answers.pop(number)


async def call(*, callers: int, seconds: float, rate: float) -> dict[str, float]:
    """Call over one connection."""
    async with open_websocket_url(f"ws://127.0.0.1:{PORT}") as socket, trio.open_nursery() as receiving:
        client = _Client(socket)
        receiving.start_soon(client.receive)
        check_answer(await client.call())
        calls = Calls.limited_by(seconds, rate)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(calls.pace, trio.sleep)
            for _ in range(callers):
                nursery.start_soon(keep_calling, calls, client.call, trio.Event)
        outcome = calls.outcome()
        receiving.cancel_scope.cancel()
    return outcome


if __name__ == "__main__":
    if sys.argv[2:] == ["serve"]:
        trio.run(partial(serve_websocket, _serve_one, "127.0.0.1", PORT, ssl_context=None))
    else:
        serve({"call": call}, trio.run)
