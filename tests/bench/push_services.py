"""The service of the clusters that messages are pushed to: it counts what it is given as a hook."""

from __future__ import annotations

import time
from typing import Any

import trio

from actors import MessageReceived, Service
from tests.bench.services import CONNECTION


class PushSubscriber(Service):
    """Subscribes to a topic and begins to count, or waits for so many messages."""

    name = "bench.push-subscriber"

    async def setup(self) -> None:
        self.count = 0
        self.came = trio.Event()

    async def handle(self, asked: Any) -> Any:
        if isinstance(asked, MessageReceived):
            self.count += len(asked.data.data)
            self.came.set()
            return None
        if "topic" in asked:
            return await self._subscribe(asked["topic"])
        while self.count < asked["messages"]:
            self.came = trio.Event()
            await self.came.wait()
        return {"count": self.count, "ended_at": time.monotonic()}

    async def _subscribe(self, topic: str) -> None:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.invoke_service("zato.pubsub.subscription.create-wsx-subscription", {"topic_name": topic})
        self.count = 0
