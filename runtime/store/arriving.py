"""Messages that get places in their topic: what is kept of each, and rows of which one statement writes many.

Each statement lets go of the interpreter's lock and has to have it again before the next one, which costs more than a
row does, and much more while the event loop is busy.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

import msgspec

from actors.topics.publication import Published, Stored
from runtime.store.integrity import checksum
from runtime.store.prepared import Statement

__all__ = ["Arriving", "MessageRows"]

COLUMNS = 8
SIZES = (64, 16, 4, 1)
"""How many rows one statement may write; the most have fewer variables than any SQLite takes."""

_ROW = f"({', '.join('?' * COLUMNS)})"
_STATEMENTS = {size: f"INSERT INTO messages VALUES {', '.join([_ROW] * size)}" for size in SIZES}  # noqa: S608 - marks

_encode = msgspec.msgpack.Encoder().encode


class Arriving(msgspec.Struct, frozen=True, gc=False):
    """A message that is to get a place; where it says that it is guaranteed it is stored, else held in memory.

    `deliver_to` names the only subscriptions that get it, if any; `extra` is what is kept beside it: publisher and
    pattern, or the subscription that gave it up.
    """

    published: Published
    deliver_to: tuple[str, ...] = ()
    extra: Mapping[str, object] | None = None

    def at(self, place: int) -> Stored:
        """Return the message at its place."""
        one = self.published
        return Stored(place, one.priority, one.msg_id, _encode(one), one.expires_at, one.has_gd, self.deliver_to)

    @property
    def kept(self) -> str | None:
        """What is kept beside it, as JSON."""
        kept = {"deliver_to": self.deliver_to, **(self.extra or {})} if self.deliver_to else self.extra
        return json.dumps(kept) if kept else None


class MessageRows:
    """Rows that wait to be written; until then no statement sees them."""

    def __init__(self) -> None:
        self._values: list[object] = []

    def add(self, key: int, stored: Stored, recv_time: float, kept: str | None) -> None:
        """Have a message written."""
        expires_at = None if stored.expires_at == math.inf else stored.expires_at
        body = stored.body
        self._values += (key, stored.msg_id, stored.priority, recv_time, expires_at, kept, body, checksum(body))

    def statements(self) -> Iterator[Statement]:
        """Give what writes all of them."""
        values, at = self._values, 0
        for size in SIZES:
            step = size * COLUMNS
            while len(values) - at >= step:
                yield _STATEMENTS[size], values[at : at + step]
                at += step
