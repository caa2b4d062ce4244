"""What a subscription has in hand: each message is in one place, goes out in order, and alone after a failure."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.topics.attachment import Attachment, Window
from actors.topics.in_hand import InHand, UnderWay
from actors.topics.in_order import InOrder
from actors.topics.publication import Stored, Taken

ATTACHMENT = Attachment("session", Window(100, 1000))


def message(place: int, priority: int = 5, size: int = 1) -> Stored:
    return Stored(place, priority, f"m{place}", b"x" * size)


def taken(*places: int) -> Taken:
    return Taken([message(place) for place in places])


def send(hand: InHand, name: str, batch: list[Stored], deadline: float = 10.0) -> list[int]:
    return hand.start(UnderWay(name, ATTACHMENT, tuple(batch), len(batch)), deadline)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 1000)), unique_by=lambda one: one[1]))
def test_messages_come_in_order(found: list[tuple[int, int]]) -> None:
    """Urgent ones first, then by place, in whatever order they came."""
    line = InOrder()
    messages = [message(place, priority) for priority, place in found]
    for one in messages:
        line.add(one)
    ordered = sorted(messages, key=lambda one: one.order)
    assert list(line) == ordered
    assert len(line) == len(ordered)
    if ordered:
        assert (line.first, line.last) == (ordered[0], ordered[-1])
        assert line.discard([ordered[0].place]) == ordered[:1]
    assert [line.pop() for _ in range(len(line))] == ordered[1:]


BATCHES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(st.sampled_from([5, 5, 5, 9]), st.integers(0, 4)), max_size=6)),
        st.tuples(st.just("take"), st.tuples(st.integers(0, 5), st.integers(0, 12))),
        st.tuples(st.just("discard"), st.sets(st.integers(1, 20), max_size=4)),
    )
)


@given(BATCHES)
def test_messages_that_come_together_stand_as_if_they_came_alone(steps: list[tuple[str, Any]]) -> None:
    """Many are added, taken and discarded at once: in order, and within bounds."""
    line, waiting, place = InOrder(), list[Stored](), 0
    for what, value in steps:
        if what == "add":
            found = [message(place + number, *one) for number, one in enumerate(value, start=1)]
            place += len(found)
            line.add_all(sorted(found, key=lambda one: one.order))
            waiting = sorted(waiting + found, key=lambda one: one.order)
        elif what == "take":
            max_count, max_bytes = value
            expected = waiting[:max_count]
            while len(expected) > 1 and sum(len(one.body) for one in expected) > max_bytes:
                expected.pop()
            assert line.take(max_count, max_bytes) == expected
            waiting = waiting[len(expected) :]
        else:
            gone = [one for one in waiting if one.place in value]
            assert sorted(line.discard(value), key=lambda one: one.order) == gone
            waiting = [one for one in waiting if one not in gone]
        assert list(line) == waiting


def test_failed_messages_go_out_alone_and_the_others_together() -> None:
    """In order among all; only what failed alone is counted."""
    hand = InHand()
    hand.add(taken(1, 2, 3, 4, 5))
    batch = hand.next_batch(3, 100)
    assert send(hand, "d1", batch) == [1, 1, 1]
    failed = hand.answered("d1")
    assert failed is not None
    hand.again(failed.messages, alone=True)
    batches = []
    while batch := hand.next_batch(3, 100):
        batches.append([one.place for one in batch])
    assert batches == [[1], [2], [3], [4, 5]]
    assert [hand.failed_alone(message(2)) for _ in range(2)] == [1, 2]


def test_what_is_put_off_comes_when_it_is_due() -> None:
    """Not before; a session that comes back releases what did not fail."""
    hand = InHand()
    hand.add(taken(1, 2))
    one, two = hand.next_batch(2, 100)
    hand.failed_alone(one)
    hand.again([one], at=50.0)
    hand.again([two], at=20.0)
    assert (hand.next_at, hand.put_off, hand.next_batch(9, 9)) == (20.0, 2, [])
    hand.release_all()
    assert [stored.place for stored in hand.next_batch(9, 9)] == [2]
    hand.release_due(49.0)
    assert hand.next_batch(9, 9) == []
    hand.release_due(50.0)
    assert [stored.place for stored in hand.next_batch(9, 9)] == [1]


def test_a_late_answer_counts_unless_its_messages_are_under_way_again() -> None:
    """What has not gone out again is done with."""
    hand = InHand()
    hand.add(taken(1, 2))
    send(hand, "d1", hand.next_batch(2, 100), deadline=5.0)
    assert hand.overdue(4.9) == []
    [late] = hand.overdue(5.0)
    hand.again(late.messages, alone=True)
    send(hand, "d2", hand.next_batch(1, 100))
    late_ones = hand.answered_late("d1")
    assert [one.place for one in late_ones] == [2]
    hand.done(late_ones, late=True)
    assert hand.next_batch(9, 9) == []
    assert hand.answered_late("d1") == []
    assert hand.answered("d1") is None


def test_what_is_answered_late_does_not_go_out_again() -> None:
    """Also where it waits together with others that do."""
    hand = InHand()
    hand.add(taken(1, 2, 3))
    send(hand, "d1", hand.next_batch(2, 100), deadline=5.0)
    [late] = hand.overdue(5.0)
    hand.again(late.messages)
    hand.done(hand.answered_late("d1")[:1], late=True)
    assert [one.place for one in hand.next_batch(9, 9)] == [2, 3]
    hand.add(taken(4))
    assert [one.place for one in hand.next_batch(9, 9)] == [4]


def test_a_lost_session_gives_back_what_was_on_its_way() -> None:
    """Only what was on its way to it; the next attempt is counted."""
    hand = InHand()
    hand.add(taken(1, 2))
    send(hand, "d1", hand.next_batch(1, 100))
    assert hand.lost("other") == []
    [lost] = hand.lost("session")
    hand.again(lost.messages)
    assert send(hand, "d2", hand.next_batch(9, 100)) == [2, 1]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 10), st.integers(1, 120))
def test_batches_are_bounded(sizes: list[int], max_count: int, max_bytes: int) -> None:
    """In count and bytes; one that is larger goes alone; nothing is missed."""
    hand = InHand()
    hand.add(Taken([message(place, size=size) for place, size in enumerate(sizes, start=1)]))
    seen: list[int] = []
    while batch := hand.next_batch(max_count, max_bytes):
        assert len(batch) <= max_count
        assert len(batch) == 1 or sum(len(one.body) for one in batch) <= max_bytes
        seen += [one.place for one in batch]
    assert seen == list(range(1, len(sizes) + 1))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "send", "send", "answer", "fail", "lose", "wait too long", "answer late", "return"]),
        st.integers(1, 4),
    ),
    max_size=40,
)


@given(STEPS)
def test_each_message_is_in_one_place_whatever_happens(steps: list[tuple[str, int]]) -> None:
    """It goes out in order until it is answered, alone once it failed with others, and is counted each time."""
    hand, now, place = InHand(), 0.0, 0
    ready, alone, sent = dict[int, Stored](), set[int](), dict[int, int]()
    under_way, late = dict[str, list[Stored]](), dict[str, list[Stored]]()

    def first(count: int) -> list[int]:
        found = list[int]()
        for one in sorted(ready):
            if len(found) == count or (found and one in alone):
                break
            found.append(one)
            if one in alone:
                break
        return found

    for number, (what, value) in enumerate(steps):
        now += 1.0
        if what == "add":
            ready.update((one, message(one)) for one in range(place + 1, place + value + 1))
            hand.add(taken(*range(place + 1, place + value + 1)))
            place += value
        elif what in {"send", "return"}:
            expected = first(value)
            batch = hand.next_batch(value, 1000)
            assert [one.place for one in batch] == expected
            if what == "return":
                hand.again(batch, was_sent=False)
            elif batch:
                sent.update((one, sent.get(one, 0) + 1) for one in expected)
                assert send(hand, f"d{number}", batch, now + 1.5) == [sent[one] for one in expected]
                under_way[f"d{number}"] = [ready.pop(one) for one in expected]
        elif what in {"answer", "fail"} and under_way:
            name = list(under_way)[value % len(under_way)]
            messages = under_way.pop(name)
            delivery = hand.answered(name)
            assert delivery is not None
            assert list(delivery.messages) == messages
            if what == "answer":
                hand.done(delivery.messages)
            else:
                hand.again(delivery.messages, alone=True)
                ready.update((one.place, one) for one in messages)
                alone.update(one.place for one in messages)
        elif what in {"lose", "wait too long"}:
            for delivery in hand.lost("session") if what == "lose" else hand.overdue(now):
                messages = under_way.pop(delivery.id)
                if what == "wait too long":
                    late[delivery.id] = messages
                hand.again(messages)
                ready.update((one.place, one) for one in messages)
        elif what == "answer late" and late:
            name, messages = late.popitem()
            found = hand.answered_late(name)
            assert [one.place for one in found] == [one.place for one in messages if one.place in ready]
            hand.done(found, late=True)
            for one in found:
                del ready[one.place]
        assert set(hand.under_way) == set(under_way)
    left = [one for _ in range(place) for one in hand.next_batch(9, 1000)]
    assert [one.place for one in left] == sorted(ready)
