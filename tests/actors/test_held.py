"""Senders hear in time that their deliveries are still held, however long each of them waits."""

from __future__ import annotations

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.messages import Deliver
from actors.topics.handling import Handling
from actors.topics.held import SHORTEST, Held
from actors.topics.lanes import Lanes
from tests.actors.handled import HandledInMemory

arrivals = st.lists(st.tuples(st.floats(0, 100), st.sampled_from([1.0, 10.0, 300.0]), st.floats(0.1, 500)), max_size=8)


def test_a_sender_without_a_limit_is_never_told() -> None:
    """One that gives no `ack_timeout` waits for ever."""
    held = Held()
    assert held.add(Deliver("d", "key", []), 0.0) == held.next_at == float("inf")
    assert held.take_due(1000.0) == []


def test_a_sender_with_next_to_no_patience_keeps_nobody_busy() -> None:
    """However small its `ack_timeout` is, time passes between two extensions."""
    held = Held()
    held.add(Deliver("d", "key", [], ack_timeout=1e-300), 0.0)
    for _ in range(3):
        now = held.next_at
        assert held.take_due(now)
        assert held.next_at >= now + SHORTEST


@given(arrivals)
def test_nobody_waits_for_longer_than_the_timeout(deliveries: list[tuple[float, float, float]]) -> None:
    """Between two extensions of a delivery, and before the first, there is never as much as its `ack_timeout`."""
    held = Held()
    heard: dict[str, float] = {}
    events = [(at, "add", str(number), timeout) for number, (at, timeout, _) in enumerate(deliveries)]
    events += [(at + long, "end", str(number), 0.0) for number, (at, _, long) in enumerate(deliveries)]
    timeouts = {name: timeout for _, what, name, timeout in events if what == "add"}
    for at, what, name, timeout in sorted(events):
        while (now := held.next_at) <= at:
            for one in held.take_due(now):
                assert now - heard[one.id] < timeouts[one.id]
                heard[one.id] = now
            assert held.next_at > now
        if what == "add":
            held.add(Deliver(name, "key", [], ack_timeout=timeout), at)
            heard[name] = at
        else:
            assert at - heard.pop(name) < timeouts[name]
            held.discard(name)
    assert held.next_at == float("inf")


async def test_a_short_timeout_is_kept_beside_a_long_one(nursery: trio.Nursery, clock: MockClock) -> None:
    """Also before anything is handled, while on_connect runs; one message does for what is due at about the same time."""
    told: list[tuple[float, list[str]]] = []
    began = trio.current_time()

    async def never(*_args: object) -> None:
        raise AssertionError

    lanes = Lanes(
        Handling(HandledInMemory()),
        never,
        lambda verdict: None,
        lambda held: told.append((round(trio.current_time() - began, 2), [one.id for one in held])),
    )
    lanes.may_extend_in(nursery)
    lanes.take(Deliver("long", "zpsk.1", [], ack_timeout=300.0))
    await trio.sleep(1)
    lanes.take(Deliver("short", "zpsk.2", [], ack_timeout=15.0))
    await trio.sleep(1)
    lanes.take(Deliver("other", "zpsk.2", [], ack_timeout=15.0))
    await trio.sleep(10)
    assert told == [(6.0, ["short", "other"]), (11.0, ["short", "other"])]
    await trio.sleep(400)
    assert min(at for at, names in told if "long" in names) <= 100.0
