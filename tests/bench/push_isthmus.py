"""Isthmus as pushing is measured: a hub whose services publish, and subscribers, each a cluster across a native link."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define

from runtime.admin.client import connect
from tests.bench.clusters import Clusters, hub_table, link_table
from tests.bench.cpu import CpuMeter
from tests.bench.profiling import Profiler
from tests.bench.push import PUBLISHERS, PUSH_ROWS, PushRow
from tests.bench.rows import Figure, Load, MeasureFailed, Row, check_counts
from tests.bench.servers import ANSWERS_WITHIN, together
from tests.processes import free_port

HUB = "hub"
SUBSCRIBERS = tuple(f"subscriber-{number}" for number in range(1, max(row.workers for row in PUSH_ROWS) + 1))
LOOK_INTERVAL = 0.005
"""Seconds between two looks at what waits, once the subscribers have all."""

_ENDPOINT = """
[clusters.hub.endpoints.peer]
channel = "gateway"
subscribe = ["/bench/**"]
"""

_TOPIC = """
[clusters.hub.topics."{topic}"]
guaranteed = {guaranteed}
"""

_NO_LIMIT = "max_depth_non_gd = 0\n"

_PEER = """
[clusters.{name}]
services = ["tests.bench.services", "tests.bench.push_services"]
"""


def topic_table(topic: str, *, is_guaranteed: bool) -> str:
    """Return a topic, as clusters.toml has it; no queue of it drops anything."""
    return _TOPIC.format(topic=topic, guaranteed=str(is_guaranteed).lower()) + ("" if is_guaranteed else _NO_LIMIT)


def configuration(port: int, topics: str, subscribers: Collection[str]) -> str:
    """Return a clusters.toml; all that it does not name has its default."""
    address = f"ws://127.0.0.1:{port}/bench"
    hook = 'on_message = "bench.push-subscriber"\n'
    peers = [_PEER.format(name=name) + link_table(name, address) + hook for name in subscribers]
    return "".join([hub_table(address), _ENDPOINT, topics, *peers])


@define
class PushClusters(Clusters):
    """A hub that publishes, and clusters that subscribe."""

    async def subscribe(self, clusters: Sequence[str], topic: str) -> None:
        """Have clusters subscribe, those that have not yet, and begin to count."""
        await together(*(partial(self.ask, one, "bench.push-subscriber", {"topic": topic}) for one in clusters))

    async def publish(self, topic: str, messages: int, *, publishers: int = PUBLISHERS, confirm: bool = True) -> float:
        """Publish so many messages by many publishers, in the hub; return when that began."""
        order = {"topic": topic, "messages": messages, "seconds": ANSWERS_WITHIN, "publishers": publishers}
        result = await self.ask(HUB, "bench.publish", {**order, "is_remote": False, "confirm": confirm})
        if result["confirmed"] != messages:
            msg = f"only {result['confirmed']} of {messages} messages were published in time"
            raise MeasureFailed(msg)
        return float(result["began_at"])

    async def until_acknowledged(self, clusters: Sequence[str], topic: str, messages: int) -> float:
        """Wait until clusters were given so many messages and the hub knows of it; return when that was."""
        order = {"messages": messages}
        answers = await together(*(partial(self.ask, one, "bench.push-subscriber", order) for one in clusters))
        async with connect(self.data_dir(HUB)) as admin:
            with trio.move_on_after(ANSWERS_WITHIN):
                while any(one["waiting"] for one in await self.subscriptions(admin, topic)):
                    await trio.sleep(LOOK_INTERVAL)
                check_counts(answers, messages)
                return time.monotonic()
        msg = "messages still wait after all were delivered"
        raise MeasureFailed(msg)

    async def subscriptions(self, admin: Any, topic: str) -> list[Any]:
        """Return what the hub shows of a topic's subscriptions."""
        return [one for one in await admin.invoke("isthmus.admin.subscriptions") if one["topic"] == topic]


@define
class IsthmusPush(PushClusters):
    """The clusters, in a folder of their own; `open` runs them."""

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler) -> AsyncGenerator[IsthmusPush, None]:
        """Run the clusters as long as the block."""
        topics = "".join(topic_table(row.topic, is_guaranteed=row.is_guaranteed) for row in PUSH_ROWS)
        one = await cls.prepared(folder, profiler, configuration(free_port(), topics, SUBSCRIBERS))
        one.facts.append(
            f"{PUBLISHERS} publishers, each waits until its message is confirmed, or one that waits for no confirmation; "
            "no limit of a queue"
        )
        async with one.started([HUB]), one.started(SUBSCRIBERS):
            yield one

    def knows(self, row: Row) -> bool:
        """Tell whether it is about pushed messages."""
        return isinstance(row, PushRow)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many messages a second were delivered and acknowledged."""
        assert isinstance(row, PushRow)
        clusters, messages = SUBSCRIBERS[: row.workers], row.messages(load)
        await self.subscribe(clusters, row.topic)
        measured = {name: self.pids[name] for name in (HUB, *clusters)}
        async with self.profiler.watch(row.name, measured):
            meter = CpuMeter(measured.values())
            began_at = await self.publish(row.topic, messages, publishers=row.publishers, confirm=row.is_confirmed)
            ended_at = await self.until_acknowledged(clusters, row.topic, messages)
        delivered = len(clusters) * messages
        return meter.figure(delivered / (ended_at - began_at), delivered)
