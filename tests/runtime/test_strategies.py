"""Restarting children together: which, in what order, and what happens when more than one thing goes wrong."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors import Backoff, ChildSpec, Restart, Strategy
from tests.runtime.families import Family

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


@pytest.fixture
async def family(nursery: trio.Nursery, clock: MockClock) -> AsyncGenerator[Family, None]:
    with capture_logs():
        yield Family(nursery)


def plain(family: Family, names: str = "abc") -> list[ChildSpec]:
    return [family.child(name) for name in names]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [(ONE, "-b +b"), (ALL, "-b -c -a +a +b +c"), (REST, "-b -c +b +c")],
    ids=["one_for_one", "one_for_all", "rest_for_one"],
)
async def test_a_strategy_says_who_is_restarted(family: Family, strategy: Strategy, expected: str) -> None:
    """The others end in reverse order and come back in the order of their start."""
    await family.start(strategy, *plain(family))
    assert " ".join(await family.happens("crash", "b")) == expected
    assert family.running() == ["top", "a", "b", "c"]


@pytest.mark.parametrize(("strategy", "expected"), [(ALL, "-a -c -b +a +b +c"), (REST, "-a -c -b +a +b +c")])
async def test_after_a_group_restart_each_child_waits_for_the_one_before(
    family: Family, strategy: Strategy, expected: str
) -> None:
    """A child whose setup takes time holds up those that were started after it, on a restart as on the start."""
    slow = functools.partial(trio.sleep, 7)
    specs = [family.child(name, setup=slow) for name in "abc"]
    await family.start(strategy, *specs)
    await trio.sleep(30)
    assert " ".join(await family.happens("crash", "a", within=0.5 + 7 + 7 + 1)) == expected.removesuffix(" +c")
    await trio.sleep(7)
    assert " ".join(family.log) == expected


async def test_temporary_children_end_with_their_group_and_transient_ones_come_back(family: Family) -> None:
    """Being ended with a sibling is no reason to restart a temporary child, and no normal end of a transient one."""
    temporary = family.child("t", options={"restart": Restart.TEMPORARY})
    transient = family.child("n", options={"restart": Restart.TRANSIENT})
    await family.start(ALL, *plain(family, "a"), temporary, transient)
    assert await family.happens("crash", "a") == ["-a", "-n", "-t", "+a", "+n"]
    assert family.running() == ["top", "a", "n"]


@pytest.mark.parametrize(
    ("restart", "message"),
    [(Restart.TRANSIENT, "end"), (Restart.TEMPORARY, "end"), (Restart.TEMPORARY, "crash")],
)
async def test_a_child_that_is_not_restarted_costs_its_siblings_nothing(
    family: Family, restart: Restart, message: str
) -> None:
    """A strategy concerns restarts: where there is none, the others go on."""
    await family.start(ALL, family.child("t", options={"restart": restart}), *plain(family, "ab"))
    assert await family.happens(message, "t") == ["-t"]
    assert family.running() == ["top", "a", "b"]


async def test_a_permanent_child_that_ends_is_restarted_with_its_group(family: Family) -> None:
    """For a permanent child an end by itself counts as a crash does."""
    await family.start(ALL, *plain(family, "ab"))
    assert await family.happens("end", "a") == ["-a", "-b", "+a", "+b"]


@pytest.mark.parametrize("strategy", [ALL, REST])
@pytest.mark.parametrize("names", ["ab", "ba", "ac", "ca", "cb", "abc", "cba"])
async def test_children_that_crash_at_once_are_all_back(family: Family, strategy: Strategy, names: str) -> None:
    """Whoever crashes while it is to share a sibling's fate is restarted with it, once, in order."""
    await family.start(strategy, *plain(family, "abcd"))
    log = await family.happens("crash", *names)
    restarted = "abcd" if strategy is ALL else "abcd"["abcd".index(min(names)) :]
    assert log[-len(restarted) :] == [f"+{name}" for name in restarted]
    assert log.count("+d") == 1 or strategy is REST
    assert family.running() == ["top", *"abcd"]
    assert await family.happens("crash", "d") != []
    assert family.running() == ["top", *"abcd"]


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_a_child_that_crashes_while_it_is_ended_is_back(family: Family, strategy: Strategy) -> None:
    """A sibling whose clean-up fails, or that takes its time for it, is restarted like the others."""

    async def fail() -> None:
        msg = "cannot end"
        raise OSError(msg)

    async def slow() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)

    specs = [family.child("a"), family.child("b", ending=fail), family.child("c", ending=slow)]
    await family.start(strategy, *specs)
    assert await family.happens("crash", "a") == ["-a", "-c", "-b", "+a", "+b", "+c"]
    assert family.entry("b")["last_error"] == "OSError: cannot end"


