"""The life of supervised actors: start and stop in order, backoff, and crashes that go up."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from actors import ActorStopped, Backoff, ChildSpec, Intensity, Restart, Strategy
from runtime.testing import Clusters
from tests.runtime.families import Family, Member

ONE = Strategy.ONE_FOR_ONE


@pytest.fixture
async def family(nursery: trio.Nursery, clock: MockClock) -> AsyncGenerator[Family, None]:
    with capture_logs():
        yield Family(nursery)


async def fail() -> None:
    msg = "cannot end"
    raise OSError(msg)


async def crash_often(family: Family, name: str, times: int) -> list[str]:
    """Crash a member as soon as it is up, several times; return what was written."""
    family.log.clear()
    for _ in range(times):
        family.tell(name, "crash")
        await trio.sleep(1.0)
    return list(family.log)


# Escalation

SOON = {"backoff": Backoff(first=0.1, longest=0.1)}


async def test_too_many_crashes_of_children_crash_their_parent_with_all_of_them(family: Family) -> None:
    """The restart beyond the intensity ends parent and children, and they start anew, in order."""
    specs = [family.child(name, options=SOON) for name in "ab"]
    await family.start(ONE, *specs, intensity=Intensity(2, 60.0))
    assert await crash_often(family, "a", 2) == ["-a", "+a", "-a", "+a"]
    assert family.entry("top")["restarts"] == 0
    log = await crash_often(family, "a", 1)
    assert log[0] == "-a"
    assert sorted(log[1:3]) == ["-b", "-top"]
    assert log[3:] == ["+top", "+a", "+b"]
    top = family.entry("top")
    assert (top["restarts"], top["state"]) == (1, "running")
    assert top["last_error"].startswith("TooManyRestarts: the children of 'actor:top' crashed more often")
    assert "RuntimeError: on purpose" in top["last_error"]


async def test_the_intensity_is_counted_anew_after_an_escalation(family: Family) -> None:
    """The children of the new start may crash as often as those before."""
    await family.start(ONE, family.child("a", options=SOON), intensity=Intensity(2, 60.0))
    await crash_often(family, "a", 3)
    assert family.entry("top")["restarts"] == 1
    await crash_often(family, "a", 2)
    assert family.entry("top")["restarts"] == 1


async def test_crashes_over_a_longer_time_are_not_too_many(family: Family) -> None:
    """Restarts leave the window after its period."""
    await family.start(ONE, family.child("a", options=SOON), intensity=Intensity(2, 1.5))
    await crash_often(family, "a", 20)
    assert family.entry("top")["restarts"] == 0
    assert family.entry("a")["restarts"] == 20


async def test_an_escalation_counts_against_the_grandparent(family: Family) -> None:
    """A supervisor that gives up is a crashed child of the one above, which gives up in its turn."""
    options = {"options": SOON, "intensity": Intensity(0, 60.0)}
    middle = family.child("middle", specs=[family.child("a", options=SOON)], **options)
    await family.start(ONE, middle, family.child("other"), intensity=Intensity(1, 60.0))
    log = await crash_often(family, "a", 1)
    assert log == ["-a", "-middle", "+middle", "+a"]
    log = await crash_often(family, "a", 1)
    assert sorted(log[:4]) == ["-a", "-middle", "-other", "-top"]
    assert log[4:] == ["+top", "+middle", "+a", "+other"]
    assert (family.entry("top")["restarts"], family.entry("middle")["restarts"]) == (1, 0)


async def test_the_root_has_no_limit(family: Family) -> None:
    """What stands directly under the root is restarted with backoff, as often as it crashes."""
    family.root.start(family.child("a", options=SOON))
    await crash_often(family, "a", 50)
    assert (family.entry("a")["restarts"], family.running()) == (50, ["a"])


async def test_a_child_that_fails_while_it_is_cancelled_adds_nothing_to_an_escalation(family: Family) -> None:
    """The parent's one crash is the children's intensity, not what their clean-up raises."""
    specs = [family.child(name, options=SOON, ending=fail) for name in "abc"]
    await family.start(ONE, *specs, intensity=Intensity(0, 60.0))
    await crash_often(family, "b", 1)
    top = family.entry("top")
    assert (top["restarts"], top["state"]) == (1, "running")
    assert top["last_error"].startswith("TooManyRestarts: ")
    assert family.running() == ["top", "a", "b", "c"]


async def test_messages_for_the_parent_outlive_an_escalation(family: Family) -> None:
    """The parent's mailbox goes on to its next start; that of a child, which is gone for a while, does not."""
    await family.start(ONE, family.child("a", options=SOON), intensity=Intensity(0, 60.0))
    family.tell("a", "crash")
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(ActorStopped):
                await family.ask("a")

        nursery.start_soon(ask)
        with trio.fail_after(1):
            while family.entry("top")["state"] != "restarting":
                await trio.sleep(0.01)
        assert await family.ask("top") == "hello"


# Backoff


async def test_backoff_grows_and_starts_anew_after_quiet(family: Family) -> None:
    """Each crash doubles the wait up to the longest; an instance that lived long enough is forgiven."""
    backoff = {"backoff": Backoff(first=1.0, longest=4.0, reset_after=10.0)}
    await family.start(ONE, family.child("a", options=backoff))
    waits = []
    for lived in (0.0, 0.0, 0.0, 0.0, 9.9, 10.0, 0.0):
        await trio.sleep(lived)
        family.tell("a", "crash")
        began = trio.current_time()
        await family.ask("a")
        waits.append(trio.current_time() - began)
    assert waits == pytest.approx([1, 2, 4, 4, 4, 1, 2])


