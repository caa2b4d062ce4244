"""`python -m tests.bench.nats_calls PORT [serve]`: request and reply over a NATS server."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import nats
from nats.aio.msg import Msg

from tests.bench.call_load import PAYLOAD, Calls, check_answer, keep_calling
from tests.bench.orders import serve

ADDRESS = f"nats://127.0.0.1:{sys.argv[1]}"
SUBJECT = "bench.echo"


async def _answer(message: Msg) -> None:
    await message.respond(json.dumps(json.loads(message.data)).encode())


async def _serve() -> None:
    client = await nats.connect(ADDRESS)
    await client.subscribe(SUBJECT, cb=_answer)
    await client.flush()
    await asyncio.Event().wait()


async def call(*, callers: int, seconds: float, rate: float) -> dict[str, float]:
    """Call over one connection, once the one who answers is there."""
    client = await nats.connect(ADDRESS)
    try:

        async def request() -> Any:
            answer = await client.request(SUBJECT, json.dumps(PAYLOAD).encode(), timeout=30.0)
            return json.loads(answer.data)

        await _until_served(client)
        check_answer(await request())
        calls = Calls.limited_by(seconds, rate)
        callers_of_all = (keep_calling(calls, request, asyncio.Event) for _ in range(callers))
        await asyncio.gather(calls.pace(asyncio.sleep), *callers_of_all)
        return calls.outcome()
    finally:
        await client.close()


async def _until_served(client: nats.NATS) -> None:
    async with asyncio.timeout(30.0):
        while True:
            try:
                await client.request(SUBJECT, b"{}", timeout=1.0)
            except nats.errors.NoRespondersError:
                await asyncio.sleep(0.02)
            else:
                return


if __name__ == "__main__":
    if sys.argv[2:] == ["serve"]:
        asyncio.run(_serve())
    else:
        serve({"call": call})
