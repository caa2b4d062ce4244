"""Sets of places and the head of a queue do as plain sets and sorted lists do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.topics.publication import Stored
from runtime.store import queue as queue_module
from runtime.store.places import Places
from runtime.store.queue import QueueHead

RUNS = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 8)).map(lambda run: (run[0], run[0] + run[1])), max_size=12
)


def members(places: Places) -> set[int]:
    return {place for first, last in places for place in range(first, last + 1)}


def plain(runs: list[tuple[int, int]]) -> set[int]:
    return {place for first, last in runs for place in range(first, last + 1)}


@given(RUNS, RUNS, st.integers(0, 70))
def test_places_are_a_set(runs: list[tuple[int, int]], others: list[tuple[int, int]], upto: int) -> None:
    """Whatever is added, removed, or common; runs neither overlap nor touch."""
    one, other = Places(runs), Places(others)
    model, other_model = plain(runs), plain(others)
    assert members(one) == model
    assert one.count == len(model)
    assert all(last + 1 < following for (_a, last), (following, _b) in zip(list(one), list(one)[1:], strict=False))
    assert all((place in one) == (place in model) for place in range(75))
    assert members(one.common(other)) == model & other_model
    assert members(one.without(other)) == model - other_model
    for place in range(75):
        end = one.end_of_run(place)
        assert (end is None) == (place not in model)
        assert one.meets(place, place + 3) == any(there in model for there in range(place, place + 4))
        assert end is None or (set(range(place, end + 1)) <= model and end + 1 not in model)
    one.discard_upto(upto)
    assert members(one) == {place for place in model if place > upto}


@given(RUNS, st.tuples(st.integers(1, 60), st.integers(0, 20)))
def test_adding_tells_what_became_one(runs: list[tuple[int, int]], added: tuple[int, int]) -> None:
    """The run that it is in now, and which runs are no more: what a database has to be told."""
    places = Places(runs)
    before = dict(places)
    first, length = added
    run, absorbed = places.add(first, first + length)
    assert set(absorbed) == before.keys() - dict(places).keys() | ({run[0]} & before.keys())
    assert dict(places)[run[0]] == run[1]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), st.sampled_from([5, 5, 5, 9, 1])),
        st.tuples(st.just("offer to memory"), st.integers(1, 3)),
        st.tuples(st.just("offer together"), st.integers(1, 3)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("anew"), st.just(0)),
        st.tuples(st.just("remove"), st.integers(1, 40)),
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 6))
def test_a_head_gives_what_comes_first(steps: list[tuple[str, int]], held: int) -> None:
    """However little is held in memory: what lies beyond is read when it is needed, nothing is missed or given twice."""
    before = queue_module.MAX_HELD, queue_module.LOW
    queue_module.MAX_HELD, queue_module.LOW = held, 1
    try:
        head = QueueHead(None)
        waiting: dict[int, Stored] = {}
        taken: set[int] = set()
        place = 0
        for what, value in steps:
            if what == "offer":
                place += 1
                waiting[place] = Stored(place, value, f"m{place}", b"x")
                head.offer(waiting[place])
            elif what.startswith("offer"):
                is_stored = what == "offer together"
                found = [
                    Stored(place + n, 5, f"m{place + n}", b"x", is_guaranteed=is_stored) for n in range(1, value + 1)
                ]
                place += value
                waiting.update((one.place, one) for one in found)
                head.offer_all(found)
            elif what == "take":
                if head.is_low:
                    read_on(head, waiting, held)
                expected = sorted(
                    (one for one in waiting.values() if one.place not in taken), key=lambda one: one.order
                )
                found = head.take(value, 100)
                assert found == expected[: len(found)]
                assert len(found) == value or len(found) == len(expected) or head.horizon is not None
                taken.update(one.place for one in found)
            elif what == "anew":
                head.begin_anew()
                taken.clear()
            elif value in waiting:
                head.remove([value])
                del waiting[value]
                taken.discard(value)
            in_memory = sum(not one.is_guaranteed for one in waiting.values())
            assert len(head) <= 2 * held + len(steps) + in_memory
            assert set(head.taken) == taken
    finally:
        queue_module.MAX_HELD, queue_module.LOW = before


def read_on(head: QueueHead, waiting: dict[int, Stored], count: int) -> None:
    """Do as a store does when the head runs low."""
    assert head.horizon is not None
    beyond = sorted((one for one in waiting.values() if one.order >= head.horizon), key=lambda one: one.order)
    horizon = beyond[count].order if len(beyond) > count else None
    head.extend(beyond[:count], horizon)