async def test_an_escalation_after_quiet_has_the_first_wait(family: Family) -> None:
    """The parent's backoff starts anew after quiet, also where its children are what ended it."""
    await family.start(ONE, family.child("a", options=SOON), intensity=Intensity(0, 60.0))
    await crash_often(family, "top", 3)
    await trio.sleep(60)
    family.tell("a", "crash")
    began = trio.current_time()
    with trio.fail_after(60):
        while "+a" not in family.log[-1:]:
            await trio.sleep(0.25)
    assert trio.current_time() - began <= 1.0


# Start


async def test_children_start_in_order_each_when_the_one_before_is_up(family: Family) -> None:
    """A slow setup holds up the next; a setup that fails does not, and is tried again."""
    failures = [OSError("not yet")]

    async def fail_once() -> None:
        await trio.sleep(3)
        if failures:
            raise failures.pop()

    slow = functools.partial(trio.sleep, 5)
    specs = [family.child("a", setup=slow), family.child("b", setup=fail_once), family.child("c")]
    began = trio.current_time()
    await family.start(ONE, *specs)
    assert [one["name"] for one in family.registry.snapshot()] == ["top", "a"]
    await trio.sleep(20)
    assert family.log == ["+a", "-b", "+c", "+b"]
    assert trio.current_time() - began == 20


async def test_a_name_that_is_there_twice_starts_nothing(family: Family) -> None:
    """Child specs are checked whole before the first one starts, and the parent's crash names the culprit."""
    specs = [family.child(name) for name in ("a", "b", "a")]
    await family.start(ONE, *specs)
    await trio.sleep(5)
    assert "+a" not in family.log
    assert family.entry("top")["last_error"] == "ValueError: there is an actor 'actor:a' already"


async def test_a_name_that_another_actor_has_starts_nothing(family: Family) -> None:
    """A child of somebody else's counts as well, and goes on."""
    family.root.start(family.child("b"))
    await family.start(ONE, family.child("a"), family.child("b"))
    await trio.sleep(5)
    assert not {"+a", "+b", "-b"} & set(family.log)
    assert await family.ask("b") == "hello"


async def test_children_go_on_while_their_parent_restarts(family: Family) -> None:
    """A crash of the parent concerns the parent: its specs are there already and are left as they are."""
    await family.start(ONE, family.child("a"), family.child("b"))
    assert await family.happens("crash", "top") == ["-top", "+top"]
    assert family.running() == ["top", "a", "b"]


# Stop


async def test_all_stop_in_reverse_after_their_parent(family: Family) -> None:
    """The parent ends first, then its children, the last one first."""
    await family.start(ONE, family.child("a"), family.child("b", specs=[family.child("b1")]), family.child("c"))
    await family.root.stop("actor", "top")
    assert family.log == ["-top", "-c", "-b", "-b1", "-a"]


@pytest.mark.parametrize(("needs", "took"), [(3.0, 3.0), (60.0, 5.0)])
async def test_a_stop_asks_waits_for_its_bound_and_cancels(family: Family, needs: float, took: float) -> None:
    """An actor that is asked may take as long as its bound; then it is cancelled, which runs its teardown."""
    done: list[str] = []

    class Slow(Member):
        async def run(self) -> None:
            await self.stopping.wait()
            done.append("asked")
            await trio.sleep(needs)
            done.append("ended")

    family.root.start(ChildSpec("actor", "slow", lambda: Slow(family.log), shutdown_timeout=5.0))
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    await family.root.stop("actor", "slow")
    assert trio.current_time() - began == took
    assert done == (["asked", "ended"] if needs < 5 else ["asked"])
    assert family.log[-1] == "-slow"


@pytest.mark.parametrize("bound", [0.0, 5.0])
@pytest.mark.parametrize("restart", list(Restart))
async def test_a_child_that_fails_while_it_is_stopped_does_no_harm(
    family: Family, bound: float, restart: Restart
) -> None:
    """What its clean-up raises is kept as its error; it is not restarted, and the rest ends as it should."""
    options = {"shutdown_timeout": bound, "restart": restart}
    await family.start(ONE, family.child("a"), family.child("b", ending=fail, options=options))
    await family.members["top"].children.stop("actor", "b")
    await trio.sleep(60)
    assert family.log == ["-b"]
    assert family.running() == ["top", "a"]
    await family.root.stop("actor", "top")
    assert family.registry.snapshot() == []


async def test_an_actor_with_autostart_off_is_started_by_its_parent_only(clusters: Clusters, tmp_path: Path) -> None:
    """A service module may hold both: the parent is started with the cluster, the child by the parent alone."""
    module = tmp_path / "isthmus_test_autostart.py"
    module.write_text(
        "from actors import Actor, ChildSpec\n\n\n"
        "class Child(Actor):\n    name = 'child'\n    autostart = False\n\n\n"
        "class Parent(Actor):\n    name = 'parent'\n\n"
        "    def child_specs(self):\n        return [ChildSpec.of(Child)]\n"
    )
    await clusters.start(f'[clusters.emea]\nservices = ["{module}"]\n')
    entries = {one["name"]: one["parent"] for one in clusters["emea"].actors() if one["kind"] == "actor"}
    assert entries == {"parent": "", "child": "actor:parent"}
