"""Looks into a store for those who operate it: topics, subscriptions, messages, and dead letters to be replayed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import evolve

from actors.errors import NotFound
from actors.publication import Stored
from runtime.store.sqlite import SqliteStore
from runtime.store.state import TopicState

__all__ = ["StoreBrowser"]

_decode = msgspec.msgpack.Decoder(Stored).decode


class StoreBrowser:
    """What administration asks of a store.

    Args:
        store: The store.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def topics(self) -> list[dict[str, Any]]:
        """Return each topic that was ever used, with how many messages it keeps and who subscribes."""
        return await self._store.do(lambda database: [self._topic(database, one) for one in self._known()])

    def _known(self) -> list[TopicState]:
        return sorted(self._store.topics.values(), key=lambda topic: topic.name)

    def _topic(self, database: sqlite3.Connection, topic: TopicState) -> dict[str, Any]:
        count, first = database.execute(
            "SELECT count(*), (SELECT body FROM messages WHERE topic = ?1 ORDER BY place LIMIT 1)"
            " FROM messages WHERE topic = ?1",
            (topic.id,),
        ).fetchone()
        oldest = None if first is None else _decode(first).recv_time.isoformat(timespec="seconds") + "Z"
        return {
            "topic": topic.name,
            "guaranteed": count,
            "in_memory": len(topic.volatile),
            "oldest": oldest,
            "subscriptions": len(topic.subscriptions),
        }

    async def subscriptions(self) -> list[dict[str, Any]]:
        """Return each subscription, whose it is and how much waits for it."""
        return [
            {
                "sub_key": one.record.sub_key,
                "topic": topic.name,
                "owner": str(one.record.owner),
                "waiting": await self._store.missed(one.record.owner),
                "failed": len(one.failures),
            }
            for topic in self._known()
            for one in topic.subscriptions.values()
        ]

    async def messages(self, name: str, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Return a topic's messages beyond a place, in order of places."""
        topic = self._find(name)

        def look(database: sqlite3.Connection) -> list[Stored]:
            rows = database.execute(
                "SELECT body FROM messages WHERE topic = ? AND place > ? ORDER BY place LIMIT ?",
                (topic.id, after, limit),
            )
            kept = [_decode(row[0]) for row in rows]
            return kept + [stored for place, stored in topic.volatile.items() if place > after]

        found = sorted(await self._store.do(look), key=lambda stored: stored.place)[:limit]
        return [_described(stored) for stored in found]

    async def delete(self, name: str, places: Sequence[int] | None) -> int:
        """Delete messages of a topic, all where no places are named, and return how many there were."""
        topic = self._find(name)

        def remove(database: sqlite3.Connection) -> int:
            return sum(_remove(database, topic, place) for place in _chosen(database, topic, places))

        return await self._store.do(remove)

    async def replay(self, name: str, places: Sequence[int] | None) -> list[str]:
        """Publish dead letters anew to the topics that they came from; return these topics."""
        grave = self._find(name)

        def publish_anew(database: sqlite3.Connection) -> list[str]:
            targets: dict[str, None] = {}
            for place in _chosen(database, grave, places):
                stored = self._store.message_at(database, grave, place)
                if stored is not None and stored.original_topic:
                    self._store.insert(
                        database, evolve(stored, topic=stored.original_topic, original_topic="", reason="")
                    )
                    _remove(database, grave, place)
                    targets[stored.original_topic] = None
            return list(targets)

        return await self._store.do(publish_anew)

    def _find(self, name: str) -> TopicState:
        topic = self._store.topics.get(name)
        if topic is None:
            msg = f"nothing was ever published to a topic `{name}`"
            raise NotFound(msg)
        return topic


def _chosen(database: sqlite3.Connection, topic: TopicState, places: Sequence[int] | None) -> list[int]:
    if places is not None:
        return list(places)
    rows = database.execute("SELECT place FROM messages WHERE topic = ? ORDER BY place", (topic.id,))
    return [*(row[0] for row in rows), *topic.volatile]


def _remove(database: sqlite3.Connection, topic: TopicState, place: int) -> int:
    found = database.execute("DELETE FROM messages WHERE topic = ? AND place = ?", (topic.id, place)).rowcount
    return found + (topic.volatile.pop(place, None) is not None)


def _described(stored: Stored) -> dict[str, Any]:
    described = {
        "place": stored.place,
        "msg_id": stored.msg_id,
        "received": stored.recv_time.isoformat(timespec="milliseconds") + "Z",
        "priority": stored.priority,
        "size": stored.size,
        "guaranteed": stored.has_gd,
        "data": stored.data,
    }
    if stored.reason:
        described |= {"original_topic": stored.original_topic, "reason": stored.reason}
    return described
