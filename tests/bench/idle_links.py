"""`python -m tests.bench.idle_links PORT [serve]`: links of bare trio-websocket over which nothing is said."""

from __future__ import annotations

import os
import sys
from functools import partial

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, open_websocket_url, serve_websocket

from tests.bench.memory import resident
from tests.bench.orders import serve

PORT = int(sys.argv[1])


async def _serve_one(request: WebSocketRequest) -> None:
    socket = await request.accept()
    try:
        while True:
            await socket.get_message()
    except ConnectionClosed:
        pass


async def _keep_link(task_status: trio.TaskStatus[None]) -> None:
    async with open_websocket_url(f"ws://127.0.0.1:{PORT}"):
        task_status.started()
        await trio.sleep_forever()


async def measure(*, links: int, server: int) -> dict[str, int]:
    """Return what both processes have in memory with one link, and with so many."""
    async with trio.open_nursery() as nursery:
        await nursery.start(_keep_link)
        with_one = resident([os.getpid(), server])
        for _ in range(links - 1):
            await nursery.start(_keep_link)
        with_all = resident([os.getpid(), server])
        nursery.cancel_scope.cancel()
    return {"with_one": with_one, "with_all": with_all}


if __name__ == "__main__":
    if sys.argv[2:] == ["serve"]:
        trio.run(partial(serve_websocket, _serve_one, "127.0.0.1", PORT, ssl_context=None))
    else:
        serve({"measure": measure}, trio.run)
