"""What a store knows of topics and subscriptions without asking its database."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from enum import Enum

from attrs import Factory, define, field

from actors.settings import ActiveStatus, DeliverFrom, DeliverySettings
from actors.topics.publication import Stored, SubscriptionRecord
from runtime.store.places import Places, runs_of
from runtime.store.queue import QueueHead

__all__ = ["Fate", "SubscriptionState", "TopicState"]


class Fate(Enum):
    """Where messages go that are left in a subscription that has ended."""

    HEIR = "heir"  # to the next subscription of the same security definition
    BURY = "bury"  # to the dead-letter topic


@define(eq=False)
class Unwritten:
    """What has changed of a subscription's position and the database does not know yet."""

    has_moved: bool = False
    gone: set[int] = field(factory=set)
    touched: set[int] = field(factory=set)


@define(eq=False)
class SubscriptionState:
    """A subscription: how far it has come; see `runtime.store.schema`.

    `marked_upto` is the `sent_upto` of the database. It is ahead where the subscription waited for what was published
    (`is_hungry`): that is marked in the transaction that stores it, so that taking it needs none of its own.
    """

    record: SubscriptionRecord
    topic: TopicState
    acked_upto: int
    sent_upto: int
    seen_at: float
    head: QueueHead
    upto: int | None = None
    fate: Fate | None = None
    done: Places = field(factory=Places)
    failures: dict[int, tuple[int, str]] = field(factory=dict)
    depth_gd: int = 0
    depth_memory: int = 0
    is_taking: bool = True
    unwritten: Unwritten = field(factory=Unwritten)
    marked_upto: int = field(default=Factory(lambda self: self.sent_upto, takes_self=True))
    is_hungry: bool = False

    def note_done(self, places: Iterable[int]) -> None:
        """Note that it is done with places."""
        gone, touched, add = self.unwritten.gone, self.unwritten.touched, self.done.add
        for first, last in runs_of(places):
            (run, _last), absorbed = add(first, last)
            gone.update(absorbed)
            touched.add(run)

    def move_on(self, upto: int) -> None:
        """Have it be done with all up to a place."""
        self.acked_upto = upto
        self.unwritten.has_moved = True
        self.unwritten.gone.update(first for first, _last in self.done if first <= upto)
        self.done.discard_upto(upto)

    def advance(self, places: Iterable[int]) -> bool:
        """Be done with places that somebody had; tell whether the position moved on over those that follow it."""
        self.note_done(places)
        end = self.done.end_of_run(self.acked_upto + 1)
        if end is not None:
            self.move_on(end)
        return end is not None

    @property
    def is_live(self) -> bool:
        """Tell whether it has not ended."""
        return self.upto is None

    @property
    def is_observing(self) -> bool:
        """Tell whether it only looks on for a while: what waits for a first subscription then goes on waiting."""
        return not self.record.is_lasting and self.record.effective.get("deliver_from") == DeliverFrom.NOW.value

    def is_done_with(self, place: int) -> bool:
        """Tell whether a message is none of this subscription's business any more, or never was."""
        return place <= self.acked_upto or place in self.done or (self.upto is not None and place > self.upto)

    def not_done_with(self, places: Collection[int]) -> set[int]:
        """Return those of the places, none of them beyond its end, that it is not done with."""
        found = set(places)
        if found and (min(found) <= self.acked_upto or self.done.meets(min(found), max(found))):
            return {place for place in found if not self.is_done_with(place)}
        return found

    def wants(self, stored: Stored) -> bool:
        """Tell whether a message is meant for it, as far as its publisher is asked."""
        return not stored.deliver_to or self.record.sub_key in stored.deliver_to

    def count(self, stored: Stored, by: int) -> None:
        """Note that one more message waits, or one less."""
        if stored.is_guaranteed:
            self.depth_gd += by
        else:
            self.depth_memory += by

    def read_options(self, defaults: DeliverySettings) -> DeliverFrom:
        """Take note of whether it takes messages; return where it is to begin if it is new."""
        options = self.record.effective
        status = options.get("active_status", defaults.active_status)
        self.is_taking = ActiveStatus(status).takes
        return DeliverFrom(options.get("deliver_from", defaults.deliver_from))


@define(eq=False)
class TopicState:
    """A topic: its last place, and the messages that are held in memory only, in the order of their places.

    `held_from` is a place before which none of these is; `cleaned_upto` is the place up to which nothing is kept any
    more, `cleaned` what is not kept beyond it. `depth_gd` and `depth_memory` count what waits for a first subscription
    while there is none.
    """

    id: int
    name: str
    place: int
    backlog_from: int
    cleaned_upto: int
    published: int = 0
    published_kept: int = 0
    depth_gd: int = 0
    depth_memory: int = 0
    cleaned: Places = field(factory=Places)
    volatile: dict[int, Stored] = field(factory=dict)
    held_from: int = 0
    volatile_ids: OrderedDict[str, tuple[bytes, float]] = field(factory=OrderedDict)
    subscriptions: dict[str, SubscriptionState] = field(factory=dict)

    def hold(self, messages: Sequence[Stored]) -> None:
        """Hold messages in memory, which are given in the order of their places."""
        if not self.volatile:
            self.held_from = messages[0].place
        self.volatile.update(zip([stored.place for stored in messages], messages, strict=True))

    def let_go(self) -> None:
        """Hold no more, in memory, what all subscriptions are done with in order."""
        upto = min(one.acked_upto for one in self.subscriptions.values())
        if self.is_waiting or upto < self.held_from:
            return
        for place in range(self.held_from, min(upto, self.place) + 1):
            self.volatile.pop(place, None)
        self.held_from = upto + 1

    @property
    def live(self) -> list[SubscriptionState]:
        """The subscriptions that have not ended."""
        return [one for one in self.subscriptions.values() if one.is_live]

    @property
    def is_waiting(self) -> bool:
        """Tell whether what is published waits for a first subscription, as all there are only look on."""
        return all(one.is_observing for one in self.live)
