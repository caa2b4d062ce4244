"""Looks into a store for those who operate it: topics, subscriptions, messages, and dead letters to be replayed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec

from actors.errors import BadInput, Conflict, NotFound
from actors.settings import MIB
from actors.topics.publication import NEVER, Publish, Published, Stored, published_of
from actors.topics.received import iso_time
from runtime.store.ledger import Ledger
from runtime.store.schema import MAX_PLACE, key_of
from runtime.store.sqlite import SqliteStore
from runtime.store.state import SubscriptionState, TopicState

__all__ = ["StoreBrowser"]

MOST_BYTES = 4 * MIB
"""Of the messages of one answer together."""

EDITABLE = frozenset(("data", "priority", "expiration", "correl_id", "in_reply_to", "mime_type"))


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
            "options": dict(one.record.effective),
        }

    async def messages(self, name: str, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Return messages of a topic beyond a place, by places: as many as fit into an answer, and one at least."""

        def look() -> list[dict[str, Any]]:
            topic = self._find(name)
            held = [stored for place, stored in topic.volatile.items() if place > after]
            found = sorted(held + self._some(topic, after, limit), key=lambda one: one.place)
            return [self._described(topic, stored) for stored in _first(found, limit)]

        return await self._store.do(look)

    def _some(self, topic: TopicState, after: int, limit: int) -> list[Stored]:
        found: list[Stored] = []
        size = 0
        for stored in self._ledger.messages(topic, after + 1, MAX_PLACE):
            found.append(stored)
            size += len(stored.body)
            if len(found) == limit or size > MOST_BYTES:
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

    async def show(self, name: str, place: int) -> dict[str, Any]:
        """Return all that is known of one message, and the subscriptions that are not done with it."""

        def look() -> dict[str, Any]:
            topic = self._find(name)
            stored = self._message(topic, place)
            message = msgspec.structs.asdict(published_of(stored.body))
            times = {key: _when(message.pop(key)) for key in ("pub_time", "recv_time")}
            expires = None if stored.expires_at == math.inf else _when(stored.expires_at)
            waits_for = {one.record.sub_key: _how(one, place) for one in _waiting_for(topic, stored)}
            return {
                "place": place,
                **{key: value for key, value in message.items() if value not in ("", (), None)},
                **times,
                "expires": expires,
                **self._extra(topic, place),
                "waits_for": waits_for,
            }

        return await self._store.do(look)

    async def edit(self, name: str, place: int, changes: Mapping[str, Any]) -> None:
        """Change a message that nobody is delivering right now.

        Args:
            name: Its topic.
            place: Where it stands.
            changes: Of data, priority, expiration (seconds from now), correl_id, in_reply_to and mime_type, by name.

        Raises:
            BadInput: When a change has a wrong value.
            Conflict: When the message is being delivered.
            NotFound: When there is no such message.
        """
        if unknown := sorted(changes.keys() - EDITABLE):
            msg = f"{unknown[0]!r} cannot be changed; there are {', '.join(sorted(EDITABLE))}"
            raise BadInput(msg)

        def change() -> None:
            topic = self._find(name)
            stored = self._message(topic, place)
            if any(place in one.head.taken for one in _waiting_for(topic, stored)):
                msg = f"the message at place {place} is being delivered"
                raise Conflict(msg)
            before = published_of(stored.body)
            checked = Publish.of(changes.get("data", before.data), {k: v for k, v in changes.items() if k != "data"})
            values: dict[str, Any] = {key: getattr(checked, key) for key in changes if key != "expiration"}
            if "expiration" in changes:
                left = checked.expiration
                values["expiration"] = left if left >= NEVER else math.ceil(self._ledger.now - before.pub_time) + left
            self._ledger.replace(topic, place, msgspec.structs.replace(before, size=checked.size, **values))

        await self._store.do(change)

    async def clear(self, sub_key: str) -> int:
        """Be done with all that waits in a subscription, and return how many messages that was."""

        def clear() -> int:
            one = self._ledger.subscriptions.get(sub_key)
            if one is None:
                msg = f"there is no subscription {sub_key!r}"
                raise NotFound(msg)
            return self._ledger.clear(one)

        return await self._store.do(clear)

    def _message(self, topic: TopicState, place: int) -> Stored:
        stored = self._ledger.message_at(topic, place)
        if stored is None:
            msg = f"there is no message at place {place} of {topic.name}"
            raise NotFound(msg)
        return stored

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


def _first(found: Sequence[Stored], limit: int) -> Sequence[Stored]:
    """Return the first of some messages, as many as are wanted and fit into one answer, but one at least."""
    sizes = accumulate(len(one.body) for one in found[:limit])
    return found[: max(1, sum(size <= MOST_BYTES for size in sizes))]


def _when(unix: float) -> str:
    return iso_time(unix)[:-3] + "Z"


def _waiting_for(topic: TopicState, stored: Stored) -> list[SubscriptionState]:
    return [one for one in topic.subscriptions.values() if one.wants(stored) and not one.is_done_with(stored.place)]


def _how(one: SubscriptionState, place: int) -> str:
    count, reason = one.failures.get(place, (0, ""))
    state = "in hand" if place in one.head.taken else "waiting"
    return f"{state}, failed {count} times: {reason}" if count else state
