"""Isthmus as it is measured: a hub with the channel, a cluster that publishes over a link, and subscribers.

Every cluster is a process of its own, started by the command line. A subscriber's subscription is there before the
messages are; while these are published the subscriber does not run, so that nothing is on its way to it yet when it
subscribes again and the time begins.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from actors.errors import CallError
from runtime.admin.client import AdminClient, NotRunning, connect
from tests.bench.clusters import Clusters, hub_table, link_table
from tests.bench.profiling import Profiler
from tests.bench.rows import BATCH, FSYNC, MOST_SUBSCRIBERS, ROWS, Figure, Load, MeasureFailed, Row, check_counts
from tests.bench.servers import ANSWERS_WITHIN, together
from tests.processes import free_port

HUB, REMOTE = "hub", "remote"
SUBSCRIBERS = tuple(f"subscriber-{number}" for number in range(1, MOST_SUBSCRIBERS + 1))
FILLERS = 256
LOOK_INTERVAL = 0.005
"""Seconds between two looks at what waits, once the subscribers have all."""


def _topic(row: Row) -> str:
    return f"/bench/{row.name}"


_ENDPOINT = """
[clusters.hub.endpoints.peer]
channel = "gateway"
publish = ["/bench/**"]
subscribe = ["/bench/**"]
"""

_TOPIC = """
[clusters.hub.topics."{topic}"]
guaranteed = true

[clusters.hub.topics."{topic}".delivery]
delivery_batch_size = {batch}
"""

_PEER = """
[clusters.{name}]
services = ["tests.bench.services"]
"""


def configuration(port: int) -> str:
    """Return a clusters.toml; all that it does not name has its default."""
    address = f"ws://127.0.0.1:{port}/bench"
    topics = [_TOPIC.format(topic=_topic(row), batch=BATCH) for row in ROWS]
    hook = 'on_message = "bench.subscriber"\n'
    peers = [_PEER.format(name=name) + link_table(name, address) + hook for name in (REMOTE, *SUBSCRIBERS)]
    return "".join([hub_table(address), _ENDPOINT, *topics, *peers])


@define
class Isthmus(Clusters):
    """The clusters, in a folder of their own; `open` runs them."""

    subscribed: set[str] = field(factory=set)

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler) -> AsyncGenerator[Isthmus, None]:
        """Run the hub and the remote publisher as long as the block."""
        one = await cls.prepared(folder, profiler, configuration(free_port()))
        async with one.started([HUB]), one.started([REMOTE]):
            yield one

    def knows(self, row: Row) -> bool:
        """Tell whether it publishes or delivers."""
        return row in ROWS and row != FSYNC

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many messages a second were confirmed, or delivered and acknowledged."""
        try:
            return Figure(await (self._deliver(row, load) if row.is_delivery else self._publish(row, load)))
        except (NotRunning, CallError) as error:
            msg = f"{type(error).__name__}: {error}"
            raise MeasureFailed(msg) from error

    # The figures

    async def _publish(self, row: Row, load: Load) -> float:
        cluster = REMOTE if row.is_remote else HUB
        measured = {HUB: self.pids[HUB], cluster: self.pids[cluster]}
        async with self.profiler.watch(row.name, measured):
            result = await self._publish_some(row, load.messages, load.seconds, row.workers)
        return float(result["confirmed"] / result["seconds"])

    async def _publish_some(self, row: Row, messages: int, seconds: float, publishers: int) -> Any:
        order = {"topic": _topic(row), "messages": messages, "seconds": seconds, "publishers": publishers}
        order["is_remote"] = row.is_remote
        return await self.ask(REMOTE if row.is_remote else HUB, "bench.publish", order)

    async def _deliver(self, row: Row, load: Load) -> float:
        clusters, messages = SUBSCRIBERS[: row.workers], load.guaranteed
        if row.name not in self.subscribed:
            async with self.started(clusters):
                await self._subscribe(row, clusters, 0)
            self.subscribed.add(row.name)
        filled = await self._publish_some(row, messages, ANSWERS_WITHIN, FILLERS)
        if filled["confirmed"] != messages:
            msg = f"only {filled['confirmed']} of {messages} messages were published in time"
            raise MeasureFailed(msg)
        async with self.started(clusters), connect(self.data_dir(HUB)) as admin:
            measured = {name: self.pids[name] for name in (HUB, *clusters)}
            async with self.profiler.watch(row.name, measured):
                answers = await self._subscribe(row, clusters, messages)
                ended_at = await self._until_none_waits(admin, row)
        began_at = min(answer["began_at"] for answer in answers)
        return len(clusters) * messages / (ended_at - began_at)

    async def _subscribe(self, row: Row, clusters: Sequence[str], messages: int) -> list[Any]:
        """Have clusters subscribe and wait for so many messages each."""
        order = {"topic": _topic(row), "messages": messages}
        answers = await together(*(partial(self.ask, one, "bench.subscriber", order) for one in clusters))
        check_counts(answers, messages)
        return answers

    async def _until_none_waits(self, admin: AdminClient, row: Row) -> float:
        """Wait until the hub has every acknowledgement; return when that was."""
        with trio.move_on_after(ANSWERS_WITHIN):
            while await self._waiting(admin, row):
                await trio.sleep(LOOK_INTERVAL)
            return time.monotonic()
        msg = "messages still wait after all were delivered"
        raise MeasureFailed(msg)

    async def _waiting(self, admin: AdminClient, row: Row) -> int:
        found = await admin.invoke("isthmus.admin.subscriptions")
        return sum(one["waiting"] for one in found if one["topic"] == _topic(row))
