"""The cost of a message as it is measured: a queue takes messages and delivers none until all are there."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define

from runtime.admin.client import connect
from tests.bench.cpu import CpuMeter
from tests.bench.flat import QUEUE_COST_ROWS, SHORT_QUEUE, QueueCostRow
from tests.bench.profiling import Profiler
from tests.bench.push_isthmus import HUB, PushClusters, configuration, topic_table
from tests.bench.rows import Figure, Load, Row
from tests.processes import free_port

SUBSCRIBER = "subscriber"
SHARE = 50
"""What part of a long queue there are of messages in all for a short one's figure."""


@define
class QueueCost(PushClusters):
    """A hub and a subscriber; `open` runs them."""

    @classmethod
    @asynccontextmanager
    async def open(cls, folder: Path, profiler: Profiler, queued: int) -> AsyncGenerator[QueueCost, None]:
        """Run the clusters as long as the block."""
        topics = "".join(topic_table(_topic(row), is_guaranteed=True) for row in QUEUE_COST_ROWS)
        one = await cls.prepared(folder, profiler, configuration(free_port(), topics, [SUBSCRIBER]))
        one.facts.append(f"a long queue has {queued:,} messages")
        async with one.started([HUB]), one.started([SUBSCRIBER]):
            yield one

    def knows(self, row: Row) -> bool:
        """Tell whether it is about the cost of messages."""
        return isinstance(row, QueueCostRow)

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return what a message took of the processors."""
        assert isinstance(row, QueueCostRow)
        queued, times = load.queued, 1
        if not row.is_long:
            queued = min(SHORT_QUEUE, queued)
            times = max(1, load.queued // SHARE // queued)
        await self.subscribe([SUBSCRIBER], _topic(row))
        async with self.profiler.watch(row.name, self.pids):
            meter = CpuMeter(self.pids.values())
            for _ in range(times):
                await self._fill_and_drain(_topic(row), queued)
        return Figure(meter.microseconds() / (times * queued))

    async def _fill_and_drain(self, topic: str, messages: int) -> None:
        await self.subscribe([SUBSCRIBER], topic)
        await self._set(topic, "pub-only")
        await self.publish(topic, messages)
        await self._set(topic, "pub-sub")
        await self.until_acknowledged([SUBSCRIBER], topic, messages)

    async def _set(self, topic: str, status: str) -> None:
        """Have the topic's subscription take messages only, or deliver them, too."""
        async with connect(self.data_dir(HUB)) as admin:
            (found,) = await self.subscriptions(admin, topic)
            order = {"sub_key": found["sub_key"], "options": {"active_status": status}}
            await admin.invoke("isthmus.admin.set-subscription", order)


def _topic(row: Row) -> str:
    return f"/bench/{row.name}"
