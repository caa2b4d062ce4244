"""`python -m tests.bench.nats_core_worker PORT`: a client of NATS without JetStream; see `tests.bench.orders`.

Nothing is stored and nothing acknowledged: whoever subscribes too late misses a message, so the publisher waits for
the consumers to say that they are there.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import nats
from nats.aio.msg import Msg
from nats.errors import NoRespondersError

from tests.bench.orders import LOOK_INTERVAL, serve
from tests.bench.rows import MESSAGE, Quota

ADDRESS = f"nats://127.0.0.1:{sys.argv[1]}"
BODY = MESSAGE.encode()
COMES_WITHIN = 120.0


@asynccontextmanager
async def _connected() -> AsyncGenerator[nats.NATS, None]:
    client = await nats.connect(ADDRESS)
    try:
        yield client
    finally:
        await client.close()


async def prepare(*, stream: str, groups: Sequence[str], messages: int) -> dict[str, float]:
    """Do nothing: nothing is kept."""
    return {}


async def push(*, stream: str, messages: int, publishers: int, consumers: int) -> dict[str, float]:
    """Publish so many messages as fast as they can be written, once all consumers are there."""
    async with _connected() as client:
        there, all_there = set[str](), asyncio.Event()

        async def note(message: Msg) -> None:
            there.add(message.data.decode())
            await message.respond(b"")
            if len(there) == consumers:
                all_there.set()

        await client.subscribe(f"{stream}.ready", cb=note)
        await asyncio.wait_for(all_there.wait(), COMES_WITHIN)
        quota = Quota(messages, COMES_WITHIN)
        while quota.take():
            await client.publish(stream, BODY)
            quota.confirmed += 1
        await client.flush(timeout=int(COMES_WITHIN))
        return quota.result()


async def consume(*, stream: str, group: str, messages: int) -> dict[str, float]:
    """Count until so many messages have come."""
    async with _connected() as client:
        count, ended = 0, asyncio.Event()

        async def take(_message: Msg) -> None:
            nonlocal count
            count += 1
            if count == messages:
                ended.set()

        await client.subscribe(stream, cb=take, pending_msgs_limit=-1, pending_bytes_limit=-1)
        await client.flush()
        await _say_ready(client, stream, group)
        await asyncio.wait_for(ended.wait(), COMES_WITHIN)
        return {"ended_at": time.monotonic(), "count": count}


async def _say_ready(client: nats.NATS, stream: str, group: str) -> None:
    async with asyncio.timeout(COMES_WITHIN):
        while True:
            try:
                await client.request(f"{stream}.ready", group.encode(), timeout=COMES_WITHIN)
            except NoRespondersError:
                await asyncio.sleep(LOOK_INTERVAL)
            else:
                return


if __name__ == "__main__":
    serve({"prepare": prepare, "push": push, "consume": consume})
