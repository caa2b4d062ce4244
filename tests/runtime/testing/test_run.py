"""What the simulator uses of Trio's internals: fails when they change, before anything subtle does."""

from __future__ import annotations

import random

import pytest
import trio
from trio._core import _run as trio_internals
from trio.testing import MockClock

from runtime.testing import run_simulated


async def order_of_tasks() -> list[int]:
    """Return the order in which twenty tasks run that are ready at the same time."""
    order: list[int] = []

    async def note(number: int) -> None:
        for _ in range(3):
            await trio.lowlevel.checkpoint()
            order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(note, number)
    return order


def test_trio_still_has_what_makes_its_scheduling_repeatable() -> None:
    """The switch that Trio has for Hypothesis, its random number generator, and what reads them."""
    assert trio_internals._ALLOW_DETERMINISTIC_SCHEDULING in (False, True)  # Hypothesis may have set it before us
    assert isinstance(trio_internals._r, random.Random)
    names = trio_internals.unrolled_run.__code__.co_names
    assert {"_ALLOW_DETERMINISTIC_SCHEDULING", "_r"} <= set(names)


def test_the_seed_alone_decides_the_order_of_tasks() -> None:
    """Equal seeds, equal orders, whatever random numbers were drawn before; other seeds, other orders."""
    first = run_simulated(order_of_tasks, seed=1)
    random.random()
    trio_internals._r.random()
    assert run_simulated(order_of_tasks, seed=1) == first
    assert len({tuple(run_simulated(order_of_tasks, seed=seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("was_allowed", [False, True])
def test_after_a_run_trio_is_as_it_was(was_allowed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch and the random numbers are put back, also where the run failed."""

    async def fail() -> None:
        assert trio_internals._ALLOW_DETERMINISTIC_SCHEDULING
        msg = "on purpose"
        raise RuntimeError(msg)

    monkeypatch.setattr(trio_internals, "_ALLOW_DETERMINISTIC_SCHEDULING", was_allowed)
    state = trio_internals._r.getstate()
    with pytest.raises(RuntimeError, match="on purpose"):
        run_simulated(fail)
    assert trio_internals._ALLOW_DETERMINISTIC_SCHEDULING is was_allowed
    assert trio_internals._r.getstate() == state


def test_time_jumps_and_the_clock_may_be_one_s_own() -> None:
    """A day takes no time, and a test may bring its clock."""

    async def sleep() -> float:
        began = trio.current_time()
        await trio.sleep(86400)
        return trio.current_time() - began

    assert run_simulated(sleep) == 86400
    clock = MockClock(autojump_threshold=0)
    clock.jump(7)
    assert run_simulated(sleep, clock=clock) == 86400
    assert clock.current_time() == 86407
