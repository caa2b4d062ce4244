"""A `TopicStore` in memory: its messages live as long as the process."""

from __future__ import annotations

import datetime
import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence

from attrs import define, field

from actors.errors import Conflict
from actors.publication import Publish, Stored

__all__ = ["MemoryStore"]

REMEMBERED_IDS = 100_000


@define
class _Queue:
    """What a subscription has not acknowledged, by message id."""

    topic: str
    messages: dict[str, Stored] = field(factory=dict)


@define
class _Topic:
    place: int = 0
    queues: list[str] = field(factory=list)
    backlog: dict[str, Stored] = field(factory=dict)
    remembered: OrderedDict[str, Stored] = field(factory=OrderedDict)


class MemoryStore:
    """Keeps topics in memory.

    Args:
        new_id: Gives random ids, for messages that bring none.
    """

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._topics: dict[str, _Topic] = {}
        self._queues: dict[str, _Queue] = {}

    async def append(self, publish: Publish, topic: str, *, now: datetime.datetime, guaranteed: bool) -> Stored:
        """Store a message; see `TopicStore.append`."""
        kept = self._topics.setdefault(topic, _Topic())
        earlier = kept.remembered.get(publish.msg_id) if publish.msg_id else None
        if earlier is not None:
            if earlier.data != publish.data:
                msg = f"message id {publish.msg_id!r} was used before with other data"
                raise Conflict(msg)
            return earlier
        kept.place += 1
        msg_id = publish.msg_id or f"zpsm{self._new_id()}"
        stored = Stored.of(publish, topic=topic, place=kept.place, msg_id=msg_id, now=now, guaranteed=guaranteed)
        kept.remembered[msg_id] = stored
        if len(kept.remembered) > REMEMBERED_IDS:
            kept.remembered.popitem(last=False)
        for sub_key in kept.queues:
            self._queues[sub_key].messages[msg_id] = stored
        if not kept.queues:
            kept.backlog[msg_id] = stored
        return stored

    async def subscribe(self, sub_key: str, topic: str) -> None:
        """Make a queue; see `TopicStore.subscribe`."""
        if sub_key in self._queues:
            return
        kept = self._topics.setdefault(topic, _Topic())
        queue = self._queues[sub_key] = _Queue(topic)
        if not kept.queues:
            queue.messages, kept.backlog = kept.backlog, {}
        kept.queues.append(sub_key)

    async def unsubscribe(self, sub_key: str) -> None:
        """Remove a queue; see `TopicStore.unsubscribe`."""
        queue = self._queues.pop(sub_key, None)
        if queue is None:
            return
        kept = self._topics[queue.topic]
        kept.queues.remove(sub_key)
        if not kept.queues:
            kept.backlog.update(queue.messages)

    async def waiting(self, sub_key: str, limit: int) -> Sequence[Stored]:
        """Return the first messages of a queue; see `TopicStore.waiting`."""
        queue = self._queues.get(sub_key)
        if queue is None:
            return ()
        return heapq.nsmallest(limit, queue.messages.values(), key=lambda stored: (-stored.priority, stored.place))

    async def acknowledge(self, sub_key: str, msg_ids: Sequence[str]) -> None:
        """Take messages out of a queue; see `TopicStore.acknowledge`."""
        queue = self._queues.get(sub_key)
        if queue is not None:
            for msg_id in msg_ids:
                queue.messages.pop(msg_id, None)
