"""The head of a subscription's queue that is held in memory: what is delivered next. Pure.

All that waits is ordered by urgency and place. The messages before a horizon are held here or have been taken; what
lies at or beyond it has to be read from the store when the head runs low. Without a horizon nothing lies beyond.
"""

from __future__ import annotations

from collections.abc import Iterable

from actors.topics.in_order import InOrder
from actors.topics.publication import Stored

__all__ = ["MAX_HELD", "QueueHead"]

MAX_HELD = 2000
"""How many messages are held at most, but for urgent ones that come in between."""

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

    def __len__(self) -> int:
        return len(self._held)

    @property
    def is_low(self) -> bool:
        """Tell whether there is more to be read, and room for it."""
        return self.horizon is not None and len(self._held) < LOW and self._held.bytes < MAX_HELD_BYTES

    def offer(self, stored: Stored) -> None:
        """Take note of a message that was published just now."""
        if self.horizon is not None and stored.order >= self.horizon:
            return
        if self._is_full and stored.order > self._held.last.order:
            self.horizon = stored.order
            return
        self._held.add(stored)
        if len(self._held) > 2 * MAX_HELD:
            self._let_go()

    @property
    def _is_full(self) -> bool:
        return len(self._held) >= MAX_HELD or self._held.bytes >= MAX_HELD_BYTES

    def extend(self, found: Iterable[Stored], horizon: Order | None) -> None:
        """Add what was read from the horizon on, up to the new one."""
        for stored in found:
            if stored.place not in self.taken:
                self._held.add(stored)
        self.horizon = horizon

    def take(self, max_count: int, max_bytes: int) -> list[Stored]:
        """Take the first messages, at least one where there is any within reach."""
        found: list[Stored] = []
        held, taken = self._held, self.taken
        left = max_bytes
        while held and len(found) < max_count:
            if found and len(held.first.body) > left:
                break
            stored = held.pop()
            left -= len(stored.body)
            taken[stored.place] = stored
            found.append(stored)
        return found

    def put_back(self, found: Iterable[Stored]) -> None:
        """Hold again some of what was taken."""
        for stored in found:
            del self.taken[stored.place]
            self._held.add(stored)

    def begin_anew(self) -> None:
        """Hold again all that was taken."""
        self.put_back(list(self.taken.values()))

    def remove(self, place: int) -> None:
        """Forget a message, taken or held."""
        if self.taken.pop(place, None) is None:
            self._held.discard(place)

    def _let_go(self) -> None:
        """Keep only the first ones; the others are read again when it is their turn."""
        every = list(self._held)
        self.horizon = every[MAX_HELD].order
        self._held.replace(every[:MAX_HELD])
