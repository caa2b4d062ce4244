"""Credit: how much of one kind may be sent to a peer, or by it, before it is answered, in count and in bytes. Pure.

Both ends count alike: what is sent counts until it is answered, or taken back. The sender waits while its account is
not open; the receiver, which sends the answers and so counts never more than the sender, knows a sender that does not.
What is sent last may go beyond the bytes, so that a single message that is larger than all of the credit passes, too.
Streams grant in another way: `actors.streams.flow`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import msgspec

from actors.messages import Credit, CreditLimit, Delivered

__all__ = ["CreditAccount", "RequestsGranted", "encoded", "size_of"]

_encode = msgspec.msgpack.Encoder().encode
_body_of = attrgetter("body")


def encoded(data: object) -> tuple[Any, int]:
    """Return data as it is to be sent, and its bytes; what cannot be encoded stays, for whoever sends it to say so."""
    try:
        raw = _encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return data, 0
    return msgspec.Raw(raw), len(raw)


def size_of(messages: Iterable[Delivered | dict[str, Any]]) -> int:
    """Return the bytes of credit that messages of a delivery take: those that they were published as."""
    return sum(map(len, map(_body_of, [one for one in messages if type(one) is Delivered])))


class CreditAccount:
    """How much of a limit is in use.

    Args:
        limit: How much there may be.
    """

    __slots__ = ("_waiting", "bytes", "count", "max_bytes", "max_count")

    def __init__(self, limit: CreditLimit) -> None:
        self.max_count = limit.count
        self.max_bytes = limit.bytes
        self.count = 0
        self.bytes = 0
        self._waiting: list[Callable[[], None]] = []

    def raise_by(self, count: int, size: int) -> None:
        """Note that the receiver takes more, and tell those who wait for that."""
        self.max_count += count
        self.max_bytes += size
        self.give_back(0, 0)

    @property
    def is_open(self) -> bool:
        """Tell whether one more may be sent, of whatever size."""
        return self.count < self.max_count and self.bytes < self.max_bytes

    @property
    def room(self) -> int:
        """How many may be sent, where they are small."""
        return self.max_count - self.count if self.is_open else 0

    @property
    def room_bytes(self) -> int:
        """How many bytes may be sent, but for the last message."""
        return max(0, self.max_bytes - self.bytes)

    def take(self, size: int, count: int = 1) -> None:
        """Note what is sent."""
        self.count += count
        self.bytes += size

    def give_back(self, size: int, count: int = 1) -> None:
        """Note what is answered, or was taken back, and tell those who wait for that."""
        self.count -= count
        self.bytes -= size
        if self._waiting and self.is_open:
            self.wake()

    def when_open(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once, as soon as one more may be sent, or somebody wakes those who wait."""
        if tell not in self._waiting:
            self._waiting.append(tell)

    def wake(self) -> None:
        """Have all who wait look again."""
        waiting, self._waiting = self._waiting, []
        for tell in waiting:
            tell()


class RequestsGranted:
    """How many requests a peer has been told that this end takes.

    Args:
        count: How many it was told at first.
    """

    __slots__ = ("_count",)

    def __init__(self, count: int) -> None:
        self._count = count

    def raised_to(self, count: int) -> Credit | None:
        """Return what tells the peer that it is more by now; what was granted is not taken back."""
        more = count - self._count
        if more <= 0:
            return None
        self._count = count
        return Credit("", more, 0)
