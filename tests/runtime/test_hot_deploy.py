"""Hot deployment: changed files of services take the places of those that run, and broken ones change nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from actors.ref import ActorRef
from actors.services.call import Call
from runtime.cluster import Cluster
from runtime.deployer import Deployment
from runtime.modules import Modules
from runtime.server import check_classes, load_all
from tests.processes import Launched
from tests.support import start_real

pytestmark = pytest.mark.usefixtures("forgets_modules")

CONFIGURATION = """
[clusters.one]
services = ["services"]
hot_deploy = true

[clusters.one.subscriptions.orders]
service = "test.hook"
topics = ["/order/new"]

[clusters.one.topics."/order/new"]
"""

HOOK = """
from actors import MessageReceived, Service

class Hook(Service):
    name = "test.hook"

    async def handle(self, ctx: MessageReceived) -> None: ...
"""


def version(answer: object, *, name: str = "test.version", more: str = "") -> str:
    return f"""
from actors import Service
{more}

class Version(Service):
    name = {name!r}

    async def handle(self):
        return {answer!r}
"""


class Deployed:
    """A cluster whose files a test changes; it looks at them when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.renewed = 0
        self._look, self._looks = trio.open_memory_channel[None](100)
        self.cluster: Cluster
        (folder / "services").mkdir()
        (folder / "clusters.toml").write_text(CONFIGURATION)
        self.write("hook", HOOK)

    def write(self, stem: str, text: str) -> None:
        (self.folder / f"services/{stem}.py").write_text(text)

    async def start(self, nursery: trio.Nursery) -> None:
        configuration, loaded = load_all(self.folder / "clusters.toml")
        settings = evolve(configuration.clusters["one"], data_dir=str(self.folder))
        deployment = Deployment(
            Modules(settings.services, self.folder, loaded["one"]),
            partial(check_classes, configuration, "one"),
            self._renew,
            self._watch,
        )
        self.cluster = await start_real(nursery, "one", settings, loaded["one"], deployment=deployment)

    async def _renew(self) -> None:
        self.renewed += 1

    async def _watch(self, folders: Sequence[Path], stop: trio.Event) -> AsyncGenerator[object, None]:
        assert list(folders) == [self.folder / "services"]
        async with trio.open_nursery() as nursery:

            async def end() -> None:
                await stop.wait()
                self._look.close()

            nursery.start_soon(end)
            async for look in self._looks:
                yield look
            nursery.cancel_scope.cancel()

    async def look(self, state: str = "watching", **detail: object) -> dict[str, Any]:
        """Have the deployer look, and return what it shows as soon as it is so."""
        self._look.send_nowait(None)
        revision = 0
        with trio.fail_after(30):
            while True:
                changes = await self.cluster.registry.wait_changes(revision)
                revision = changes.revision
                for one in changes.changed:
                    shown = one["detail"]
                    if one["kind"] == "deployer" and one["state"] == state and detail.items() <= shown.items():
                        return dict(shown)
        raise AssertionError

    async def ask(self, name: str = "test.version") -> Any:
        return await ActorRef(f"service:{name}", self.cluster.registry).ask(Call())

    def services(self) -> set[str]:
        return {one for one in self.cluster.registry.names("service") if one.startswith("test.")}

    def restarts(self) -> int:
        return sum(one["restarts"] for one in self.cluster.registry.snapshot())


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    return Deployed(tmp_path)


async def test_a_changed_service_takes_the_place_of_the_old_one(nursery: trio.Nursery, deployed: Deployed) -> None:
    """The next call is answered by the new version; others, subscribers too, are left alone; workers are renewed."""
    deployed.write("a", version(1))
    await deployed.start(nursery)
    assert await deployed.ask() == 1
    hook = next(one for one in deployed.cluster.registry.snapshot() if one["name"] == "test.hook")
    deployed.write("a", version(2))
    shown = await deployed.look(deployed=1)
    assert shown["deployed_at"]
    assert await deployed.ask() == 2
    assert deployed.renewed == 1
    assert deployed.restarts() == 0
    assert (
        next(one for one in deployed.cluster.registry.snapshot() if one["name"] == "test.hook")["since"]
        == hook["since"]
    )
    await deployed.cluster.stop()


