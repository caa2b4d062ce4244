"""The ledger: what a store's database says, what is known of it by heart, and the steps that change both alike.

Everything here runs within a transaction of the store's group (`runtime.store.group`). After one that was undone
`load` reads everything anew; messages that are held in memory only, and what is under way, stay.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from actors.errors import Overloaded
from actors.ports import Entropy
from actors.services.call import PeerIdentity
from actors.settings import TopicSettings
from actors.topics.catalogue import Catalogue, dead_letter_topic
from actors.topics.publication import Published, Stored, SubscriptionRecord, published_of
from runtime.store.arriving import Arriving, MessageRows
from runtime.store.places import Places
from runtime.store.prepared import Statement
from runtime.store.queue import QueueHead
from runtime.store.schema import MAX_PLACE, checksum, key_of, place_of
from runtime.store.state import Fate, SubscriptionState, TopicState, Unwritten

__all__ = ["Ledger"]

FIRST = (-9, 0)
"""Before all that may wait."""

_encode = msgspec.msgpack.Encoder().encode


class Ledger:
    """The topics and subscriptions of a store.

    Args:
        database: The store's connection.
        catalogue: What topics are set to.
        cluster: The cluster's name, for dead-letter topics.
        entropy: Ids.
    """

    def __init__(self, database: sqlite3.Connection, *, catalogue: Catalogue, cluster: str, entropy: Entropy) -> None:
        self.database = database
        self.catalogue = catalogue
        self.cluster = cluster
        self.entropy = entropy
        self.now = 0.0
        """The Unix time when what is being done was asked for."""
        self.not_durable = ""
        """Why no guaranteed message can be kept, where that is so."""
        self.topics: dict[str, TopicState] = {}
        self.subscriptions: dict[str, SubscriptionState] = {}
        self.buried: Counter[str] = Counter()
        """How many messages of each topic became dead letters."""
        self.supplied: dict[str, None] = {}
        """Topics that got messages in another way than by being published to, for those who deliver them."""
        self.load()

    def settings(self, topic: str) -> TopicSettings:
        """Return what a topic is set to."""
        return self.catalogue.find(topic) or TopicSettings()

    def topic(self, name: str) -> TopicState:
        """Return a topic, which begins now where there was none."""
        topic = self.topics.get(name)
        if topic is None:
            self.database.execute("INSERT OR IGNORE INTO topics (name) VALUES (?)", (name,))
            topic_id = self.database.execute("SELECT id FROM topics WHERE name = ?", (name,)).fetchone()[0]
            topic = self.topics[name] = TopicState(topic_id, name, 0, 0, 0)
        return topic

    # Reading what the database says

    def load(self) -> None:
        """Read everything; where that fails, what was known stays, for the next attempt."""
        before, earlier = self.topics, self.subscriptions
        try:
            self._load(before, earlier)
        except sqlite3.Error:
            self.topics, self.subscriptions = before, earlier
            raise

    def _load(self, before: Mapping[str, TopicState], earlier: Mapping[str, SubscriptionState]) -> None:
        self.topics, self.subscriptions = {}, {}
        by_id: dict[int, TopicState] = {}
        for topic_id, name, backlog_from in self.database.execute("SELECT id, name, backlog_from FROM topics"):
            by_id[topic_id] = self.topics[name] = TopicState(topic_id, name, backlog_from, backlog_from, 0)
        self._load_subscriptions(by_id, earlier)
        for topic in self.topics.values():
            self._load_places(topic, before.get(topic.name))
        for subscription in self.subscriptions.values():
            self._measure(subscription)
            subscription.read_options(self.settings(subscription.topic.name).delivery)

    def _load_subscriptions(self, by_id: Mapping[int, TopicState], earlier: Mapping[str, SubscriptionState]) -> None:
        for row in self.database.execute(
            "SELECT sub_key, topic, security, cluster, connection, options, pattern, client, is_lasting, acked_upto,"
            " sent_upto, seen_at, upto, fate FROM subscriptions"
        ):
            sub_key, topic_id, security, cluster, connection, options, pattern, client, is_lasting, *state = row
            acked_upto, sent_upto, seen_at, upto, fate = state
            topic = by_id[topic_id]
            owner = PeerIdentity(security, cluster, connection)
            said = json.loads(options)
            record = SubscriptionRecord(
                sub_key,
                topic.name,
                owner,
                said.get("own", {}),
                pattern,
                client,
                bool(is_lasting),
                said.get("set", {}),
            )
            head = QueueHead(FIRST)
            if sub_key in earlier:
                head.taken = earlier[sub_key].head.taken
            self.remember(
                SubscriptionState(
                    record, topic, acked_upto, sent_upto, seen_at, head, upto, None if fate is None else Fate(fate)
                )
            )
        for sub_key, first, last in self.database.execute("SELECT sub_key, first, last FROM done"):
            self.subscriptions[sub_key].done.add(first, last)
        for sub_key, place, count, reason in self.database.execute("SELECT * FROM failures"):
            self.subscriptions[sub_key].failures[place] = (count, reason)

    def _load_places(self, topic: TopicState, earlier: TopicState | None) -> None:
        """Find a topic's last place: a place is never used twice, also where its message is gone."""
        low, high = key_of(topic.id, 0), key_of(topic.id, MAX_PLACE)
        ends = self.database.execute("SELECT min(key), max(key) FROM messages WHERE key > ? AND key <= ?", (low, high))
        first, last = ends.fetchone()
        used = [topic.place, place_of(last) if last else 0]
        for one in topic.subscriptions.values():
            used += [one.acked_upto, one.sent_upto, one.upto or 0, *(last for _first, last in one.done)]
        if earlier is not None:
            topic.volatile, topic.volatile_ids = earlier.volatile, earlier.volatile_ids
            topic.held_from = earlier.held_from
            used.append(earlier.place)
        topic.place = max(used)
        topic.cleaned_upto = min([place_of(first) - 1 if first else topic.place, *(p - 1 for p in topic.volatile)])
        ids = self.database.execute("SELECT max(key), count(*) FROM published WHERE topic = ?", (topic.id,)).fetchone()
        topic.published, topic.published_kept = (place_of(ids[0]) if ids[0] else 0), ids[1]
        if topic.is_waiting:
            topic.depth_gd = self._rows(topic, topic.backlog_from + 1, topic.place)
            topic.depth_memory = sum(place > topic.backlog_from for place in topic.volatile)

    def remember(self, subscription: SubscriptionState) -> None:
        """Know a subscription by heart."""
        self.subscriptions[subscription.record.sub_key] = subscription
        subscription.topic.subscriptions[subscription.record.sub_key] = subscription

    def _rows(self, topic: TopicState, first: int, last: int) -> int:
        sql = "SELECT count(*) FROM messages WHERE key >= ? AND key <= ?"
        count: int = self.database.execute(sql, (key_of(topic.id, first), key_of(topic.id, last))).fetchone()[0]
        return count

    def _measure(self, one: SubscriptionState) -> None:
        topic, upto = one.topic, one.topic.place if one.upto is None else one.upto
        done = sum(self._rows(topic, max(first, one.acked_upto + 1), min(last, upto)) for first, last in one.done)
        one.depth_gd = self._rows(topic, one.acked_upto + 1, upto) - done if upto > one.acked_upto else 0
        one.depth_memory = sum(not one.is_done_with(place) for place in topic.volatile)

    def measure(self, subscription: SubscriptionState) -> None:
        """Count anew how many messages wait in a subscription."""
        self._measure(subscription)

    def message_at(self, topic: TopicState, place: int) -> Stored | None:
        """Return the message at a place of a topic, if there is one."""
        if (held := topic.volatile.get(place)) is not None:
            return held
        return next(self.messages(topic, place, place), None)

    def messages(
        self, topic: TopicState, first: int, last: int, condition: str = "", *values: object
    ) -> Iterator[Stored]:
        """Give the guaranteed messages at places of a topic, in their order; `condition` is SQL of this package."""
        columns = "key, msg_id, priority, expires_at, extra, body"
        for key, msg_id, priority, expires_at, extra, body in self.database.execute(
            f"SELECT {columns} FROM messages WHERE key >= ? AND key <= ?{condition} ORDER BY key",  # noqa: S608
            (key_of(topic.id, first), key_of(topic.id, last), *values),
        ):
            deliver_to = () if extra is None else tuple(json.loads(extra).get("deliver_to", ()))
            expires = math.inf if expires_at is None else expires_at
            yield Stored(place_of(key), priority, msg_id, body, expires, deliver_to=deliver_to)

    # Changing it

    def insert(
        self, published: Published, *, deliver_to: Sequence[str] = (), extra: Mapping[str, object] | None = None
    ) -> None:
        """Give one message the next place of its topic; see `Arriving` and `insert_all`."""
        self.insert_all(self.topic(published.topic), [Arriving(published, tuple(deliver_to), extra)])

    def insert_all(self, topic: TopicState, arriving: Iterable[Arriving]) -> None:
        """Give messages the next places of their topic, and its subscriptions the messages; see `Arriving`."""
        found, statements = self.place(topic, arriving)
        for sql, values in statements:
            self.database.execute(sql, values)
        if held := [stored for stored in found if not stored.is_guaranteed]:
            topic.hold(held)
        self._offer(topic, found)

    def place(self, topic: TopicState, arriving: Iterable[Arriving]) -> tuple[list[Stored], list[Statement]]:
        """Give messages the next places of their topic; return them, and what stores those that are guaranteed."""
        found: list[Stored] = []
        rows = MessageRows()
        place = topic.place
        for one in arriving:
            place += 1
            stored = one.at(place)
            found.append(stored)
            if stored.is_guaranteed:
                rows.add(key_of(topic.id, place), stored, one.published.recv_time, one.kept)
        topic.place = place
        return found, list(rows.statements())

    def _offer(self, topic: TopicState, arrived: Sequence[Stored]) -> None:
        """Give subscriptions messages that are stored or held; those that do not get one are done with it."""
        live = topic.live
        for one in live:
            foreign: list[int] = []
            for stored in arrived:
                if one.is_taking and one.wants(stored):
                    one.count(stored, 1)
                    one.head.offer(stored)
                else:
                    foreign.append(stored.place)
            self.be_done(one, foreign)
        if all(one.is_observing for one in live):
            guaranteed = sum(stored.is_guaranteed for stored in arrived)
            topic.depth_gd += guaranteed
            topic.depth_memory += len(arrived) - guaranteed

    def settle(self, one: SubscriptionState, places: Iterable[int]) -> None:
        """Be done with messages that waited in a subscription."""
        fresh = {place for place in places if place <= one.topic.place and not one.is_done_with(place)}
        for place in fresh:
            stored = one.head.taken.get(place) or self.message_at(one.topic, place)
            if stored is not None:
                one.count(stored, -1)
            if one.failures.pop(place, None) is not None:
                sql = "DELETE FROM failures WHERE sub_key = ? AND place = ?"
                self.database.execute(sql, (one.record.sub_key, place))
        one.head.remove(fresh)
        self.be_done(one, fresh)

    def be_done(self, one: SubscriptionState, places: Collection[int]) -> None:
        """Note that places are none of a subscription's business any more, and move its position on."""
        if not places:
            return
        one.note_done(places)
        upto = one.acked_upto
        while (further := self._advance(one, upto)) > upto:
            upto = further
        if upto > one.acked_upto:
            one.move_on(upto)
        self.write_position(one)

    def write_position(self, one: SubscriptionState) -> None:
        """Tell the database how far a subscription has come, where it does not know."""
        for sql, values in self.position(one):
            self.database.execute(sql, values)

    def position(self, one: SubscriptionState) -> list[Statement]:
        """Return what tells the database how far a subscription has come, where it does not know."""
        sub_key, unwritten = one.record.sub_key, one.unwritten
        found: list[Statement] = []
        if unwritten.has_moved:
            sql = "UPDATE subscriptions SET acked_upto = ?, seen_at = ? WHERE sub_key = ?"
            found.append((sql, (one.acked_upto, self.now, sub_key)))
        found += [("DELETE FROM done WHERE sub_key = ? AND first = ?", (sub_key, first)) for first in unwritten.gone]
        found += [
            ("INSERT OR REPLACE INTO done VALUES (?, ?, ?)", (sub_key, first, last))
            for first, last in one.done
            if first in unwritten.touched
        ]
        one.unwritten = Unwritten()
        return found

    def _advance(self, one: SubscriptionState, upto: int) -> int:
        """Return how far a position gets: over places that are done, and over places that hold no message.

        Such a place was never used, or its message was deleted or ended with an earlier process.
        """
        end = one.done.end_of_run(upto + 1)
        if end is not None:
            return end
        topic = one.topic
        if upto >= topic.place:
            return upto
        sql = "SELECT min(key) FROM messages WHERE key > ? AND key <= ?"
        row = self.database.execute(sql, (key_of(topic.id, upto), key_of(topic.id, MAX_PLACE))).fetchone()
        held = [place for place in topic.volatile if place > upto]
        following: int = min([*held, topic.place + 1] if row[0] is None else [*held, place_of(row[0])])
        return following - 1

    def bury(self, one: SubscriptionState | None, stored: Stored, topic: TopicState, reason: str) -> None:
        """Put a copy of a guaranteed message into the dead-letter topic; the caller then settles or deletes it.

        Raises:
            Overloaded: When that topic is full.
        """
        if not stored.is_guaranteed:
            return
        grave = dead_letter_topic(self.cluster, topic.name)
        limit = self.settings(grave).max_depth_gd
        state = self.topic(grave)
        depth = max((sub.depth_gd for sub in state.live), default=state.depth_gd)
        if limit and depth >= limit:
            msg = f"the dead-letter topic {grave!r} is full: {depth} messages wait, max_depth_gd is {limit}"
            raise Overloaded(msg)
        message = published_of(stored.body).buried(grave, reason, self.now)
        self.insert(message, extra=None if one is None else {"sub_key": one.record.sub_key})
        self.buried[topic.name] += 1
        self.supplied[grave] = None

    def replace(self, topic: TopicState, place: int, published: Published) -> None:
        """Store another content at the place of a message; no subscription may be delivering it."""
        before = self.message_at(topic, place)
        if before is None:
            return
        body = _encode(published)
        stored = replace(before, priority=published.priority, body=body, expires_at=published.expires_at)
        if stored.is_guaranteed:
            self.database.execute(
                "UPDATE messages SET priority = ?, expires_at = ?, body = ?, checksum = ? WHERE key = ?",
                (
                    stored.priority,
                    None if stored.expires_at == math.inf else stored.expires_at,
                    body,
                    checksum(body),
                    key_of(topic.id, place),
                ),
            )
        else:
            topic.volatile[place] = stored
        for one in topic.subscriptions.values():
            if not one.is_done_with(place):
                one.head.remove([place])
                one.head.offer(stored)

    def clear(self, one: SubscriptionState) -> int:
        """Be done with all that waits in a subscription, and return how many messages that was."""
        count = one.depth_gd + one.depth_memory
        sub_key, place = one.record.sub_key, one.topic.place
        for table in ("done", "failures"):
            self.database.execute(f"DELETE FROM {table} WHERE sub_key = ?", (sub_key,))  # noqa: S608 - two fixed names
        self.database.execute("UPDATE subscriptions SET acked_upto = ? WHERE sub_key = ?", (place, sub_key))
        one.acked_upto, one.done, one.head, one.unwritten = place, Places(), QueueHead(None), Unwritten()
        one.failures.clear()
        one.depth_gd = one.depth_memory = 0
        return count

    def delete(self, topic: TopicState, places: Iterable[int]) -> int:
        """Delete messages, whoever they wait for, and return how many there were."""
        count = 0
        for place in places:
            stored = self.message_at(topic, place)
            if stored is None:
                continue
            count += 1
            if topic.is_waiting and stored.is_guaranteed:
                topic.depth_gd -= place > topic.backlog_from
            elif topic.is_waiting:
                topic.depth_memory -= place > topic.backlog_from
            for one in topic.subscriptions.values():
                self.settle(one, [place])
            topic.volatile.pop(place, None)
            self.database.execute("DELETE FROM messages WHERE key = ?", (key_of(topic.id, place),))
        return count
