"""What happens once and is waited for: whoever comes before, whoever comes after, and one who does not wait."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.pulse import Latch


async def test_a_latch_wakes_all_that_wait_and_those_who_come_later() -> None:
    """Set once, it stays set; to set it again is harmless."""
    latch, woken = Latch(), []

    async def wait(name: str) -> None:
        await latch.wait()
        woken.append(name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "before")
        nursery.start_soon(wait, "before, too")
        await wait_all_tasks_blocked()
        assert not woken
        assert not latch.is_set()
        latch.set()
        latch.set()
        nursery.start_soon(wait, "after")
    assert sorted(woken) == ["after", "before", "before, too"]
    assert latch.is_set()


async def test_a_cancelled_wait_of_a_latch_costs_the_others_nothing() -> None:
    """One of two gives up; the other one is woken."""
    latch = Latch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(latch.wait)
        await wait_all_tasks_blocked()
        with trio.CancelScope() as scope:
            scope.cancel()
            await latch.wait()
        assert scope.cancelled_caught
        latch.set()


def test_a_latch_calls_who_does_not_wait() -> None:
    """At once where it is set, later where it is not, once, and not where that is taken back."""
    called: list[str] = []
    latch, other = Latch(), Latch()
    latch.when_set(lambda: called.append("earlier"))
    latch.when_set(lambda: called.append("later"))
    other.when_set(lambda: called.append("never"))
    other.when_set(None)
    assert not called
    latch.set()
    latch.set()
    other.set()
    assert called == ["later"]
    Latch(is_set=True).when_set(lambda: called.append("at once"))
    assert called == ["later", "at once"]
