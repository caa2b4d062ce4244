"""The supervisor: a crash concerns one actor only, and intensity and backoff have their limits."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors import Actor, ActorCrashed, ActorStopped, Backoff, ChildSpec, Intensity
from actors.ref import ActorRef
from actors.retry import BackoffState
from runtime.ports import SystemClock, SystemEntropy
from runtime.registry import Registry
from runtime.restart import RestartWindow
from runtime.supervisor import Supervisor
from runtime.testing import run_simulated


class Child(Actor):
    async def receive(self, message: Any) -> Any:
        return message


class Parent(Actor):
    async def setup(self) -> None:
        self.children.start(ChildSpec("actor", "child", Child))

    async def receive(self, message: Any) -> Any:
        if message == "crash":
            msg = "on purpose"
            raise RuntimeError(msg)
        return message


@pytest.mark.trio(run=run_simulated)
async def test_a_crash_restarts_one_actor_and_loses_no_other_message(nursery: trio.Nursery) -> None:
    """The message in hand is answered, the next one is handled by the new instance, the child goes on."""
    registry = Registry(SystemClock())
    root = Supervisor(nursery, registry, SystemEntropy())
    root.start(ChildSpec("actor", "parent", Parent))
    parent = ActorRef("actor:parent", registry)
    assert await parent.ask("hello") == "hello"
    with pytest.raises(ActorCrashed, match="on purpose"):
        await parent.ask("crash")
    assert await parent.ask("again") == "again"
    shown = {one["name"]: one for one in registry.snapshot()}
    assert shown["parent"]["restarts"] == 1
    assert shown["parent"]["last_error"] == "RuntimeError: on purpose"
    assert shown["child"]["restarts"] == 0
    assert shown["child"]["parent"] == "actor:parent"
    await root.stop_all()
    assert registry.snapshot() == []


@pytest.mark.trio(run=run_simulated)
async def test_a_stopped_actor_answers_what_waits(nursery: trio.Nursery) -> None:
    """Whoever waits for an actor that is stopped is told."""

    class Slow(Actor):
        async def receive(self, _message: Any) -> None:
            began.set()
            await trio.sleep_forever()

    began = trio.Event()
    registry = Registry(SystemClock())
    root = Supervisor(nursery, registry, SystemEntropy())
    root.start(ChildSpec("actor", "slow", Slow))

    async def ask() -> None:
        with pytest.raises(ActorStopped):
            await ActorRef("actor:slow", registry).ask("x", timeout=100)
        told.append(True)

    told: list[bool] = []
    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        asking.start_soon(ask)
        await began.wait()
        await root.stop("actor", "slow")
    assert told == [True, True]


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(0, 5), st.floats(0.1, 10))
def test_intensity_counts_within_its_period(gaps: list[float], restarts: int, period: float) -> None:
    """A restart is allowed exactly when no more than the limit fall into the period that ends with it."""
    window = RestartWindow(Intensity(restarts, period))
    at: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        at.append(now)
        within = [one for one in at if one > now - period]
        assert window.allows(now) is (len(within) <= restarts)


@given(st.integers(1, 80))
def test_backoff_doubles_to_its_ceiling_and_starts_anew_after_quiet(attempts: int) -> None:
    """The ceiling of each wait doubles from the first to the longest."""
    state = BackoffState(Backoff(0.5, 30.0, 10.0))
    ceilings = [state.next_delay(lambda _low, high: high) for _ in range(attempts)]
    assert ceilings == [min(30.0, 0.5 * 2**number) for number in range(attempts)]
    state.succeeded_for(9.9)
    assert state.attempt == attempts
    state.succeeded_for(10.0)
    assert state.next_delay(lambda _low, high: high) == 0.5