async def test_services_come_and_go_with_their_files(nursery: trio.Nursery, deployed: Deployed) -> None:
    """A new file starts its services, a name that is gone is stopped, and a new name is a new service."""
    deployed.write("a", version(1))
    await deployed.start(nursery)
    deployed.write("b", version(2, name="test.other"))
    await deployed.look(deployed=1)
    assert deployed.services() == {"test.hook", "test.version", "test.other"}
    deployed.write("b", version(3, name="test.renamed"))
    await deployed.look(deployed=2)
    assert deployed.services() == {"test.hook", "test.version", "test.renamed"}
    assert await deployed.ask("test.renamed") == 3
    await deployed.cluster.stop()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a": "class ("}, "SyntaxError"),
        ({"a": version(2, more="import nothing_of_that_name")}, "nothing_of_that_name"),
        ({"a": version(2), "b": version(3)}, "is declared already"),
        ({"a": version(2).replace("handle(self)", "handle(self, one, two)")}, "takes nothing or one parameter"),
        ({"a": version(2), "hook": version(3, name="test.gone")}, "there is no service 'test.hook'"),
    ],
    ids=["syntax", "import", "name", "declaration", "configuration"],
)
async def test_what_cannot_be_deployed_changes_nothing(
    nursery: trio.Nursery,
    deployed: Deployed,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    reason: str,
) -> None:
    """All of it or nothing: the old versions go on, log and registry say why, and what is mended is deployed."""
    deployed.write("a", version(1))
    await deployed.start(nursery)
    for stem, text in files.items():
        deployed.write(stem, text)
    shown = await deployed.look("failed")
    assert reason in shown["reason"]
    assert "not deployed" in capsys.readouterr().out
    assert await deployed.ask() == 1
    assert deployed.services() == {"test.hook", "test.version"}
    assert deployed.renewed == 0
    for stem in files:
        deployed.write(stem, {"a": version(4), "hook": HOOK}.get(stem, ""))
    await deployed.look(deployed=1)
    assert await deployed.ask() == 4
    await deployed.cluster.stop()


async def test_a_cluster_without_hot_deployment_watches_nothing(nursery: trio.Nursery, tmp_path: Path) -> None:
    """It has to be asked for."""
    deployed = Deployed(tmp_path)
    (tmp_path / "clusters.toml").write_text(CONFIGURATION.replace("hot_deploy = true", ""))
    deployed.write("a", version(1))
    await deployed.start(nursery)
    assert deployed.cluster.registry.names("deployer") == []
    await deployed.cluster.stop()


CPU = """
from actors import Service

def compute():
    return {answer!r}

class Version(Service):
    name = "test.version"

    async def handle(self):
        return [{answer!r}, await self.run_cpu(compute)]
"""


def test_a_server_takes_up_what_is_saved(tmp_path: Path) -> None:
    """In a real process: an edited file, in worker processes too; a broken one; and the same mended."""
    (tmp_path / "services").mkdir()
    (tmp_path / "clusters.toml").write_text(CONFIGURATION)
    (tmp_path / "services/hook.py").write_text(HOOK)
    edited = tmp_path / "services/a.py"

    def save(text: str) -> None:
        beside = tmp_path / "services/.a.py.new"
        beside.write_text(text)
        beside.replace(edited)  # as editors do

    def answer() -> Any:
        return json.loads(launched.run("invoke", "one", "test.version").stdout)

    save(CPU.format(answer=1))
    launched = Launched(tmp_path)
    try:
        launched.until(r"hot-deploy .*watching")
        assert answer() == [1, 1]
        save(CPU.format(answer=2))
        launched.until(r"hot-deploy .*deployed")
        assert answer() == [2, 2]
        save("class (")
        launched.until(r"hot-deploy .*not deployed.*a\.py:1: SyntaxError")
        assert answer() == [2, 2]
        assert "SyntaxError" in launched.run("status").stdout
        save(CPU.format(answer=3))
        launched.until(r"hot-deploy .*deployed")
        assert answer() == [3, 3]
    finally:
        launched.stop()
