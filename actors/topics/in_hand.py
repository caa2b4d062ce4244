"""What a subscription has taken from its queue and is not done with: what goes out next, with what, and when. Pure.

A message is ready, put off until a point in time, or under way in a delivery. After a failed delivery its messages go
out one by one; how often each was sent, and how often it failed alone, is counted here. Of what goes out once and is
answered, as nearly all does, nothing is noted but its delivery.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from attrs import Factory, define, field, frozen

from actors.topics.attachment import Attachment
from actors.topics.in_order import InOrder
from actors.topics.publication import Stored, SubscriptionRecord, Taken

__all__ = ["InHand", "SubscriptionPlan", "UnderWay"]

MAX_PUT_OFF = 10_000
MAX_PUT_OFF_BYTES = 64 * 1024 * 1024
MAX_LATE = 100


@frozen(eq=False)
class UnderWay:
    """A delivery that waits for its answer."""

    id: str
    attachment: Attachment
    messages: tuple[Stored, ...]
    size: int
    places: list[int] = field(
        init=False, default=Factory(lambda self: [stored.place for stored in self.messages], takes_self=True)
    )
    """Where its messages stand."""


@define(eq=False)
class InHand:
    """The messages in the hands of one subscription. Points in time are the caller's."""

    under_way: dict[str, UnderWay] = field(factory=dict)
    deadlines: dict[str, float] = field(factory=dict)
    _again: dict[int, Stored] = field(factory=dict)
    _ready: InOrder = field(factory=InOrder)
    _alone: set[int] = field(factory=set)
    _put_off: dict[int, float] = field(factory=dict)
    _due: list[tuple[float, int]] = field(factory=list)
    _put_off_bytes: int = 0
    _sent: dict[int, int] = field(factory=dict)
    _failures: dict[int, int] = field(factory=dict)
    _late: dict[str, UnderWay] = field(factory=dict)
    _gone: set[int] = field(factory=set)

    @property
    def ready(self) -> int:
        """How many messages may go out now."""
        return len(self._ready)

    @property
    def put_off(self) -> int:
        """How many messages wait for their next attempt."""
        return len(self._put_off)

    @property
    def may_take_more(self) -> bool:
        """Tell whether not too much waits for its next attempt."""
        return len(self._put_off) < MAX_PUT_OFF and self._put_off_bytes < MAX_PUT_OFF_BYTES

    @property
    def next_at(self) -> float:
        """When something happens by itself: a message is due again, or a delivery has waited for too long."""
        while self._due and self._put_off.get(self._due[0][1]) != self._due[0][0]:
            heapq.heappop(self._due)
        due = self._due[0][0] if self._due else float("inf")
        return min(due, min(self.deadlines.values(), default=float("inf")))

    def add(self, taken: Taken) -> None:
        """Have what was taken ready."""
        self._sent.update(taken.deliveries)
        self._failures.update(taken.failures)
        self._alone.update(taken.failures)
        self._ready.add_all(taken.messages)

    def release_due(self, now: float) -> None:
        """Have ready what was put off until now."""
        while self._due and self._due[0][0] <= now:
            at, place = heapq.heappop(self._due)
            if self._put_off.get(place) == at:
                self._ready.add(self._recall(place))

    def release_all(self) -> None:
        """Have ready whatever was put off without having failed."""
        for place in [place for place in self._put_off if place not in self._failures]:
            self._ready.add(self._recall(place))

    def _recall(self, place: int) -> Stored:
        del self._put_off[place]
        stored = self._again[place]
        self._put_off_bytes -= len(stored.body)
        return stored

    def next_batch(self, max_count: int, max_bytes: int) -> list[Stored]:
        """Return the first ready messages that may go out together, and have them ready no more."""
        ready, alone, gone, left = self._ready, self._alone, self._gone, max_bytes
        if not (alone or gone):
            return ready.take(max_count, max_bytes)
        found: list[Stored] = []
        while ready and len(found) < max_count:
            stored = ready.first
            if stored.place in gone:
                self.done([ready.pop()])  # answered late
                continue
            if found and (len(stored.body) > left or stored.place in alone):
                break
            ready.pop()
            left -= len(stored.body)
            found.append(stored)
            if stored.place in alone:
                break
        return found

    def start(self, delivery: UnderWay, deadline: float) -> list[int]:
        """Note a delivery of messages that `next_batch` gave; return for each how often it has been sent now."""
        self.under_way[delivery.id] = delivery
        self.deadlines[delivery.id] = deadline
        return self.count(delivery.places)

    def count(self, places: Sequence[int]) -> list[int]:
        """Return for each of the messages at places how often it has been sent, now included."""
        sent = self._sent
        return [sent.get(place, 0) + 1 for place in places] if sent else [1] * len(places)

    def extend(self, delivery_id: str, deadline: float) -> None:
        """Wait longer for an answer."""
        if delivery_id in self.deadlines:
            self.deadlines[delivery_id] = deadline

    def answered(self, delivery_id: str) -> UnderWay | None:
        """Return the delivery that an answer belongs to, which is under way no more; None for one that is not."""
        self.deadlines.pop(delivery_id, None)
        return self.under_way.pop(delivery_id, None)

    def overdue(self, now: float) -> list[UnderWay]:
        """Return the deliveries that have waited for too long; they are under way no more."""
        found = []
        for delivery_id in [one for one, at in self.deadlines.items() if at <= now]:
            if (delivery := self.answered(delivery_id)) is not None:
                found.append(delivery)
                self._late[delivery_id] = delivery
                while len(self._late) > MAX_LATE:
                    del self._late[next(iter(self._late))]
        return found

    def answered_late(self, delivery_id: str) -> list[Stored]:
        """Return the messages of a delivery that was waited for too long that are not under way again."""
        late = self._late.pop(delivery_id, None)
        if late is None:
            return []
        busy = {place for one in self.under_way.values() for place in one.places}
        return [one for one in late.messages if one.place in self._again and one.place not in busy]

    def lost(self, session: str) -> list[UnderWay]:
        """Return the deliveries on their way to a session that is gone; they are under way no more."""
        gone = [one.id for one in self.under_way.values() if one.attachment.session == session]
        return [delivery for one in gone if (delivery := self.answered(one)) is not None]

    def again(self, messages: Sequence[Stored], *, alone: bool = False, at: float = 0.0, was_sent: bool = True) -> None:
        """Have messages go out again, each alone where that is wanted, and not before a point in time.

        Those that a delivery took out and that were not sent after all go out as if for the first time.
        """
        for stored in messages:
            place = stored.place
            self._again[place] = stored
            if was_sent:
                self._sent[place] = self._sent.get(place, 0) + 1
            if alone:
                self._alone.add(place)
            if at:
                self._put_off[place] = at
                heapq.heappush(self._due, (at, place))
                self._put_off_bytes += len(stored.body)
            else:
                self._ready.add(stored)

    def failed_alone(self, stored: Stored) -> int:
        """Count a failure of one message, and return how many there were."""
        self._alone.add(stored.place)
        self._failures[stored.place] = count = self._failures.get(stored.place, 0) + 1
        return count

    def done(self, messages: Iterable[Stored], *, late: bool = False) -> None:
        """Forget messages, wherever they are but under way; `late` ones may be ready, or put off, once more."""
        if not (self._again or self._sent or self._failures or self._gone):
            return
        for stored in messages:
            place = stored.place
            is_known = self._again.pop(place, None) is not None
            self._sent.pop(place, None)
            self._failures.pop(place, None)
            self._alone.discard(place)
            if self._put_off.pop(place, None) is not None:
                self._put_off_bytes -= len(stored.body)
            elif late and is_known:
                self._gone.add(place)
            else:
                self._gone.discard(place)


@define
class SubscriptionPlan:
    """What a subscription is, over its restarts; only a lasting owner's outlives its last session.

    `acknowledged` are places that the store has still to be told of.
    """

    record: SubscriptionRecord
    attached: list[Attachment] = field(factory=list)
    acknowledged: list[int] = field(factory=list)
    in_hand: InHand = field(factory=InHand)
