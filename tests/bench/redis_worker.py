"""`python -m tests.bench.redis_worker PORT`: a client of Redis Streams; see `tests.bench.orders`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import redis
import redis.asyncio

from tests.bench.orders import LOOK_INTERVAL, serve
from tests.bench.rows import BATCH, MESSAGE, Quota

PORT = int(sys.argv[1])
CONSUMER = "consumer"
FIELDS: Any = {"data": MESSAGE}


async def publish(*, stream: str, messages: int, seconds: float, publishers: int) -> dict[str, float]:
    """Publish by so many publishers, each with a connection; one alone does without an event loop."""
    if publishers == 1:
        with redis.Redis(port=PORT) as client:
            client.ping()
            quota = Quota(messages, seconds)
            while quota.take():
                client.xadd(stream, FIELDS)
                quota.confirmed += 1
            return quota.result()
    clients = [redis.asyncio.Redis(port=PORT, single_connection_client=True) for _ in range(publishers)]
    await asyncio.gather(*(client.ping() for client in clients))
    quota = Quota(messages, seconds)
    await asyncio.gather(*(_publish(client, stream, quota) for client in clients))
    result = quota.result()
    await asyncio.gather(*(client.aclose() for client in clients))
    return result


async def _publish(client: redis.asyncio.Redis, stream: str, quota: Quota) -> None:
    while quota.take():
        await client.xadd(stream, FIELDS)
        quota.confirmed += 1


async def prepare(*, stream: str, groups: Sequence[str], messages: int) -> dict[str, float]:
    """Make groups for a new stream, and fill it."""
    with redis.Redis(port=PORT) as client:
        client.delete(stream)
        for group in groups:
            client.xgroup_create(stream, group, id="0", mkstream=True)
        for first in range(0, messages, 1000):
            pipeline = client.pipeline(transaction=False)
            for _ in range(first, min(messages, first + 1000)):
                pipeline.xadd(stream, FIELDS)
            pipeline.execute()
    return {}


async def push(*, stream: str, messages: int, publishers: int, consumers: int) -> dict[str, float]:
    """Publish so many messages to what was prepared."""
    return await publish(stream=stream, messages=messages, seconds=float("inf"), publishers=publishers)


async def consume(*, stream: str, group: str, messages: int) -> dict[str, float]:
    """Read and acknowledge so many messages, without an event loop, until the server has nothing left of them."""
    with redis.Redis(port=PORT) as client:
        client.ping()
        count, began_at = 0, time.monotonic()
        while count < messages:
            found: Any = client.xreadgroup(group, CONSUMER, {stream: ">"}, count=BATCH, block=10_000)
            entries = _entries(found)
            if not entries:
                break
            count += len([fields for _place, fields in entries])
            client.xack(stream, group, *(place for place, _fields in entries))
        while client.xpending(stream, group)["pending"]:
            await asyncio.sleep(LOOK_INTERVAL)
        return {"began_at": began_at, "ended_at": time.monotonic(), "count": count}


def _entries(found: Any) -> list[Any]:
    """Return the entries of the one stream that was read; the shape differs between the protocol's versions."""
    if not found:
        return []
    if isinstance(found, dict):
        (batches,) = found.values()
        return [entry for batch in batches for entry in batch]
    return list(found[0][1])


if __name__ == "__main__":
    serve({"publish": publish, "prepare": prepare, "push": push, "consume": consume})
