"""Places for peers that shake hands: a queue for those who find none, in which addresses take turns.

Whoever connects and says nothing keeps a place until its time is over. So that somebody at one address cannot keep all
of them, again and again, no address has more than half.
"""

from __future__ import annotations

from collections import Counter
from typing import Generic, TypeVar

from actors.pulse import Pulse

__all__ = ["Places"]

T = TypeVar("T")


class Places(Generic[T]):
    """Who has a place, and who waits for one.

    Args:
        total: How many places there are.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._groups: dict[T, str] = {}
        """Those who have a place or wait for one."""
        self._held_by: Counter[str] = Counter()
        self._waiting: dict[str, dict[T, None]] = {}
        self.waiting = 0
        """How many wait."""
        self._changed = Pulse()

    @property
    def total(self) -> int:
        """How many places there are; where they become fewer, nobody loses one."""
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self._total = total
        self._changed.notify()

    def waiting_of(self, group: str) -> int:
        """Return how many of a group wait."""
        return len(self._waiting.get(group, ()))

    def queue(self, who: T, group: str) -> None:
        """Have somebody wait for a place; `group` says which address it is counted under, "" for none that is known."""
        self._groups[who] = group
        self._waiting.setdefault(group, {})[who] = None
        self.waiting += 1

    def next(self) -> T | None:
        """Give a place to whoever's turn it is, and return who that is; None where nobody can have one."""
        if len(self._groups) - self.waiting >= self._total:
            return None
        share = max(1, self._total // 2)
        group = next((one for one in self._waiting if not one or self._held_by[one] < share), None)
        if group is None:
            return None
        others = self._waiting.pop(group)
        who = next(iter(others))
        del others[who]
        self.waiting -= 1
        if others:
            self._waiting[group] = others  # which come after those of other addresses
        self._held_by[group] += 1
        return who

    def leave(self, who: T) -> None:
        """Free somebody's place, or have it wait no more; twice is harmless."""
        group = self._groups.pop(who, None)
        if group is None:
            return
        others = self._waiting.get(group, {})
        if who in others:
            del others[who]
            self.waiting -= 1
            if not others:
                del self._waiting[group]
        else:
            self._held_by[group] -= 1
            if not self._held_by[group]:
                del self._held_by[group]
            self._changed.notify()

    async def changed(self) -> None:
        """Wait until a place was left, or there are more of them."""
        await self._changed.wait()
