"""The services of the clusters that are measured: one publishes, in its cluster or over a link; one subscribes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors import MessageReceived, Service
from tests.bench.rows import MESSAGE, Quota

CONNECTION = "hub"


class Publisher(Service):
    """Publishes to a topic, by so many publishers at once."""

    name = "bench.publish"

    async def handle(self, order: dict) -> dict:
        quota = Quota(order["messages"], order["seconds"])
        here = self._here if order.get("confirm", True) else self._unconfirmed
        publish = self._over_link if order["is_remote"] else here
        async with trio.open_nursery() as nursery:
            for _ in range(order["publishers"]):
                nursery.start_soon(self._publish, publish, order["topic"], quota)
        return quota.result()

    async def _publish(self, publish: Callable[[str], Awaitable[Any]], topic: str, quota: Quota) -> None:
        while quota.take():
            await publish(topic)
            quota.confirmed += 1

    async def _here(self, topic: str) -> None:
        await self.pubsub.publish(topic, MESSAGE)

    async def _unconfirmed(self, topic: str) -> None:
        await self.pubsub.publish(topic, MESSAGE, confirm=False)

    async def _over_link(self, topic: str) -> None:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.publish(topic, MESSAGE, timeout=30.0)


class Subscriber(Service):
    """Counts what it is given as a hook; invoked with a topic, it subscribes and waits for so many messages."""

    name = "bench.subscriber"

    async def setup(self) -> None:
        self.count = 0
        self.came = trio.Event()

    async def handle(self, asked: Any) -> Any:
        if not isinstance(asked, MessageReceived):
            return await self._subscribe(asked["topic"], asked["messages"])
        self.count += len(asked.data.data)
        self.came.set()
        return None

    async def _subscribe(self, topic: str, messages: int) -> dict:
        began_at = time.monotonic()
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.invoke_service("zato.pubsub.subscription.create-wsx-subscription", {"topic_name": topic})
        while self.count < messages:
            self.came = trio.Event()
            await self.came.wait()
        return {"began_at": began_at, "count": self.count}


class Ready(Service):
    """Answers once there is a link."""

    name = "bench.ready"

    async def handle(self) -> str:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.invoke_service("zato.ping", timeout=30.0)
        return "ready"
