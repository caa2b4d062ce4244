"""Messages in the order in which they are to be delivered: urgent ones first, then by place. Pure."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from actors.topics.publication import Stored

__all__ = ["InOrder"]


class InOrder:
    """A queue of messages.

    Most come in order and just stand in line; those that come out of order stand in a heap beside it.
    """

    __slots__ = ("_line", "_strays")

    def __init__(self) -> None:
        self._line: deque[Stored] = deque()
        self._strays: list[tuple[tuple[int, int], Stored]] = []

    def __len__(self) -> int:
        return len(self._line) + len(self._strays)

    def __iter__(self) -> Iterator[Stored]:
        """Give all, in order."""
        return iter(sorted([*self._line, *(stored for _order, stored in self._strays)], key=_order))

    def add(self, stored: Stored) -> None:
        """Put a message where it belongs."""
        line = self._line
        if not line or _is_before(line[-1], stored):
            line.append(stored)
        else:
            heapq.heappush(self._strays, (stored.order, stored))

    def add_all(self, messages: Sequence[Stored]) -> None:
        """Put messages, given in order, where they belong; behind all others, as most come, they just line up."""
        line = self._line
        if messages and (not line or _is_before(line[-1], messages[0])):
            line.extend(messages)
        else:
            for stored in messages:
                self.add(stored)

    def take(self, max_count: int, max_bytes: int) -> list[Stored]:
        """Take the first messages out: so many, of so many bytes, but at least one where there is any."""
        found: list[Stored] = []
        left = max_bytes
        if self._strays:
            while self and len(found) < max_count and (not found or len(self.first.body) <= left):
                found.append(self.pop())
                left -= len(found[-1].body)
            return found
        line = self._line
        for stored in islice(line, max_count):
            size = len(stored.body)
            if size > left and found:
                break
            left -= size
            found.append(stored)
        for _ in found:
            line.popleft()
        return found

    @property
    def first(self) -> Stored:
        """The first message; there must be one."""
        if self._strays and (not self._line or _is_before(self._strays[0][1], self._line[0])):
            return self._strays[0][1]
        return self._line[0]

    @property
    def last(self) -> Stored:
        """The last message; there must be one."""
        last = [max(self._strays)[1]] if self._strays else []
        return max([*last, *([self._line[-1]] if self._line else [])], key=_order)

    def pop(self) -> Stored:
        """Take the first message out; there must be one."""
        if self._strays and (not self._line or _is_before(self._strays[0][1], self._line[0])):
            stored = heapq.heappop(self._strays)[1]
        else:
            stored = self._line.popleft()
        return stored

    def discard(self, places: Collection[int]) -> list[Stored]:
        """Take messages out, wherever they stand, and return those that are here."""
        found: list[Stored] = []
        while self._line and not self._strays and self._line[0].place in places:
            found.append(self.pop())  # what waits longest is what most often goes
        if len(found) < len(places):
            gone = [stored for stored in self if stored.place in places]
            if gone:
                self.replace([stored for stored in self if stored.place not in places])
            found += gone
        return found

    def replace(self, messages: Iterable[Stored]) -> None:
        """Hold these instead, which are given in order."""
        self._line = deque(messages)
        self._strays = []


def _order(stored: Stored) -> tuple[int, int]:
    return stored.order


def _is_before(one: Stored, other: Stored) -> bool:
    return one.place < other.place if one.priority == other.priority else one.priority > other.priority
