"""The embedded store: topics, messages and subscriptions in SQLite, or the same in memory.

Guaranteed messages are on disk before `append` returns. Memory messages of the same topics are held beside them, in
one sequence of places, and end with the process. `runtime.store.schema` owns the tables and their meaning,
`runtime.store.group` the transactions, `runtime.store.ledger` what is known; this module gives callers of the event
loop a way to them. While a transaction runs in the store's thread nobody else touches the ledger.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from actors.errors import CallError
from actors.ports import Cleaned, Clock, Entropy
from actors.services.call import PeerIdentity
from actors.settings import TopicSettings
from actors.topics.catalogue import Catalogue
from actors.topics.handled import HANDLED_WINDOW
from actors.topics.publication import Publish, SubscriptionRecord, Taken
from runtime.store import cleaning, consuming, in_memory, publishing, settling, subscribing
from runtime.store.group import GroupCommit, StoreThread
from runtime.store.ledger import Ledger
from runtime.store.prepared import Prepared
from runtime.store.state import SubscriptionState

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore:
    """Implements `TopicStore`, `TopicList`, `QueueStore`, `SubscriptionStore` and `HandledStore` of `actors.ports`.

    Args:
        database: What `open_database` gave; the store's alone from now on.
        thread: Where it is used.
        clock: What time it is.
        entropy: Ids of messages that bring none.
        catalogue: What topics are set to.
        cluster: The cluster's name.
        not_durable: Why guaranteed messages are refused, where the database ends with the process.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        *,
        thread: StoreThread,
        clock: Clock,
        entropy: Entropy,
        catalogue: Catalogue,
        cluster: str,
        not_durable: str = "",
    ) -> None:
        self._ledger = Ledger(database, catalogue=catalogue, cluster=cluster, entropy=entropy)
        self._ledger.not_durable = not_durable
        self._clock = clock
        self._group = GroupCommit(database, thread, on_rollback=self._ledger.load)
        self.on_supplied: Callable[[str], None] = lambda _topic: None
        """Told which topics got messages in another way than by being published to."""

    @property
    def ledger(self) -> Ledger:
        """What is known; to be touched within `do` only."""
        return self._ledger

    @property
    def group(self) -> GroupCommit:
        """Its transactions."""
        return self._group

    async def do(self, operation: Callable[[], T], prepare: Callable[[], Prepared[T] | None] | None = None) -> T:
        """Run an operation on the ledger within the next transaction, or prepare it; see `GroupCommit.do`."""
        now = self._now()

        def run(_database: sqlite3.Connection) -> T:
            self._ledger.now = now
            return operation()

        def prepared() -> Prepared[T] | None:
            self._ledger.now = now
            return None if prepare is None else prepare()

        result = await self._group.do(run, prepared)
        while self._ledger.supplied:
            self.on_supplied(self._ledger.supplied.popitem()[0])
        return result

    def _now(self) -> float:
        return self._clock.utc_now().replace(tzinfo=datetime.UTC).timestamp()

    # Topics

    async def append(self, topic: str, publishes: Sequence[Publish]) -> Sequence[str | CallError]:
        """Give messages the next places of a topic; see `TopicStore.append`."""
        if self._group.is_idle:
            self._ledger.now = self._now()
            held = in_memory.append(self._ledger, topic, publishes)
            if held is not None:
                return held

        def prepare() -> Prepared[Sequence[str | CallError]] | None:
            held = in_memory.append(self._ledger, topic, publishes)
            if held is not None:
                return Prepared((), lambda: held)
            return publishing.prepare_append(self._ledger, topic, publishes)

        return await self.do(lambda: publishing.append(self._ledger, topic, publishes), prepare)

    async def clean(self, topic: str, attached: Collection[str]) -> Cleaned:
        """Do a small step of cleaning; see `TopicStore.clean`."""
        return await self.do(lambda: cleaning.clean(self._ledger, topic, attached))

    async def create(self, topic: str, settings: TopicSettings) -> None:
        """Keep a topic's settings; see `TopicList.create`."""

        def keep() -> None:
            state = self._ledger.topic(topic)
            text = json.dumps(msgspec.to_builtins(settings))
            self._ledger.database.execute("UPDATE topics SET settings = ? WHERE id = ?", (text, state.id))

        await self.do(keep)

    async def created(self) -> Mapping[str, TopicSettings]:
        """Return the topics that were made while a cluster ran; see `TopicList.created`."""

        def read() -> dict[str, Any]:
            sql = "SELECT name, settings FROM topics WHERE settings IS NOT NULL"
            return {name: json.loads(text) for name, text in self._ledger.database.execute(sql)}

        return {name: msgspec.convert(one, TopicSettings) for name, one in (await self.do(read)).items()}

    async def used(self) -> Collection[str]:
        """Return the topics that were ever used; see `TopicList.used`."""
        return await self.do(lambda: list(self._ledger.topics))

    # Subscriptions

    async def subscriptions(self, topic: str) -> Sequence[SubscriptionRecord]:
        """Return a topic's subscriptions; see `SubscriptionStore.subscriptions`."""

        def read() -> list[SubscriptionRecord]:
            known = self._ledger.topics.get(topic)
            return [] if known is None else [one.record for one in known.live]

        return await self.do(read)

    def _owned(self, owner: PeerIdentity) -> list[SubscriptionState]:
        return [one for one in self._ledger.subscriptions.values() if one.is_live and one.record.owner == owner]

    async def owned(self, owner: PeerIdentity) -> Sequence[SubscriptionRecord]:
        """Return an owner's subscriptions; see `SubscriptionStore.owned`."""
        return await self.do(lambda: [one.record for one in self._owned(owner)])

    async def missed(self, owner: PeerIdentity) -> int | None:
        """Return how many messages wait for an owner; see `SubscriptionStore.missed`."""

        def read() -> int | None:
            owned = self._owned(owner)
            return sum(one.depth_gd + one.depth_memory for one in owned) if owned else None

        return await self.do(read)

    async def subscribe(self, record: SubscriptionRecord) -> None:
        """Keep a subscription; see `SubscriptionStore.subscribe`."""
        await self.do(lambda: subscribing.subscribe(self._ledger, record))

    async def unsubscribe(self, sub_key: str, *, leave_rest: bool = False) -> None:
        """End a subscription; see `SubscriptionStore.unsubscribe`."""
        await self._with(sub_key, lambda one: subscribing.unsubscribe(self._ledger, one, leave_rest=leave_rest))

    # Queues

    def _live(self, sub_key: str) -> SubscriptionState | None:
        one = self._ledger.subscriptions.get(sub_key)
        return one if one is not None and one.is_live else None

    async def _with(
        self,
        sub_key: str,
        operation: Callable[[SubscriptionState], T],
        prepare: Callable[[SubscriptionState], Prepared[T] | None] = lambda _one: None,
    ) -> T | None:
        """Run an operation on a subscription, or prepare it, where the subscription has not ended."""

        def run() -> T | None:
            one = self._live(sub_key)
            return None if one is None else operation(one)

        def prepared() -> Prepared[Any] | None:
            one = self._live(sub_key)
            return None if one is None else prepare(one)

        return await self.do(run, prepared)

    async def take(self, sub_key: str, max_count: int, max_bytes: int) -> Taken:
        """Take the first messages that wait; see `QueueStore.take`."""
        if self._group.is_free:
            one = self._live(sub_key)
            held = Taken(()) if one is None else consuming.take_held(one, max_count, max_bytes)
            if held is not None:
                return held
        taken = await self._with(
            sub_key,
            lambda one: consuming.take(self._ledger, one, max_count, max_bytes),
            lambda one: consuming.prepare_take(one, max_count, max_bytes),
        )
        return Taken(()) if taken is None else taken

    async def begin_anew(self, sub_key: str) -> None:
        """Have all that was taken wait again; see `QueueStore.begin_anew`."""
        await self._with(sub_key, lambda one: one.head.begin_anew())

    async def failed(self, sub_key: str, place: int, reason: str) -> None:
        """Count a delivery that failed; see `QueueStore.failed`."""
        await self._with(sub_key, lambda one: consuming.failed(self._ledger, one, place, reason))

    async def settle(self, sub_key: str, places: Sequence[int], *, may_come_again: bool = False) -> None:
        """Be done with messages; see `QueueStore.settle`."""
        if self._group.is_idle:
            known = self._ledger.subscriptions.get(sub_key)
            if known is None or not known.is_live or in_memory.settle(known, places):
                return

        await self._with(
            sub_key,
            lambda one: settling.settle(self._ledger, one, places),
            lambda one: settling.prepare_settle(self._ledger, one, places, may_be_lost=may_come_again),
        )

    async def bury(self, sub_key: str, places: Sequence[int], reason: str) -> None:
        """Move messages to the dead-letter topic; see `QueueStore.bury`."""
        await self._with(sub_key, lambda one: consuming.bury(self._ledger, one, places, reason))

    # The window of a subscriber

    async def handled(self, sub_key: str) -> Collection[str]:
        """Return the ids of the last messages; see `HandledStore.handled`."""

        def read() -> list[str]:
            rows = self._ledger.database.execute(
                "SELECT ids FROM handled WHERE sub_key = ? ORDER BY number", (sub_key,)
            )
            return [msg_id for (ids,) in rows for msg_id in msgspec.msgpack.decode(ids, type=list[str])]

        return (await self.do(read))[-HANDLED_WINDOW:]

    async def record(self, sub_key: str, msg_ids: Sequence[str]) -> None:
        """Keep that messages were handled; see `HandledStore.record`."""
        await self.do(lambda: self._record(sub_key, msg_ids))

    def _record(self, sub_key: str, msg_ids: Sequence[str]) -> None:
        """Add a row whose number is the count of all ids up to it, so that rows beyond the window are told by it."""
        database = self._ledger.database
        last = database.execute("SELECT max(number) FROM handled WHERE sub_key = ?", (sub_key,)).fetchone()[0] or 0
        number = last + len(msg_ids)
        database.execute("INSERT INTO handled VALUES (?, ?, ?)", (sub_key, number, msgspec.msgpack.encode(msg_ids)))
        database.execute("DELETE FROM handled WHERE sub_key = ? AND number <= ?", (sub_key, number - HANDLED_WINDOW))