@pytest.mark.parametrize("first", [1.0, 20.0])
async def test_a_sibling_in_its_own_backoff_comes_back_in_its_place(family: Family, first: float) -> None:
    """The one before it crashes while it waits: all come back in order, and stopping them leaves nothing behind."""
    backoff = {"backoff": Backoff(first=first)}
    specs = [family.child("a"), family.child("b"), family.child("c", options=backoff), family.child("d")]
    specs[0] = family.child("a", options={"backoff": Backoff(first=5.0)})
    await family.start(REST, *specs)
    assert await family.happens("crash", "c", within=0.5) == ["-c", "-d"]
    assert await family.happens("crash", "a") == ["-a", "-b", "+a", "+b", "+c", "+d"]
    with trio.fail_after(1):
        await family.root.stop("actor", "top")
    assert family.registry.snapshot() == []


@pytest.mark.parametrize("bound", [0.0, 5.0])
async def test_stopping_the_child_that_crashed_lets_the_others_go_on(family: Family, bound: float) -> None:
    """It is stopped in its backoff; those that wait for it come back at once, in order."""
    crashing = family.child("b", options={"backoff": Backoff(first=30), "shutdown_timeout": bound})
    await family.start(ALL, family.child("a"), crashing, family.child("c"))
    assert await family.happens("crash", "b", within=1) == ["-b", "-c", "-a"]
    await family.members["top"].children.stop("actor", "b")
    await trio.testing.wait_all_tasks_blocked()
    assert family.log == ["-b", "-c", "-a", "+a", "+c"]


async def test_stopping_a_child_while_its_siblings_are_ended_loses_none_of_them(family: Family) -> None:
    """The one that crashed is cancelled before the others have ended, and they come back all the same."""

    async def slow() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(3)

    crashing = family.child("b", options={"shutdown_timeout": 0.0})
    transient = family.child("c", ending=slow, options={"restart": Restart.TRANSIENT})
    await family.start(ALL, family.child("a"), crashing, transient)
    assert await family.happens("crash", "b", within=1) == ["-b"]
    await family.members["top"].children.stop("actor", "b")
    await trio.sleep(100)
    assert family.log == ["-b", "-c", "-a", "+a", "+c"]


async def test_stopping_a_child_that_waits_for_its_sibling_ends_it(family: Family) -> None:
    """A child that is to come back with its group can be stopped meanwhile, and only the others come back."""
    crashing = family.child("b", options={"backoff": Backoff(first=30)})
    await family.start(ALL, family.child("a"), crashing, family.child("c"))
    assert await family.happens("crash", "b", within=1) == ["-b", "-c", "-a"]
    await family.members["top"].children.stop("actor", "a")
    assert "a" not in {one["name"] for one in family.registry.snapshot()}
    assert await family.happens("nothing", within=100) == ["+b", "+c"]


@pytest.mark.parametrize("waited", [0.0, 1.0, 31.0])
async def test_stopping_all_in_the_middle_of_a_group_restart_ends_all(family: Family, waited: float) -> None:
    """Whether they are being ended, wait or are coming back: nothing starts any more and nothing is left."""
    slow = functools.partial(trio.sleep, 2)
    specs = [family.child(name, options={"backoff": Backoff(first=30)}) for name in "ab"]
    await family.start(ALL, *specs, family.child("c", setup=slow, ending=slow))
    await trio.sleep(5)
    await family.happens("crash", "a", within=waited)
    with trio.fail_after(11):
        await family.root.stop("actor", "top")
    assert family.registry.snapshot() == []
    assert await family.happens("nothing", within=100) == []


async def test_a_message_waits_over_a_group_restart(family: Family) -> None:
    """What is sent to a sibling that waits for its restart is answered by its next instance."""
    await family.start(ALL, *plain(family, "ab"))
    family.tell("a", "crash")
    await trio.testing.wait_all_tasks_blocked()
    assert "b" not in family.running()
    assert await family.ask("b") == "hello"
