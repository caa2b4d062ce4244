"""Handing out messages of a subscription to somebody who asks for them, instead of having them delivered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from actors.errors import CallError
from actors.ports import QueueStore
from actors.topics.delivery import TakeMessages
from actors.topics.in_hand import InHand
from actors.topics.publication import Stored

__all__ = ["hand_out"]


async def hand_out(
    request: TakeMessages,
    sub_key: str,
    hand: InHand,
    queues: QueueStore,
    deliverable: Callable[[list[Stored]], Awaitable[list[Stored]]],
) -> list[tuple[Stored, int]]:
    """Return the first messages, each with how often it has been delivered now; nobody gets them any more.

    Args:
        request: How many.
        sub_key: Of which subscription.
        hand: What that has taken already.
        queues: Holds the rest.
        deliverable: Leaves out what is not to be delivered now, and sees to that.

    Raises:
        StoreFailed: When it cannot be kept that they are handed out; they are delivered again then.
    """
    limit, room = request.limit, request.max_bytes
    if hand.ready < limit:
        hand.add(await queues.take(sub_key, limit - hand.ready, room))
    found: list[Stored] = []
    while len(found) < limit and room > 0 and (batch := hand.next_batch(limit - len(found), room)):
        found += batch
        room -= sum(len(stored.body) for stored in batch)
    found = await deliverable(found)
    try:
        await queues.settle(sub_key, [stored.place for stored in found])
    except CallError:
        hand.again(found, was_sent=False)
        raise
    counts = hand.count([stored.place for stored in found])
    hand.done(found)
    return list(zip(found, counts, strict=True))
