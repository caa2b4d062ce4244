"""The head of a subscription's queue that is held in memory: what is delivered next. Pure.

All that waits is ordered by urgency and place. The messages before a horizon are held here or have been taken; what
lies at or beyond it has to be read from the store when the head runs low. Without a horizon nothing lies beyond.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from actors.publication import Stored

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
        self._held: list[tuple[Order, Stored]] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def is_low(self) -> bool:
        """Tell whether there is more to be read, and room for it."""
        return self.horizon is not None and len(self._held) < LOW and self._bytes < MAX_HELD_BYTES

    def offer(self, stored: Stored) -> None:
        """Take note of a message that was published just now."""
        if self.horizon is not None and stored.order >= self.horizon:
            return
        if self._is_full and (not self._held or stored.order > max(self._held)[0]):
            self.horizon = stored.order
            return
        self._hold(stored)
        if len(self._held) > 2 * MAX_HELD:
            self._let_go()

    @property
    def _is_full(self) -> bool:
        return len(self._held) >= MAX_HELD or self._bytes >= MAX_HELD_BYTES

    def extend(self, found: Iterable[Stored], horizon: Order | None) -> None:
        """Add what was read from the horizon on, up to the new one."""
        for stored in found:
            if stored.place not in self.taken:
                self._hold(stored)
        self.horizon = horizon

    def take(self, max_count: int, max_bytes: int) -> list[Stored]:
        """Take the first messages, at least one where there is any within reach."""
        found: list[Stored] = []
        size = 0
        while self._held and len(found) < max_count:
            stored = self._held[0][1]
            size += len(stored.body)
            if found and size > max_bytes:
                break
            heapq.heappop(self._held)
            self._bytes -= len(stored.body)
            self.taken[stored.place] = stored
            found.append(stored)
        return found

    def put_back(self, found: Iterable[Stored]) -> None:
        """Hold again some of what was taken."""
        for stored in found:
            del self.taken[stored.place]
            self._hold(stored)

    def first(self, count: int) -> list[Stored]:
        """Return the first messages that are held, without taking them."""
        return [stored for _order, stored in heapq.nsmallest(count, self._held)]

    def begin_anew(self) -> None:
        """Hold again all that was taken."""
        self.put_back(list(self.taken.values()))

    def remove(self, place: int) -> None:
        """Forget a message, taken or held."""
        if self.taken.pop(place, None) is None:
            at = next((at for at, (_order, stored) in enumerate(self._held) if stored.place == place), None)
            if at is not None:
                self._bytes -= len(self._held[at][1].body)
                del self._held[at]
                heapq.heapify(self._held)

    def _hold(self, stored: Stored) -> None:
        heapq.heappush(self._held, (stored.order, stored))
        self._bytes += len(stored.body)

    def _let_go(self) -> None:
        """Keep only the first ones; the others are read again when it is their turn."""
        self._held.sort()
        for _order, stored in self._held[MAX_HELD:]:
            self._bytes -= len(stored.body)
        self.horizon = self._held[MAX_HELD][0]
        del self._held[MAX_HELD:]
