"""The embedded store: topics, messages and subscriptions in SQLite, or the same in memory.

Guaranteed messages are on disk before `append` returns. Memory messages of the same topics are held beside them, in
one sequence of places, and end with the process. `runtime.store.schema` owns the tables and their meaning,
`runtime.store.group` the transactions.
"""

from __future__ import annotations

import datetime
import hashlib
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
from attrs import evolve

from actors.call import PeerIdentity
from actors.errors import Conflict
from actors.ports import Entropy
from actors.publication import Publish, Stored, SubscriptionRecord, Waiting
from runtime.store.group import GroupCommit, StoreThread
from runtime.store.schema import checksum
from runtime.store.state import SubscriptionState, TopicState

__all__ = ["SqliteStore"]

T = TypeVar("T")

CLEAN_AT_ONCE = 5000
DEDUP_WINDOW = 24 * 3600.0
ORDINARY = 5

_decode = msgspec.msgpack.Decoder(Stored).decode
_encode = msgspec.msgpack.Encoder().encode


class SqliteStore:
    """Implements `actors.ports.TopicStore` and `SubscriptionStore`.

    Args:
        database: What `open_database` gave; the store's alone from now on.
        thread: Where it is used.
        entropy: Ids of messages that bring none.
    """

    def __init__(self, database: sqlite3.Connection, *, thread: StoreThread, entropy: Entropy) -> None:
        self._database = database
        self._group = GroupCommit(self._database, thread, on_rollback=self._load)
        self._entropy = entropy
        self._topics: dict[str, TopicState] = {}
        self._subscriptions: dict[str, SubscriptionState] = {}
        self._load()

    @property
    def topics(self) -> Mapping[str, TopicState]:
        """What is known of each topic that was ever used."""
        return self._topics

    async def do(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run an operation on the database within the next transaction; see `GroupCommit.do`."""
        return await self._group.do(operation)

    def insert(self, database: sqlite3.Connection, stored: Stored) -> Stored:
        """Within an operation: give a message the next place of its topic."""
        topic = self._topic(database, stored.topic)
        topic.place += 1
        placed = evolve(stored, place=topic.place)
        self._insert(database, topic, placed, _encode(placed))
        return placed

    def message_at(self, database: sqlite3.Connection, topic: TopicState, place: int) -> Stored | None:
        """Within an operation: return the guaranteed message at a place of a topic, if there is one."""
        sql = "SELECT body FROM messages WHERE topic = ? AND place = ?"
        row = database.execute(sql, (topic.id, place)).fetchone()
        return None if row is None else _decode(row[0])

    def _load(self) -> None:
        """Read what the database says; memory messages stay, also after a group that was rolled back."""
        before, self._topics, self._subscriptions = self._topics, {}, {}
        by_id: dict[int, TopicState] = {}
        rows = self._database.execute(
            "SELECT id, name, backlog_from, (SELECT min(place) FROM messages WHERE topic = topics.id),"
            " (SELECT max(place) FROM messages WHERE topic = topics.id),"
            " (SELECT max(acked_upto) FROM subscriptions WHERE topic = topics.id) FROM topics"
        )
        for topic_id, name, backlog_from, first, last, acked in rows:
            earlier = before.get(name)
            place = max(last or 0, acked or 0, backlog_from, 0 if earlier is None else earlier.place)
            topic = by_id[topic_id] = self._topics[name] = TopicState(
                topic_id, name, place, backlog_from, (first or 1) - 1
            )
            if earlier is not None:
                topic.volatile, topic.volatile_ids = earlier.volatile, earlier.volatile_ids
        for sub_key, topic_id, security, cluster, connection, acked_upto, sent_upto in self._database.execute(
            "SELECT sub_key, topic, security, cluster, connection, acked_upto, sent_upto FROM subscriptions"
        ):
            topic = by_id[topic_id]
            record = SubscriptionRecord(sub_key, topic.name, PeerIdentity(security, cluster, connection))
            self._remember(SubscriptionState(record, topic, acked_upto, sent_upto))
        for sub_key, place in self._database.execute("SELECT sub_key, place FROM done"):
            self._subscriptions[sub_key].done.add(place)
        for sub_key, place, count, reason in self._database.execute("SELECT * FROM failures"):
            self._subscriptions[sub_key].failures[place] = (count, reason)

    def _remember(self, subscription: SubscriptionState) -> None:
        self._subscriptions[subscription.record.sub_key] = subscription
        subscription.topic.subscriptions[subscription.record.sub_key] = subscription

    # Publishing

    async def append(self, publish: Publish, topic: str, *, now: datetime.datetime, guaranteed: bool) -> Stored:
        """Store a message; see `TopicStore.append`."""
        is_guaranteed = guaranteed if publish.has_gd is None else publish.has_gd
        known = self._topics.get(topic)
        if not is_guaranteed and known is not None and self._group.is_idle:
            return self._append_volatile(known, publish, now)
        return await self._group.do(lambda database: self._append(database, publish, topic, now, is_guaranteed))

    def _append(
        self,
        database: sqlite3.Connection,
        publish: Publish,
        name: str,
        now: datetime.datetime,
        is_guaranteed: bool,
    ) -> Stored:
        topic = self._topic(database, name)
        if not is_guaranteed:
            return self._append_volatile(topic, publish, now)
        if publish.msg_id and (earlier := self._earlier(database, topic, publish)) is not None:
            return earlier
        stored = self._stored(topic, publish, now, is_guaranteed=True)
        body = _encode(stored)
        self._insert(database, topic, stored, body)
        if publish.msg_id:
            database.execute(
                "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?)",
                (topic.id, stored.msg_id, _digest(publish), body, now.timestamp()),
            )
            database.execute(
                "DELETE FROM published WHERE topic = ? AND at < ?", (topic.id, now.timestamp() - DEDUP_WINDOW)
            )
        return stored

    def _insert(self, database: sqlite3.Connection, topic: TopicState, stored: Stored, body: bytes) -> None:
        database.execute(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)",
            (topic.id, stored.place, stored.msg_id, stored.priority, body, checksum(body)),
        )

    def _append_volatile(self, topic: TopicState, publish: Publish, now: datetime.datetime) -> Stored:
        earlier = topic.volatile_ids.get(publish.msg_id) if publish.msg_id else None
        if earlier is not None:
            return _same(earlier, publish)
        stored = self._stored(topic, publish, now, is_guaranteed=False)
        topic.volatile[stored.place] = stored
        if publish.msg_id:
            topic.volatile_ids[publish.msg_id] = stored
        return stored

    def _stored(self, topic: TopicState, publish: Publish, now: datetime.datetime, *, is_guaranteed: bool) -> Stored:
        topic.place += 1
        msg_id = publish.msg_id or f"zpsm{self._entropy.hex_id()}"
        return Stored.of(publish, topic=topic.name, place=topic.place, msg_id=msg_id, now=now, guaranteed=is_guaranteed)

    def _earlier(self, database: sqlite3.Connection, topic: TopicState, publish: Publish) -> Stored | None:
        row = database.execute(
            "SELECT body FROM published WHERE topic = ? AND msg_id = ?", (topic.id, publish.msg_id)
        ).fetchone()
        return None if row is None else _same(_decode(row[0]), publish)

    def _topic(self, database: sqlite3.Connection, name: str) -> TopicState:
        topic = self._topics.get(name)
        if topic is None:
            database.execute("INSERT OR IGNORE INTO topics (name) VALUES (?)", (name,))
            topic_id = database.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()[0]
            topic = self._topics[name] = TopicState(topic_id, name, 0, 0, 0)
        return topic

    # Subscriptions

    async def subscriptions(self, topic: str) -> Sequence[SubscriptionRecord]:
        """Return a topic's subscriptions; see `SubscriptionStore.subscriptions`."""
        known = self._topics.get(topic)
        return () if known is None else [one.record for one in known.subscriptions.values()]

    async def missed(self, owner: PeerIdentity) -> int | None:
        """Return how many messages wait for an owner; see `SubscriptionStore.missed`."""
        owned = [one for one in self._subscriptions.values() if one.record.owner == owner]
        if not owned:
            return None
        return await self._group.do(lambda database: sum(self._count(database, one) for one in owned))

    def _count(self, database: sqlite3.Connection, subscription: SubscriptionState) -> int:
        topic, upto = subscription.topic, subscription.acked_upto
        row = database.execute("SELECT count(*) FROM messages WHERE topic = ? AND place > ?", (topic.id, upto))
        held = sum(place > upto for place in topic.volatile)
        return int(row.fetchone()[0]) + held - len(subscription.done)

    async def subscribe(self, record: SubscriptionRecord) -> None:
        """Keep a subscription; see `SubscriptionStore.subscribe`."""
        await self._group.do(lambda database: self._subscribe(database, record))

    def _subscribe(self, database: sqlite3.Connection, record: SubscriptionRecord) -> None:
        if record.sub_key in self._subscriptions:
            return
        topic = self._topic(database, record.topic)
        start = topic.place if topic.subscriptions else topic.backlog_from
        owner = record.owner
        database.execute(
            "INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?)",
            (record.sub_key, topic.id, owner.security, owner.cluster, owner.connection, start, start),
        )
        self._remember(SubscriptionState(record, topic, start, start))

    async def unsubscribe(self, sub_key: str) -> None:
        """Forget a subscription; see `SubscriptionStore.unsubscribe`."""
        if sub_key in self._subscriptions:
            await self._group.do(lambda database: self._unsubscribe(database, sub_key))

    def _unsubscribe(self, database: sqlite3.Connection, sub_key: str) -> None:
        subscription = self._subscriptions.pop(sub_key, None)
        if subscription is None:
            return
        topic = subscription.topic
        del topic.subscriptions[sub_key]
        if not topic.subscriptions:
            topic.backlog_from = subscription.acked_upto
            database.execute("UPDATE topics SET backlog_from = ? WHERE id = ?", (topic.backlog_from, topic.id))
            for place in subscription.done:
                database.execute("DELETE FROM messages WHERE topic = ? AND place = ?", (topic.id, place))
                topic.volatile.pop(place, None)
        for table in ("subscriptions", "done", "failures"):
            database.execute(f"DELETE FROM {table} WHERE sub_key = ?", (sub_key,))  # noqa: S608 - three fixed names

    # Delivering

    async def waiting(self, sub_key: str, limit: int, skip: Collection[int] = ()) -> Sequence[Waiting]:
        """Return the first messages that a subscription is not done with; see `TopicStore.waiting`."""
        subscription = self._subscriptions.get(sub_key)
        if subscription is None or subscription.acked_upto >= subscription.topic.place:
            return ()
        return await self._group.do(lambda database: self._waiting(database, subscription, limit, skip))

    def _waiting(
        self, database: sqlite3.Connection, subscription: SubscriptionState, limit: int, skip: Collection[int]
    ) -> list[Waiting]:
        topic = subscription.topic
        left_out = subscription.done.union(skip)
        found = [
            stored
            for place, stored in topic.volatile.items()
            if place > subscription.acked_upto and place not in left_out
        ]
        for condition, order in (
            ("priority != 5 AND priority > 5", "priority DESC, place"),  # as the index's own condition has it
            ("priority = 5", "place"),
            ("priority != 5 AND priority < 5", "priority DESC, place"),
        ):
            taken = 0
            for place, body in database.execute(
                f"SELECT place, body FROM messages WHERE topic = ? AND place > ? AND {condition} ORDER BY {order}",  # noqa: S608
                (topic.id, subscription.acked_upto),
            ):
                if place in left_out:
                    continue
                found.append(_decode(body))
                taken += 1
                if taken >= limit:
                    break
        found.sort(key=lambda stored: (-stored.priority, stored.place))
        return [Waiting(stored, self._deliveries(subscription, stored.place)) for stored in found[:limit]]

    def _deliveries(self, subscription: SubscriptionState, place: int) -> int:
        """Return how often a message may have been delivered before."""
        failed = subscription.failures.get(place, (0, ""))[0]
        return failed or int(place <= subscription.sent_upto)

    async def sent(self, sub_key: str, places: Sequence[int]) -> None:
        """Note that messages are being delivered; see `TopicStore.sent`."""
        subscription = self._subscriptions.get(sub_key)
        if subscription is not None and places and (last := max(places)) > subscription.sent_upto:
            await self._group.do(lambda database: self._note_sent(database, subscription, last))

    def _note_sent(self, database: sqlite3.Connection, subscription: SubscriptionState, upto: int) -> None:
        database.execute(
            "UPDATE subscriptions SET sent_upto = ? WHERE sub_key = ?", (upto, subscription.record.sub_key)
        )
        subscription.sent_upto = upto

    async def failed(self, sub_key: str, places: Sequence[int], reason: str) -> None:
        """Count a delivery that failed; see `TopicStore.failed`."""
        subscription = self._subscriptions.get(sub_key)
        if subscription is not None:
            await self._group.do(lambda database: self._note_failed(database, subscription, places, reason))

    def _note_failed(
        self, database: sqlite3.Connection, subscription: SubscriptionState, places: Sequence[int], reason: str
    ) -> None:
        for place in places:
            count = subscription.failures.get(place, (0, ""))[0] + 1
            subscription.failures[place] = (count, reason)
            database.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?)",
                (subscription.record.sub_key, place, count, reason),
            )

    async def settle(
        self, sub_key: str, places: Sequence[int], *, bury_in: str = "", reason: str = "", now: datetime.datetime
    ) -> None:
        """Be done with messages; see `TopicStore.settle`."""
        subscription = self._subscriptions.get(sub_key)
        if subscription is not None and places:
            await self._group.do(lambda database: self._settle(database, subscription, places, bury_in, reason, now))

    def _settle(
        self,
        database: sqlite3.Connection,
        subscription: SubscriptionState,
        places: Sequence[int],
        bury_in: str,
        reason: str,
        now: datetime.datetime,
    ) -> None:
        if bury_in:
            self._bury(database, subscription.topic, places, bury_in, reason, now)
        sub_key = subscription.record.sub_key
        upto, done = subscription.acked_upto, subscription.done
        fresh = {place for place in places if place > upto} - done
        done |= fresh
        while (further := self._advance(database, subscription.topic, upto, done)) > upto:
            upto = further
        beyond = {place for place in fresh if place > upto}
        database.executemany("INSERT OR IGNORE INTO done VALUES (?, ?)", [(sub_key, place) for place in beyond])
        for place in places:
            if subscription.failures.pop(place, None) is not None:
                database.execute("DELETE FROM failures WHERE sub_key = ? AND place = ?", (sub_key, place))
        if upto > subscription.acked_upto:
            database.execute("DELETE FROM done WHERE sub_key = ? AND place <= ?", (sub_key, upto))
            database.execute("UPDATE subscriptions SET acked_upto = ? WHERE sub_key = ?", (upto, sub_key))
            subscription.acked_upto = upto
            subscription.done = {place for place in done if place > upto}
            self._clean(database, subscription.topic)

    def _advance(self, database: sqlite3.Connection, topic: TopicState, upto: int, done: set[int]) -> int:
        """Return how far a position gets: over places that are done, and over places that hold no message.

        Such a place was never used, or its message ended with an earlier process.
        """
        while upto + 1 in done:
            upto += 1
        if upto >= topic.place:
            return upto
        row = database.execute(
            "SELECT min(place) FROM messages WHERE topic = ? AND place > ?", (topic.id, upto)
        ).fetchone()
        held = [place for place in topic.volatile if place > upto]
        following: int = min([*held, topic.place + 1] if row[0] is None else [*held, row[0]])
        return following - 1

    def _bury(
        self,
        database: sqlite3.Connection,
        topic: TopicState,
        places: Sequence[int],
        bury_in: str,
        reason: str,
        now: datetime.datetime,
    ) -> None:
        for place in places:
            stored = self.message_at(database, topic, place)
            if stored is not None:
                self.insert(database, stored.buried(bury_in, reason, now))

    def _clean(self, database: sqlite3.Connection, topic: TopicState) -> None:
        """Delete, in small steps, what all subscriptions are done with."""
        upto = min(one.acked_upto for one in topic.subscriptions.values())
        upto = min(upto, topic.cleaned_upto + CLEAN_AT_ONCE)
        database.execute(
            "DELETE FROM messages WHERE topic = ? AND place > ? AND place <= ?", (topic.id, topic.cleaned_upto, upto)
        )
        for place in [place for place in topic.volatile if place <= upto]:
            del topic.volatile[place]
        topic.cleaned_upto = upto


def _digest(publish: Publish) -> bytes:
    return hashlib.blake2b(_encode(publish.data), digest_size=16).digest()


def _same(earlier: Stored, publish: Publish) -> Stored:
    if earlier.data != publish.data:
        msg = f"message id {publish.msg_id!r} was used before with other data"
        raise Conflict(msg)
    return earlier
