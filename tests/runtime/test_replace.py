"""Another version in an actor's place, at whatever point the actor is: nothing is lost, no restart is counted."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import Actor, ActorCrashed, Backoff, ChildSpec, MailboxLimits, Restart, Service
from actors.ref import ActorRef
from runtime.ports import SystemClock, SystemEntropy
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.testing import run_simulated
from tests.supervised import Supervised

pytestmark = pytest.mark.trio(run=run_simulated)


class Versioned(Actor):
    """Answers with its version."""

    version = 1
    name = "one"

    async def receive(self, message: Any) -> Any:
        if isinstance(message, trio.Event):
            await message.wait()
        if message == "crash":
            msg = "on purpose"
            raise RuntimeError(msg)
        return self.version


class Second(Versioned):
    version = 2
    name = "one"
    mailbox_limits = MailboxLimits(max_count=7)


@pytest.fixture
def registry() -> Registry:
    return Registry(SystemClock())


@pytest.fixture
async def root(nursery: trio.Nursery, registry: Registry) -> Supervisor:
    return Supervisor(nursery, registry, SystemEntropy())


def ref(registry: Registry) -> ActorRef:
    return ActorRef("actor:one", registry)


def entry(registry: Registry) -> dict[str, Any]:
    [found] = registry.snapshot()
    return found


async def test_what_waits_is_handled_by_the_new_version(nursery: trio.Nursery) -> None:
    """The old version of a service ends what it has in hand, the new one takes the rest; no restart is counted."""

    class Old(Service):
        name = "versioned"
        concurrency = 1

        async def handle(self) -> int:
            began.set()
            await go_on.wait()
            return 1

    class New(Old):
        name = "versioned"

        async def handle(self) -> int:
            return 2

    began, go_on = trio.Event(), trio.Event()
    services = Supervised(nursery, {})
    services.start(Old)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await services.ask("versioned"))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await began.wait()
        asking.start_soon(ask)
        asking.start_soon(ask)
        asking.start_soon(services.root.replace, ChildSpec.of(New))
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        go_on.set()
    assert sorted(answers) == [1, 2, 2]
    assert services.entry("versioned")["restarts"] == 0
    await services.root.stop_all()


async def test_what_does_not_end_in_time_is_cancelled(root: Supervisor, registry: Registry) -> None:
    """The bound is that of the old version; whoever asked it is told."""
    root.start(ChildSpec.of(Versioned))
    errors: list[Exception] = []

    async def ask() -> None:
        try:
            await ref(registry).ask(trio.Event(), timeout=100)
        except Exception as error:
            errors.append(error)

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        await root.replace(ChildSpec.of(Second))
    assert "was stopped before it answered" in str(errors)
    assert await ref(registry).ask("version") == 2
    await root.stop_all()


async def test_limits_and_restarts_are_those_of_the_new_version(root: Supervisor, registry: Registry) -> None:
    """Mailbox limits change with it, and what had counted against the old version does not count any more."""
    root.start(ChildSpec.of(Versioned))
    assert await ref(registry).ask("version") == 1
    await root.replace(ChildSpec.of(Second))
    mailbox = registry.find_mailbox("actor:one")
    assert mailbox is not None
    assert mailbox.limits.max_count == 7
    assert await ref(registry).ask("version") == 2
    await root.stop_all()


async def test_a_version_that_backs_off_is_replaced_at_once(root: Supervisor, registry: Registry) -> None:
    """Nobody waits for the next attempt of what is not wanted any more."""

    class Crashing(Versioned):
        name = "one"
        backoff = Backoff(first=1000.0, longest=1000.0)

    root.start(ChildSpec.of(Crashing))
    with pytest.raises(ActorCrashed):
        await ref(registry).ask("crash")
    began_at = trio.current_time()
    await root.replace(ChildSpec.of(Second))
    assert await ref(registry).ask("version") == 2
    assert trio.current_time() - began_at < 1
    await root.stop_all()


async def test_a_version_whose_setup_hangs_is_replaced(root: Supervisor, registry: Registry) -> None:
    """It is cancelled after its bound."""

    class Hanging(Versioned):
        name = "one"

        async def setup(self) -> None:
            await trio.sleep_forever()

    root.start(ChildSpec.of(Hanging))
    await trio.testing.wait_all_tasks_blocked()
    await root.replace(ChildSpec.of(Second))
    assert await ref(registry).ask("version") == 2
    await root.stop_all()


async def test_a_new_version_that_crashes_is_restarted_as_ever(root: Supervisor, registry: Registry) -> None:
    """Its crash in setup holds up nobody, and is its own."""

    class Broken(Versioned):
        name = "one"

        async def setup(self) -> None:
            if len(attempts) < 2:
                attempts.append(1)
                msg = "not yet"
                raise RuntimeError(msg)

    attempts: list[int] = []
    root.start(ChildSpec.of(Versioned))
    await root.replace(ChildSpec.of(Broken))
    assert await ref(registry).ask("version") == 1
    assert entry(registry)["restarts"] == 2
    await root.stop_all()


async def test_children_are_those_of_the_new_version(root: Supervisor, registry: Registry) -> None:
    """Those of the old version end with it."""

    class OldParent(Actor):
        name = "parent"

        def child_specs(self) -> list[ChildSpec]:
            return [ChildSpec.of(Versioned), ChildSpec.of(Versioned, name="two")]

    class NewParent(Actor):
        name = "parent"

        def child_specs(self) -> list[ChildSpec]:
            return [ChildSpec.of(Second)]

    await root.replace(ChildSpec.of(OldParent))
    await root.replace(ChildSpec.of(NewParent))
    assert await ref(registry).ask("version") == 2
    assert registry.names("actor") == ["parent", "one"]
    await root.stop_all()


@pytest.mark.parametrize("restart", list(Restart))
async def test_each_kind_of_restart_can_be_replaced(root: Supervisor, registry: Registry, restart: Restart) -> None:
    """Also an actor that is never restarted."""
    root.start(ChildSpec("actor", "one", Versioned, restart=restart))
    assert await ref(registry).ask("version") == 1
    await root.replace(ChildSpec("actor", "one", Second, restart=restart))
    assert await ref(registry).ask("version") == 2
    await root.stop_all()


async def test_what_is_not_there_or_is_being_stopped_is_started(root: Supervisor, registry: Registry) -> None:
    """A replacement is a start then, after the end of what was there."""
    await root.replace(ChildSpec.of(Versioned))
    assert await ref(registry).ask("version") == 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.stop, "actor", "one")
        await trio.lowlevel.checkpoint()
        await root.replace(ChildSpec.of(Second))
    assert await ref(registry).ask("version") == 2
    await root.stop_all()


async def test_a_cancelled_replacement_leaves_a_running_actor(root: Supervisor, registry: Registry) -> None:
    """Whichever version it is, it answers and can be replaced again."""
    for timeout in (0.0, 2.0, 10.0):
        root.start(ChildSpec.of(Versioned))
        root_ref = ref(registry)
        with trio.move_on_after(1):
            await root_ref.ask(trio.Event(), timeout=1000)
        with trio.move_on_after(timeout):
            await root.replace(ChildSpec.of(Second))
        with trio.fail_after(60):
            assert await root_ref.ask("version") in (1, 2)
            await root.replace(ChildSpec.of(Second))
            assert await root_ref.ask("version") == 2
        await root.stop("actor", "one")


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
async def test_a_replacement_cancelled_while_the_old_version_ends_costs_no_restart(
    root: Supervisor, registry: Registry, restart: Restart
) -> None:
    """The old version is started anew at once, even one that is not started again when it ends in order."""

    class Slow(Versioned):
        name = "one"

        async def run(self) -> None:
            if not lives:
                lives.append("first")
                await self.stopping.wait()
                await may_end.wait()
            else:
                lives.append("again")
                await super().run()

    lives: list[str] = []
    may_end = trio.Event()
    root.start(ChildSpec("actor", "one", Slow, restart=restart))
    await trio.testing.wait_all_tasks_blocked()
    with trio.move_on_after(1):
        await root.replace(ChildSpec.of(Second))
    may_end.set()
    assert await ref(registry).ask("version") == 1
    assert lives == ["first", "again"]
    assert entry(registry)["restarts"] == 0
    await root.stop_all()


async def test_a_request_that_comes_together_with_the_new_version_is_answered(nursery: trio.Nursery) -> None:
    """A worker that it has woken leaves it to the new version."""

    class Old(Service):
        name = "versioned"

        async def handle(self) -> int:
            return 1

    class New(Old):
        name = "versioned"

        async def handle(self) -> int:
            return 2

    services = Supervised(nursery, {})
    services.start(Old)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await services.ask("versioned"))

    for number in range(50):
        async with trio.open_nursery() as asking:
            await trio.testing.wait_all_tasks_blocked()
            asking.start_soon(ask)
            asking.start_soon(services.root.replace, ChildSpec.of(New if number % 2 else Old))
    assert len(answers) == 50
    await services.root.stop_all()
