"""`python -m tests.bench.nats_worker PORT`: a client of NATS JetStream; see `tests.bench.orders`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import nats
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StorageType
from nats.js.errors import NotFoundError

from tests.bench.orders import LOOK_INTERVAL, serve
from tests.bench.rows import BATCH, MESSAGE, Quota

ADDRESS = f"nats://127.0.0.1:{sys.argv[1]}"
BODY = MESSAGE.encode()
FILLERS = 256


@asynccontextmanager
async def _jetstream() -> AsyncGenerator[JetStreamContext, None]:
    client = await nats.connect(ADDRESS)
    try:
        yield client.jetstream(timeout=30.0)
    finally:
        await client.close()


async def publish(*, stream: str, messages: int, seconds: float, publishers: int) -> dict[str, float]:
    """Publish by so many publishers over one connection, as its clients do."""
    async with _jetstream() as jetstream:
        with suppress(NotFoundError):
            await jetstream.delete_stream(stream)
        await jetstream.add_stream(name=stream, subjects=[stream], storage=StorageType.FILE)
        return await _publish_all(jetstream, stream, Quota(messages, seconds), publishers)


async def _publish_all(jetstream: JetStreamContext, stream: str, quota: Quota, publishers: int) -> dict[str, float]:
    await asyncio.gather(*(_publish(jetstream, stream, quota) for _ in range(publishers)))
    return quota.result()


async def _publish(jetstream: JetStreamContext, stream: str, quota: Quota) -> None:
    while quota.take():
        await jetstream.publish(stream, BODY)
        quota.confirmed += 1


async def prepare(*, stream: str, groups: Sequence[str], messages: int) -> dict[str, float]:
    """Make durable consumers for a new stream, and fill it."""
    async with _jetstream() as jetstream:
        with suppress(NotFoundError):
            await jetstream.delete_stream(stream)
        await jetstream.add_stream(name=stream, subjects=[stream], storage=StorageType.FILE)
        for group in groups:
            await jetstream.add_consumer(stream, ConsumerConfig(durable_name=group, ack_policy="explicit"))
        return await _publish_all(jetstream, stream, Quota(messages, float("inf")), FILLERS)


async def push(*, stream: str, messages: int, publishers: int, consumers: int) -> dict[str, float]:
    """Publish so many messages to what was prepared."""
    async with _jetstream() as jetstream:
        return await _publish_all(jetstream, stream, Quota(messages, float("inf")), publishers)


async def consume(*, stream: str, group: str, messages: int) -> dict[str, float]:
    """Fetch and acknowledge so many messages, until the server has nothing left of them."""
    async with _jetstream() as jetstream:
        subscription = await jetstream.pull_subscribe_bind(durable=group, stream=stream)
        count, began_at = 0, time.monotonic()
        while count < messages:
            for message in await subscription.fetch(BATCH, timeout=5.0):
                await message.ack()
                count += 1
        while (info := await jetstream.consumer_info(stream, group)).num_pending or info.num_ack_pending:
            await asyncio.sleep(LOOK_INTERVAL)
        return {"began_at": began_at, "ended_at": time.monotonic(), "count": count}


if __name__ == "__main__":
    serve({"publish": publish, "prepare": prepare, "push": push, "consume": consume})
