"""What a store tells of itself to those who watch a server: how much waits, and whether it can be written."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from actors.meters import Meters
from runtime.store.schema import VERSION
from runtime.store.sqlite import SqliteStore

__all__ = ["QueueDepth", "StoreGauges"]


@frozen
class QueueDepth:
    """How much waits in the queues of a topic: in all, and in the deepest; with how many subscriptions there are."""

    topic: str
    subscriptions: int
    waiting: int
    deepest: int


class StoreGauges:
    """Looks at a store, without reading what is in its files.

    Args:
        store: The store.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def measure_with(self, meters: Meters) -> None:
        """Have transactions timed from now on."""
        self._store.group.meters = meters

    async def depths(self) -> list[QueueDepth]:
        """Return how much waits, by topic.

        Raises:
            StoreFailed: When the store cannot be written.
        """

        def look() -> list[QueueDepth]:
            found = []
            for topic in self._store.ledger.topics.values():
                depths = [one.depth_gd + one.depth_memory for one in topic.live]
                backlog = topic.depth_gd + topic.depth_memory if topic.is_waiting else 0
                deepest = max([backlog, *depths])
                found.append(QueueDepth(topic.name, len(depths), backlog + sum(depths), deepest))
            return found

        return await self._store.do(look)

    @property
    def dead_lettered(self) -> Mapping[str, int]:
        """How many messages of each topic became dead letters."""
        return self._store.ledger.buried

    @property
    def failures(self) -> int:
        """How many transactions could not be committed."""
        return self._store.group.failures

    @property
    def not_durable(self) -> str:
        """Why guaranteed messages are refused, where they are."""
        return self._store.ledger.not_durable

    async def write(self) -> None:
        """Write what is there already, to see whether the store can be written.

        Raises:
            StoreFailed: When it cannot be.
        """
        await self._store.do(lambda: self._store.ledger.database.execute(f"PRAGMA user_version = {VERSION}"))
