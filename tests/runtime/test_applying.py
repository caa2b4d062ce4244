"""Applying a file to a cluster that runs: only what was shown, and never side by side with a hot deployment."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve

from actors.errors import Conflict
from actors.ref import ActorRef
from actors.services.call import Call
from runtime.applying import Applier
from runtime.cluster import Cluster
from runtime.deployer import Deployment
from runtime.modules import Modules
from runtime.server import check_classes, load_all
from runtime.testing import InlineThreads, SeededEntropy
from tests.support import start_real

pytestmark = pytest.mark.usefixtures("forgets_modules")

CONFIGURATION = """
[clusters.one]
services = ["services"]
hot_deploy = true
data_dir = "."

[clusters.one.topics."/a"]
"""

SERVICE = """
from actors import Service

class Version(Service):
    name = "test.{name}"

    async def handle(self):
        return {answer}
"""

TOPIC = '\n[clusters.one.topics."/b"]\n'


class Gate:
    """A place where a test holds up whoever comes by, while it is closed."""

    def __init__(self) -> None:
        self.is_open = trio.Event()
        self.is_open.set()
        self.reached = trio.Event()

    def close(self) -> None:
        self.is_open, self.reached = trio.Event(), trio.Event()

    async def __call__(self, _references: Sequence[str] = ()) -> None:
        self.reached.set()
        await self.is_open.wait()


class One:
    """A cluster of a file, which looks at its modules when it is told to; gates hold deployments and changes up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "clusters.toml"
        self.deploying, self.applying = Gate(), Gate()
        self.changes: list[str] = []
        (folder / "services").mkdir()
        self.write("services/a.py", SERVICE.format(name="version", answer=1))
        self.write("clusters.toml", CONFIGURATION)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    async def start(self, nursery: trio.Nursery) -> None:
        configuration, loaded = load_all(self.path)
        settings = configuration.clusters["one"]
        modules = Modules(settings.services, self.folder, loaded["one"])
        deployment = Deployment(modules, partial(check_classes, configuration, "one"), self.deploying, self._watch)
        self.cluster: Cluster = await start_real(nursery, "one", settings, loaded["one"], deployment=deployment)
        self.applier = Applier(
            configuration,
            "one",
            deployment,
            self.applying,
            check_classes,
            InlineThreads(SeededEntropy(0)),
            self._during,
        )

    @contextmanager
    def _during(self) -> Iterator[None]:
        self.changes.append("begun")
        yield
        self.changes.append("ended")

    async def _watch(self, _folders: Sequence[Path], stop: trio.Event) -> AsyncGenerator[object, None]:
        self._look, looks = trio.open_memory_channel[None](100)  # another one after a change of the list
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                await stop.wait()
                self._look.close()

            nursery.start_soon(end)
            async for look in looks:
                yield look
            nursery.cancel_scope.cancel()

    def look(self) -> None:
        self._look.send_nowait(None)

    async def until_deployed(self, count: int) -> None:
        revision = 0
        with trio.fail_after(30):
            while True:
                changes = await self.cluster.registry.wait_changes(revision)
                revision = changes.revision
                if any(one["kind"] == "deployer" and one["detail"].get("deployed") == count for one in changes.changed):
                    return

    async def planned(self) -> str:
        digest = (await self.applier.plan(self.cluster, str(self.path)))["digest"]
        assert isinstance(digest, str)
        return digest

    async def apply(self, digest: str) -> dict[str, Any]:
        return await self.applier.apply(self.cluster, str(self.path), digest)

    async def ask(self, name: str = "version") -> Any:
        return await ActorRef(f"service:test.{name}", self.cluster.registry).ask(Call())


@pytest.fixture
async def one(tmp_path: Path, nursery: trio.Nursery) -> AsyncGenerator[One, None]:
    found = One(tmp_path)
    await found.start(nursery)
    yield found
    await found.cluster.stop()


async def test_what_was_not_shown_is_not_applied(one: One) -> None:
    """A file that was changed after the plan, be it in a comment, and a plan that was carried out already."""
    one.write("clusters.toml", CONFIGURATION + TOPIC)
    shown = await one.planned()
    for later in ('\n[clusters.one.topics."/c"]\n', "\n# by somebody else\n"):
        one.write("clusters.toml", CONFIGURATION + TOPIC + later)
        with pytest.raises(Conflict, match="is not what it was when the plan was made; nothing has been changed"):
            await one.apply(shown)
    assert list(one.cluster.settings.topics) == ["/a"]
    one.write("clusters.toml", CONFIGURATION + TOPIC)
    assert (await one.apply(shown))["remaining"] == []
    assert list(one.cluster.settings.topics) == ["/a", "/b"]
    with pytest.raises(Conflict):
        await one.apply(shown)
    assert one.changes == ["begun", "ended"]


async def test_what_runs_is_not_what_it_was(one: One) -> None:
    """Where somebody else has applied another plan meanwhile, the one that was shown is not carried out."""
    one.write("clusters.toml", CONFIGURATION + TOPIC)
    shown = await one.planned()
    await one.cluster.change(evolve(one.cluster.settings, shutdown_timeout=3.0), one.cluster.classes)
    with pytest.raises(Conflict):
        await one.apply(shown)
    assert (await one.apply(await one.planned()))["remaining"] == []
    assert one.cluster.settings.shutdown_timeout == 10.0


async def test_a_hot_deployment_under_way_is_waited_for(one: One, nursery: trio.Nursery) -> None:
    """A change begins when it has ended, and what was deployed goes on; a second change is refused meanwhile."""
    one.write("services/a.py", SERVICE.format(name="version", answer=2))
    one.write("clusters.toml", CONFIGURATION.replace('["services"]', '["services", "more.py"]') + TOPIC)
    one.write("more.py", SERVICE.format(name="more", answer=3))
    shown = await one.planned()
    one.deploying.close()
    one.look()
    await one.deploying.reached.wait()
    done: list[dict[str, Any]] = []

    async def apply() -> None:
        done.append(await one.apply(shown))

    nursery.start_soon(apply)
    await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(Conflict, match="is being changed already"):
        await one.apply(shown)
    assert (done, one.changes, await one.ask()) == ([], [], 1)
    one.deploying.is_open.set()
    await one.until_deployed(1)
    with trio.fail_after(30):
        while not done:
            await trio.lowlevel.checkpoint()
    assert done[0]["remaining"] == []
    assert (await one.ask(), await one.ask("more")) == (2, 3)
    assert list(one.cluster.settings.topics) == ["/a", "/b"]


async def test_no_hot_deployment_begins_during_a_change(one: One, nursery: trio.Nursery) -> None:
    """What is saved meanwhile is deployed at the next look, and never in between."""
    one.write("clusters.toml", CONFIGURATION.replace('["services"]', '["services", "more.py"]'))
    one.write("more.py", SERVICE.format(name="more", answer=3))
    shown = await one.planned()
    one.applying.close()
    nursery.start_soon(one.apply, shown)
    await one.applying.reached.wait()
    one.write("services/a.py", SERVICE.format(name="version", answer=2))
    one.look()
    await trio.testing.wait_all_tasks_blocked()
    assert await one.ask() == 1
    one.applying.is_open.set()
    with trio.fail_after(30):
        while one.changes != ["begun", "ended"]:
            await trio.lowlevel.checkpoint()
    assert (await one.ask(), await one.ask("more")) == (1, 3)
    one.look()
    await one.until_deployed(1)
    assert (await one.ask(), await one.ask("more")) == (2, 3)
