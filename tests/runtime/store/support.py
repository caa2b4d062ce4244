"""Stores for tests: at a path or in memory, closed and opened again, on a clock that the test sets."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from actors.errors import CallError
from actors.services.call import PeerIdentity
from actors.settings import TopicSettings
from actors.topics.catalogue import Catalogue
from actors.topics.publication import Publish, SubscriptionRecord, published_of
from runtime.store.group import StoreThread
from runtime.store.schema import open_database
from runtime.store.sqlite import SqliteStore
from runtime.testing import InlineThreads, SeededEntropy

TOPIC = "/customer/new"
GRAVE = f"/dead-letter/emea{TOPIC}"
OWNER = PeerIdentity("apac", "apac", "to emea")
NOW = datetime.datetime(2026, 1, 1)


class SetClock:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.now = NOW

    def utc_now(self) -> datetime.datetime:
        return self.now

    def timestamp(self) -> str:
        return self.now.isoformat(timespec="microseconds")

    def advance(self, seconds: float) -> None:
        self.now += datetime.timedelta(seconds=seconds)


class Opened:
    """A store that can be closed and opened again, and what tests ask of it."""

    def __init__(self, path: Path | None, topics: dict[str, TopicSettings] | None = None) -> None:
        self.path = path
        self.clock = SetClock()
        self.topics = topics or {TOPIC: TopicSettings(guaranteed=True)}
        self.entropy = SeededEntropy(2)
        self.thread: StoreThread = InlineThreads(SeededEntropy(1))
        self.database = open_database(path)
        self.open()

    def open(self) -> None:
        self.store = SqliteStore(
            self.database,
            thread=self.thread,
            clock=self.clock,
            entropy=self.entropy,
            catalogue=Catalogue(self.topics),
            cluster="emea",
        )

    def reopen(self) -> None:
        """Begin again with what is durable; a database in memory stands for its own file."""
        if self.path is not None:
            self.database.close()
            self.database = open_database(self.path)
        self.open()

    async def publish(self, data: Any, *, topic: str = TOPIC, **options: Any) -> str:
        """Publish one message and return its id, or raise what the store answers."""
        [result] = await self.store.append(topic, [Publish.of(data, options)])
        if isinstance(result, CallError):
            raise result
        return result

    async def subscribe(
        self, sub_key: str, *, topic: str = TOPIC, owner: PeerIdentity = OWNER, is_lasting: bool = True, **options: Any
    ) -> None:
        await self.store.subscribe(SubscriptionRecord(sub_key, topic, owner, options, is_lasting=is_lasting))

    async def take(self, sub_key: str, max_count: int = 10_000) -> list[Any]:
        """Take messages and return their data."""
        return [data for data, _deliveries in await self.take_counted(sub_key, max_count)]

    async def take_counted(self, sub_key: str, max_count: int = 10_000) -> list[tuple[Any, int]]:
        """Take messages and return their data, and how often each may have been delivered before."""
        taken = await self.store.take(sub_key, max_count, 1 << 30)
        return [(published_of(one.body).data, taken.deliveries.get(one.place, 0)) for one in taken.messages]

    async def waiting(self, sub_key: str) -> list[Any]:
        """Return the data of all that waits, without taking it."""
        await self.store.begin_anew(sub_key)
        found = await self.take(sub_key)
        await self.store.begin_anew(sub_key)
        return found

    def rows(self, table: str = "messages") -> int:
        [(count,)] = self.database.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - a test names it
        return int(count)
