"""The registry: transitions that are kept, and watchers that miss nothing of how things are."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import MailboxLimits
from runtime.registry import KEPT_REMOVALS, KEPT_TRANSITIONS, Changes, Entry, Registry
from runtime.testing import SimulatedClock


@pytest.fixture
async def registry(clock: MockClock) -> Registry:
    return Registry(SimulatedClock())


def add(registry: Registry, name: str, state: str = "running") -> Entry:
    entry = registry.add("actor", name, "", MailboxLimits())
    entry.show(state)
    return entry


def names(changes: Changes) -> list[str]:
    return [one["name"] for one in changes.changed]


async def test_a_name_is_there_once(registry: Registry) -> None:
    """A second actor of a kind and name is refused, and the first stays; another kind may have the name."""
    first = add(registry, "a")
    with pytest.raises(ValueError, match="'actor:a' already"):
        add(registry, "a")
    registry.add("topic", "a", "", MailboxLimits())
    assert registry.find_mailbox("actor:a") is first.mailbox
    assert (registry.names("actor"), registry.names("topic")) == (["a"], ["a"])
    registry.remove(first)
    assert registry.find_mailbox("actor:a") is None


async def test_a_transition_says_when_why_and_what_comes_next(registry: Registry) -> None:
    """Reason, attempt and the next attempt's time are kept where the actor says them, and left out elsewhere."""
    entry = add(registry, "a")
    await trio.sleep(5)
    entry.show("backoff", reason="refused", attempt=2, next_attempt_at="soon", address="ws://x")
    await trio.sleep(1)
    entry.note_restart("OSError: no", 4.0)
    shown = entry.as_dict()
    assert shown["transitions"] == [
        {"at": "2026-01-01T00:00:00.000Z", "state": "running"},
        {
            "at": "2026-01-01T00:00:05.000Z",
            "state": "backoff",
            "reason": "refused",
            "attempt": 2,
            "next_attempt_at": "soon",
        },
        {
            "at": "2026-01-01T00:00:06.000Z",
            "state": "restarting",
            "reason": "OSError: no",
            "attempt": 1,
            "next_attempt_at": "2026-01-01T00:00:10.000Z",
        },
    ]
    assert (shown["since"], shown["restarts"]) == ("2026-01-01T00:00:06.000Z", 1)


async def test_transitions_are_bounded_and_are_changes_of_state_only(registry: Registry) -> None:
    """The last ones are kept; new facts about the same state replace those before and are no transition."""
    entry = add(registry, "a")
    for number in range(3 * KEPT_TRANSITIONS):
        entry.show(f"state {number}")
        entry.show(f"state {number}", fact=number)
    assert [one.state for one in entry.transitions] == [
        f"state {number}" for number in range(2 * KEPT_TRANSITIONS, 3 * KEPT_TRANSITIONS)
    ]
    assert entry.detail == {"fact": 3 * KEPT_TRANSITIONS - 1}


async def test_a_watcher_gets_everything_first_and_then_what_changed(registry: Registry) -> None:
    """Revision 0 gives all actors at once; after that each call gives those that changed since the last."""
    a, b = add(registry, "a"), add(registry, "b")
    first = await registry.wait_changes(0)
    assert (names(first), first.removed, first.is_complete) == (["a", "b"], [], True)
    b.show("backoff")
    second = await registry.wait_changes(first.revision)
    assert (names(second), second.removed, second.is_complete) == (["b"], [], False)
    registry.remove(a)
    third = await registry.wait_changes(second.revision)
    assert (names(third), third.removed, third.is_complete) == ([], ["actor:a"], False)


async def test_a_watcher_waits_while_nothing_changes(registry: Registry) -> None:
    """Counting and showing the same again wake nobody; a crash does."""
    entry = add(registry, "a")
    revision = (await registry.wait_changes(0)).revision
    found: list[Changes] = []

    async def watch() -> None:
        found.append(await registry.wait_changes(revision))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        await wait_all_tasks_blocked()
        entry.count("handled")
        entry.show("running")
        await wait_all_tasks_blocked()
        assert found == []
        entry.note_crash("OSError: no")
    assert found[0].changed[0]["last_error"] == "OSError: no"


async def test_a_name_that_came_back_is_changed_and_not_removed(registry: Registry) -> None:
    """Between two calls an actor ended and one of its name was started: the watcher sees the new one."""
    entry = add(registry, "a")
    revision = (await registry.wait_changes(0)).revision
    registry.remove(entry)
    add(registry, "a", "starting")
    changes = await registry.wait_changes(revision)
    assert (changes.removed, [one["state"] for one in changes.changed]) == ([], ["starting"])


@pytest.mark.parametrize(("removals", "is_complete"), [(KEPT_REMOVALS - 1, False), (KEPT_REMOVALS + 1, True)])
async def test_a_watcher_that_is_too_far_behind_gets_everything_again(
    registry: Registry, removals: int, is_complete: bool
) -> None:
    """Removals are remembered up to a bound; who has missed more is told all there is, and that it is all."""
    add(registry, "stays")
    revision = (await registry.wait_changes(0)).revision
    for number in range(removals):
        registry.remove(add(registry, f"gone {number}"))
    changes = await registry.wait_changes(revision)
    assert changes.is_complete is is_complete
    assert names(changes) == (["stays"] if is_complete else [])
    assert len(changes.removed) == (0 if is_complete else removals)


@pytest.mark.parametrize("pause", [0.0, 1.0, 7.0, 1000.0])
async def test_a_slow_watcher_has_the_latest_state_in_the_end(registry: Registry, pause: float) -> None:
    """However seldom a watcher looks, what it has put together is what the registry shows."""
    known: dict[str, Any] = {}

    async def watch() -> None:
        revision = 0
        while True:
            changes = await registry.wait_changes(revision)
            revision = changes.revision
            if changes.is_complete:
                known.clear()
            known.update({f"actor:{one['name']}": one["state"] for one in changes.changed})
            for key in changes.removed:
                known.pop(key, None)
            await trio.sleep(pause)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        entries: dict[int, Entry] = {}
        for step in range(400):
            place = step * 7 % 11
            if place not in entries:
                entries[place] = add(registry, f"{place}", f"state {step}")
            elif step % 3:
                entries[place].show(f"state {step}")
            else:
                registry.remove(entries.pop(place))
            await trio.sleep(0.5)
        await trio.sleep(2 * pause + 1)
        assert known == {f"actor:{one['name']}": one["state"] for one in registry.snapshot()}
        nursery.cancel_scope.cancel()


async def test_a_cancelled_watcher_misses_nothing(registry: Registry) -> None:
    """The revision says how far a watcher is, so one that was cancelled goes on from there."""
    entry = add(registry, "a")
    revision = (await registry.wait_changes(0)).revision
    with trio.move_on_after(1) as scope:
        await registry.wait_changes(revision)
    assert scope.cancelled_caught
    with trio.CancelScope() as scope:
        entry.show("backoff")
        scope.cancel()
        await trio.lowlevel.checkpoint()
    changes = await registry.wait_changes(revision)
    assert [one["state"] for one in changes.changed] == ["backoff"]
