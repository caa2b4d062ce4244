"""The head of a subscription's queue that is held in memory: what is delivered next. Pure.

All that waits is ordered by urgency and place. The messages before a horizon are held here or have been taken; what
lies at or beyond it has to be read from the store when the head runs low. Without a horizon nothing lies beyond.
What is kept in memory anyhow sets no horizon: only guaranteed messages are left to be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.topics.in_order import InOrder
from actors.topics.publication import Stored

__all__ = ["MAX_HELD", "QueueHead"]

MAX_HELD = 2000
"""How many guaranteed messages are held at most, but for urgent ones that come in between."""

LOW = 500
MAX_HELD_BYTES = 16 * 1024 * 1024

Order = tuple[int, int]


class QueueHead:
    """What a subscription is to be sent next.

    Args:
        horizon: Where what has to be read begins; None when nothing waits beyond what is offered.
    """

    def __init__(self, horizon: Order | None) -> None:
        self.horizon = horizon
        self.taken: dict[int, Stored] = {}
        self._held = InOrder()
        self._guaranteed = 0
        self._guaranteed_bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def is_low(self) -> bool:
        """Tell whether there is more to be read, and room for it."""
        return self.horizon is not None and len(self._held) < LOW and self._guaranteed_bytes < MAX_HELD_BYTES

    def offer(self, stored: Stored) -> None:
        """Take note of a message that was published just now."""
        if self.horizon is not None and stored.order >= self.horizon:
            return
        if stored.is_guaranteed and self._is_full and stored.order > self._held.last.order:
            self.horizon = stored.order
            return
        self._hold(stored)
        if self._guaranteed > 2 * MAX_HELD:
            self._let_go()

    def offer_all(self, messages: Sequence[Stored]) -> None:
        """Take note of messages that were published just now, in the order of their places."""
        sizes = [len(stored.body) for stored in messages if stored.is_guaranteed]
        size = sum(sizes)
        has_room = not sizes or (
            self._guaranteed + len(sizes) <= MAX_HELD and self._guaranteed_bytes + size <= MAX_HELD_BYTES
        )
        if self.horizon is None and has_room:
            self._held.add_all(messages)
            self._guaranteed += len(sizes)
            self._guaranteed_bytes += size
        else:
            for stored in messages:
                self.offer(stored)

    @property
    def has_guaranteed(self) -> bool:
        """Tell whether guaranteed messages are held."""
        return self._guaranteed > 0

    @property
    def _is_full(self) -> bool:
        return self._guaranteed >= MAX_HELD or self._guaranteed_bytes >= MAX_HELD_BYTES

    def _hold(self, stored: Stored) -> None:
        self._held.add(stored)
        if stored.is_guaranteed:
            self._guaranteed += 1
            self._guaranteed_bytes += len(stored.body)

    def _forget(self, messages: Iterable[Stored]) -> None:
        """Note that messages are held no more."""
        if self._guaranteed:
            sizes = [len(stored.body) for stored in messages if stored.is_guaranteed]
            self._guaranteed -= len(sizes)
            self._guaranteed_bytes -= sum(sizes)

    def extend(self, found: Iterable[Stored], horizon: Order | None) -> None:
        """Add what was read from the horizon on, up to the new one."""
        for stored in found:
            if stored.place not in self.taken:
                self._hold(stored)
        self.horizon = horizon

    def take(self, max_count: int, max_bytes: int) -> list[Stored]:
        """Take the first messages, at least one where there is any within reach."""
        found = self._held.take(max_count, max_bytes)
        self._forget(found)
        self.taken.update(zip([stored.place for stored in found], found, strict=True))
        return found

    def put_back(self, found: Iterable[Stored]) -> None:
        """Hold again some of what was taken, or have it read where what stands beside it has to be."""
        for stored in found:
            del self.taken[stored.place]
            if self.horizon is None or stored.order < self.horizon:
                self._hold(stored)

    def begin_anew(self) -> None:
        """Hold again all that was taken."""
        self.put_back(list(self.taken.values()))

    def remove(self, places: Iterable[int]) -> None:
        """Forget messages, taken or held."""
        taken = self.taken
        held = {place for place in places if taken.pop(place, None) is None}
        if held and self._held:
            self._forget(self._held.discard(held))

    def _let_go(self) -> None:
        """Keep only the first ones; the others are read again when it is their turn."""
        every = list(self._held)
        guaranteed = [number for number, stored in enumerate(every) if stored.is_guaranteed]
        end = guaranteed[MAX_HELD]
        self.horizon = every[end].order
        self._held.replace(every[:end])
        self._forget(every[end:])
