"""Whether the ends of native links keep to the credit of each other: calls, streams and deliveries, counted anew.

A watch looks at all that native wires send and take, and counts by what docs/protocol.md says; it shares nothing with
what the wires themselves count. What is on its way counts at the end that gets it, once it is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any
from weakref import WeakKeyDictionary

import msgspec
from attrs import define, evolve, field

from actors.messages import (
    CREDIT,
    Acknowledge,
    Cancel,
    Confirm,
    Credit,
    Deliver,
    Failure,
    Hello,
    Invoke,
    OpenStream,
    Refuse,
    Reply,
    StreamEnd,
    StreamItems,
    Welcome,
)
from runtime.config import ClusterSettings
from runtime.wire import Frame, NativeWire

_encode = msgspec.msgpack.encode


def limited(settings: ClusterSettings, random: Random) -> ClusterSettings:
    """Return the settings of a cluster with limits that are often so small that much waits for credit."""
    channels = {
        name: evolve(
            channel,
            max_in_flight=random.choice((2, 4, 1000)),
            max_bytes_in_flight=random.choice((40_000, 120_000, 1 << 24)),
        )
        for name, channel in settings.channels.items()
    }
    outgoing = {
        name: evolve(
            connection,
            max_deliveries_in_flight=random.choice((1, 4, 2000)),
            max_delivery_bytes_in_flight=random.choice((300, 2000, 1 << 23)),
        )
        for name, connection in settings.outgoing.items()
    }
    return evolve(settings, channels=channels, outgoing=outgoing)


@define
class _Share:
    """What one limit allows, and what of it is in use, each with its bytes."""

    count: int
    bytes: int
    used: dict[str, tuple[int, int]] = field(factory=dict)

    def add(self, key: str, sizes: list[int]) -> tuple[bool, bool]:
        """Take something in; tell whether that was allowed, and whether nothing more is now."""
        count, size = (sum(one[place] for one in self.used.values()) for place in (0, 1))
        is_allowed = count + len(sizes) <= self.count and size + sum(sizes[:-1]) < self.bytes
        self.used[key] = (len(sizes), sum(sizes))
        return is_allowed, count + len(sizes) >= self.count or size + sum(sizes) >= self.bytes


@define(eq=False)
class _End:
    """One end of a link: what it has granted to the other."""

    hello: Hello | None = None
    requests: _Share | None = None
    deliveries: tuple[int, int] | None = None
    of_each: dict[str, _Share] = field(factory=dict)
    streams: dict[str, list[int]] = field(factory=dict)


@define
class Credits:
    """The watch: what it has to complain of, and how often credit was used up."""

    complaints: list[str] = field(factory=list)
    used_up: Counter[str] = field(factory=Counter)
    _ends: WeakKeyDictionary[NativeWire, _End] = field(init=False, factory=WeakKeyDictionary)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at all native wires within the block."""
        send, receive = NativeWire.send, NativeWire.receive

        def watched_send(wire: NativeWire, messages: Sequence[Any]) -> list[Frame]:
            frames = send(wire, messages)
            for message in messages:
                self._sent(self._end(wire), message)
            return frames

        def watched_receive(wire: NativeWire, frame: Frame) -> list[Any]:
            found = receive(wire, frame)
            for message in found:
                self._received(self._end(wire), message)
            return found

        NativeWire.send, NativeWire.receive = watched_send, watched_receive  # type: ignore[method-assign]
        try:
            yield
        finally:
            NativeWire.send, NativeWire.receive = send, receive  # type: ignore[method-assign]

    def _end(self, wire: NativeWire) -> _End:
        return self._ends.setdefault(wire, _End())

    def _sent(self, end: _End, message: Any) -> None:
        match message:
            case Hello() | Welcome():
                self._agree(end, message, is_own=True)
            case Reply() | Failure() | StreamEnd() if end.requests is not None:
                end.requests.used.pop(message.in_reply_to, None)
            case Confirm(confirmed=confirmed) if end.requests is not None:
                for one in confirmed:
                    end.requests.used.pop(one.in_reply_to, None)
            case Acknowledge() | Refuse():
                for share in end.of_each.values():
                    share.used.pop(message.in_reply_to, None)
            case OpenStream():
                end.streams[message.id] = [message.count, message.bytes]
            case Credit(subject="") if end.requests is not None:
                end.requests.count += message.count
                end.requests.bytes += message.bytes
            case Credit() if message.subject in end.streams:
                granted = end.streams[message.subject]
                granted[0] += message.count
                granted[1] += message.bytes

    def _received(self, end: _End, message: Any) -> None:
        match message:
            case Hello() | Welcome():
                self._agree(end, message, is_own=False)
            case Invoke() if end.requests is not None:
                self._note("requests", *end.requests.add(message.id, [len(_encode(message.data))]))
            case Cancel() if end.requests is not None:
                end.requests.used.pop(message.in_reply_to, None)
            case Deliver() if end.deliveries is not None:
                share = end.of_each.setdefault(message.sub_key, _Share(*end.deliveries))
                sizes = [len(one.body) for one in message.messages if not isinstance(one, dict)]
                self._note("deliveries", *share.add(message.id, sizes))
            case StreamItems() if message.in_reply_to in end.streams:
                self._note_items(end.streams[message.in_reply_to], [len(bytes(one)) for one in message.items])

    def _note_items(self, granted: list[int], sizes: list[int]) -> None:
        for size in sizes:
            was_allowed = min(granted) > 0
            granted[0] -= 1
            granted[1] -= size
            self._note("items", was_allowed, min(granted) <= 0)

    def _note(self, what: str, was_allowed: bool, is_used_up: bool) -> None:
        if not was_allowed:
            self.complaints.append(f"more {what} came over a link than were granted")
        self.used_up[what] += is_used_up

    @staticmethod
    def _agree(end: _End, message: Hello | Welcome, *, is_own: bool) -> None:
        if isinstance(message, Hello):
            end.hello = end.hello or message
        elif end.hello is not None and end.requests is None:
            own = message if is_own else end.hello
            if CREDIT in end.hello.features and CREDIT in message.features and own.requests is not None:
                end.requests = _Share(own.requests.count, own.requests.bytes)
                if isinstance(own, Hello) and own.deliveries is not None:
                    end.deliveries = (own.deliveries.count, own.deliveries.bytes)
