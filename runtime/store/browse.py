"""Looks into a store for those who operate it: topics, subscriptions, messages, and dead letters to be replayed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from actors.errors import NotFound
from actors.publication import Published, Stored, iso_time, published_of
from runtime.store.ledger import Ledger
from runtime.store.schema import MAX_PLACE, key_of
from runtime.store.sqlite import SqliteStore
from runtime.store.state import SubscriptionState, TopicState

__all__ = ["StoreBrowser"]


class StoreBrowser:
    """What administration asks of a store.

    Args:
        store: The store.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._ledger: Ledger = store.ledger

    async def topics(self) -> list[dict[str, Any]]:
        """Return each topic that was ever used, with how many messages it keeps and who subscribes."""
        return await self._store.do(lambda: [self._topic(one) for one in self._known()])

    def _known(self) -> list[TopicState]:
        return sorted(self._ledger.topics.values(), key=lambda topic: topic.name)

    def _topic(self, topic: TopicState) -> dict[str, Any]:
        low, high = key_of(topic.id, 0), key_of(topic.id, MAX_PLACE)
        count, oldest = self._ledger.database.execute(
            "SELECT count(*), (SELECT recv_time FROM messages WHERE key > ?1 AND key <= ?2 ORDER BY key LIMIT 1)"
            " FROM messages WHERE key > ?1 AND key <= ?2",
            (low, high),
        ).fetchone()
        return {
            "topic": topic.name,
            "guaranteed": count,
            "in_memory": len(topic.volatile),
            "oldest": None if oldest is None else _when(oldest),
            "subscriptions": len(topic.live),
        }

    async def subscriptions(self) -> list[dict[str, Any]]:
        """Return each subscription, whose it is and how much waits for it."""
        return await self._store.do(
            lambda: [
                self._subscription(one)
                for topic in self._known()
                for one in sorted(topic.subscriptions.values(), key=lambda one: one.record.sub_key)
            ]
        )

    def _subscription(self, one: SubscriptionState) -> dict[str, Any]:
        oldest = next(
            (
                s
                for s in self._ledger.messages(one.topic, one.acked_upto + 1, MAX_PLACE)
                if not one.is_done_with(s.place)
            ),
            None,
        )
        return {
            "sub_key": one.record.sub_key,
            "topic": one.topic.name,
            "owner": str(one.record.owner),
            "client": one.record.client,
            "state": "live" if one.fate is None else {"heir": "left for the next", "bury": "ending"}[one.fate.value],
            "waiting": one.depth_gd + one.depth_memory,
            "in_hand": len(one.head.taken),
            "failed": len(one.failures),
            "oldest": None if oldest is None else _when(published_of(oldest.body).recv_time),
            "pattern": one.record.pattern,
            "options": dict(one.record.options),
        }

    async def messages(self, name: str, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Return a topic's messages beyond a place, in order of places."""

        def look() -> list[dict[str, Any]]:
            topic = self._find(name)
            held = [stored for place, stored in topic.volatile.items() if place > after]
            found = held + self._some(topic, after, limit)
            return [self._described(topic, stored) for stored in sorted(found, key=lambda one: one.place)[:limit]]

        return await self._store.do(look)

    def _some(self, topic: TopicState, after: int, limit: int) -> list[Stored]:
        found: list[Stored] = []
        for stored in self._ledger.messages(topic, after + 1, MAX_PLACE):
            found.append(stored)
            if len(found) == limit:
                break
        return found

    def _extra(self, topic: TopicState, place: int) -> dict[str, Any]:
        row = self._ledger.database.execute(
            "SELECT extra FROM messages WHERE key = ?", (key_of(topic.id, place),)
        ).fetchone()
        return {} if row is None or row[0] is None else json.loads(row[0])

    def _described(self, topic: TopicState, stored: Stored) -> dict[str, Any]:
        message = published_of(stored.body)
        described = {
            "place": stored.place,
            "msg_id": stored.msg_id,
            "received": _when(message.recv_time),
            "priority": stored.priority,
            "size": message.size,
            "guaranteed": stored.is_guaranteed,
            "data": message.data,
        }
        if message.reason:
            described |= {"original_topic": message.original_topic, "reason": message.reason}
        extra = self._extra(topic, stored.place)
        return described | {name: extra[name] for name in ("publisher", "pattern") if name in extra}

    async def delete(self, name: str, places: Sequence[int] | None) -> int:
        """Delete messages of a topic, all where no places are named, and return how many there were."""

        def delete() -> int:
            topic = self._find(name)
            return self._ledger.delete(topic, self._chosen(topic, places))

        return await self._store.do(delete)

    async def replay(self, name: str, places: Sequence[int] | None) -> list[str]:
        """Publish dead letters anew to the topics that they came from; return these topics.

        One that a subscription gave up goes to that subscription only, where there still is one.
        """

        def replay() -> list[str]:
            grave = self._find(name)
            targets: dict[str, None] = {}
            for place in self._chosen(grave, places):
                stored = self._ledger.message_at(grave, place)
                message = None if stored is None else published_of(stored.body)
                if message is not None and message.original_topic:
                    sub_key = self._extra(grave, place).get("sub_key", "")
                    one = self._ledger.subscriptions.get(sub_key)
                    is_there = one is not None and one.is_live
                    self._ledger.insert(_revived(message), deliver_to=(sub_key,) if is_there else ())
                    self._ledger.delete(grave, [place])
                    targets[message.original_topic] = None
            return list(targets)

        return await self._store.do(replay)

    def _find(self, name: str) -> TopicState:
        topic = self._ledger.topics.get(name)
        if topic is None:
            msg = f"nothing was ever published to a topic `{name}`"
            raise NotFound(msg)
        return topic

    def _chosen(self, topic: TopicState, places: Sequence[int] | None) -> list[int]:
        if places is not None:
            return list(places)
        return [*(stored.place for stored in self._ledger.messages(topic, 1, MAX_PLACE)), *topic.volatile]


def _revived(message: Published) -> Published:
    return msgspec.structs.replace(message, topic=message.original_topic, original_topic="", reason="")


def _when(unix: float) -> str:
    return iso_time(unix)[:-3] + "Z"
