"""Who gets a place for shaking hands: nobody has too many, and everybody's turn comes."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runtime.transport.places import Places


def test_one_address_leaves_room_for_others() -> None:
    """It has half of the places, and those of others come before its next, one of each in turn."""
    places: Places[int] = Places(4)
    for who in range(5):
        places.queue(who, "a")
    assert [places.next() for _ in range(3)] == [0, 1, None]
    places.queue(10, "b")
    places.queue(11, "b")
    places.queue(20, "c")
    assert [places.next() for _ in range(3)] == [10, 20, None]
    assert (places.waiting, places.waiting_of("a"), places.waiting_of("b"), places.waiting_of("d")) == (4, 3, 1, 0)
    places.leave(0)
    assert [places.next() for _ in range(2)] == [2, None]
    places.leave(10)
    assert [places.next() for _ in range(2)] == [11, None]


def test_whose_address_is_not_known_may_have_all() -> None:
    """Behind a proxy there are many."""
    places: Places[int] = Places(4)
    for who in range(5):
        places.queue(who, "")
    assert [places.next() for _ in range(5)] == [0, 1, 2, 3, None]


def test_there_may_be_more_places_and_fewer() -> None:
    """A single place is anybody's; who has one keeps it."""
    places: Places[int] = Places(1)
    for who in range(4):
        places.queue(who, "a")
    assert [places.next() for _ in range(2)] == [0, None]
    places.total = 4
    assert [places.next() for _ in range(2)] == [1, None]
    places.total = 2
    places.leave(0)
    assert places.next() is None
    places.leave(1)
    places.leave(1)
    assert places.next() == 2


class PlacesMachine(RuleBasedStateMachine):
    """Peers of a few addresses that come, wait, shake hands, leave and give up waiting, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.places: Places[int] = Places(5)
        self.count = 0
        self.groups: dict[int, str] = {}
        self.waiting: list[int] = []
        self.held: list[int] = []

    @rule(group=st.sampled_from(["", "a", "b", "c"]))
    def come(self, group: str) -> None:
        self.count += 1
        self.groups[self.count] = group
        self.waiting.append(self.count)
        self.places.queue(self.count, group)

    @rule()
    def enter(self) -> None:
        who = self.places.next()
        if who is not None:
            assert who == next(one for one in self.waiting if self.groups[one] == self.groups[who])
            self.waiting.remove(who)
            self.held.append(who)
        elif len(self.held) < self.places.total:
            held = Counter(self.groups[one] for one in self.held)
            share = max(1, self.places.total // 2)
            assert all(self.groups[one] and held[self.groups[one]] >= share for one in self.waiting)

    @precondition(lambda self: self.held or self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from([*self.held, *self.waiting]))
        (self.held if who in self.held else self.waiting).remove(who)
        self.places.leave(who)

    @rule(total=st.integers(1, 9))
    def change(self, total: int) -> None:
        self.places.total = total

    @rule()
    def empty(self) -> None:
        """As those who have places leave, whoever waits gets one."""
        while self.waiting:
            while (who := self.places.next()) is not None:
                self.waiting.remove(who)
                self.held.append(who)
            assert self.held
            self.places.leave(self.held.pop())

    @invariant()
    def counts(self) -> None:
        assert self.places.waiting == len(self.waiting)
        for group in ("", "a", "b", "c"):
            assert self.places.waiting_of(group) == sum(self.groups[one] == group for one in self.waiting)


TestPlaces = PlacesMachine.TestCase
