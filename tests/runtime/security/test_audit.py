"""What stands in the audit log: who was let in or refused, what was denied, and who changed what."""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

import actors
from actors import CallError, Service
from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import Forbidden
from actors.settings import EndpointSettings
from runtime.admin.change import Change
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.planted import PASSWORD
from tests.processes import Launched, free_port, write_sample
from tests.runtime.zato_peer import serve, zato_peer
from tests.support import emea_settings, start

LOOKS = {"status", "changes", "sessions", "topics", "subscriptions", "messages", "show-message", "message-log", "plan"}
LOOKS |= {"backup-progress", "overview"}
"""The administrative services that change nothing."""


def of(cluster: SimulatedCluster, event: str) -> list[dict[str, Any]]:
    return [one for one in cluster.audit if one["event"] == event]


async def test_log_ins_are_granted_and_refused(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Each with who, where, which channel and session, and why not; never with what was shown."""
    emea = await serve(network, nursery, max_failed_logins=2, new_token_wait_time=3.0)
    async with zato_peer(network) as peer:
        await peer.log_in()
        [granted] = of(emea, "log-in")
    assert (granted["result"], granted["who"], granted["security"]) == ("granted", "apac", "apac")
    assert (granted["channel"], granted["address"], granted["cid"]) == ("gateway", "memory", "m1")
    assert granted["session"].startswith("gateway/ws.")
    for _ in range(3):
        async with zato_peer(network) as peer:
            await peer.send("create-session", {}, username="apac", secret="guessed")
            await peer.end()
    async with zato_peer(network) as peer:
        await peer.end()
    refused = of(emea, "log-in")[1:]
    assert [(one["result"], one.get("who")) for one in refused] == [("refused", "apac")] * 3 + [("refused", None)]
    assert [one["reason"] for one in refused] == [
        "username or password do not match",
        "username or password do not match",
        "too many log-ins have failed; try again later",
        "no session was created in time",
    ]
    assert "guessed" not in json.dumps(emea.audit)
    assert PASSWORD not in json.dumps(emea.audit)


class Particular(Service):
    name = "test.particular"

    def accept(self) -> bool:
        return False

    async def handle(self) -> str:
        return "never"


class Confined(Service):
    """Has an endpoint that lets it do next to nothing."""

    name = "test.confined"

    async def handle(self, request: dict[str, Any]) -> Any:
        if request["do"] == "publish":
            return await self.pubsub.publish("/customer/new", "x")
        return await self.pubsub.subscribe("/customer/new", service="test.confined")


async def test_what_is_denied_to_peers(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Services, by the channel and by themselves; topics, to publish, to subscribe, to read and to resume."""
    emea = await serve(network, nursery, [Particular])
    async with zato_peer(network) as peer:
        await peer.log_in()
        await peer.invoke("secret.service")
        await peer.invoke("isthmus.admin.status")
        await peer.invoke("test.particular")
        name = "zato.pubsub.pubapi"
        await peer.invoke(f"{name}.publish-message", {"topic_name": "/customer/new", "data": "x"})
        await peer.invoke(f"{name}.subscribe-wsx", {"topic_name": "/order/new"})
        await peer.invoke(f"{name}.subscribe-wsx", {"topic_name": "/customer/none"})
        await peer.invoke(f"{name}.get-messages", {"topic_name": "/customer/new", "sub_key": "x"})
        await peer.invoke("zato.pubsub.resume-wsx-subscription", {"sub_key": "guessed"})
    services = [(one["service"], one["result"], one["who"], one["cid"]) for one in of(emea, "service")]
    assert services == [
        ("secret.service", "denied", "apac", "m2"),
        ("isthmus.admin.status", "denied", "apac", "m3"),
        ("test.particular", "denied", "apac", "m4"),
    ]
    topics = [(one["action"], one["topic"], one["result"], one["who"], one["cid"]) for one in of(emea, "topic")]
    assert topics == [
        ("publish", "/customer/new", "denied", "apac", "m5"),
        ("subscription", "/order/new", "denied", "apac", "m6"),
        ("subscription", "/customer/none", "denied", "apac", "m7"),
        ("taking messages", "/customer/new", "denied", "apac", "m8"),
        ("resuming", "of an unknown sub_key", "denied", "apac", "m9"),
    ]


async def test_what_is_denied_to_services_of_the_cluster(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Their endpoint decides, and the log says which one."""
    settings = emea_settings()
    endpoints = {**settings.endpoints, "confined": EndpointSettings(service="test.confined", publish=("/other",))}
    emea = await start(nursery, network, "emea", evolve(settings, endpoints=endpoints), [Confined])
    for what in ("publish", "subscribe"):
        with pytest.raises(Forbidden):
            await emea.invoke("test.confined", {"do": what}, cid=f"c-{what}")
    found = [(one["action"], one["endpoint"], one["who"], one["cid"]) for one in of(emea, "topic")]
    who = "a service of the cluster"
    assert found == [("publish", "confined", who, "c-publish"), ("subscription", "confined", who, "c-subscribe")]


async def test_administrative_changes_are_noted_with_what_came_of_them(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Those that failed, too; the data of messages is nobody's business."""
    emea = await serve(network, nursery)
    await emea.publish("/customer/new", "private data")
    await emea.invoke(f"{ADMIN_PREFIX}delete-messages", {"topic": "/customer/new"}, cid="c1")
    with pytest.raises(CallError):
        await emea.invoke(
            f"{ADMIN_PREFIX}edit-message", {"topic": "/customer/new", "place": 9, "changes": {"data": "p"}}
        )
    with pytest.raises(CallError):
        await emea.invoke(f"{ADMIN_PREFIX}set-subscription", {"sub_key": "nobody", "options": {}})
    await emea.invoke(f"{ADMIN_PREFIX}messages", {"topic": "/customer/new"})
    deleted, edited, not_set = of(emea, "administration")
    assert deleted == {
        "event": "administration",
        "result": "done",
        "service": f"{ADMIN_PREFIX}delete-messages",
        "topic": "/customer/new",
        "deleted": 1,
        "who": "a service of the cluster",
        "cid": "c1",
    }
    assert (edited["result"], edited["place"]) == ("failed", 9)
    assert (not_set["result"], not_set["reason"]) == ("failed", "there is no subscription 'nobody'")
    assert "private data" not in json.dumps(emea.audit)


async def test_every_administrative_service_is_noted_or_changes_nothing(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Whoever adds one says which it is."""
    emea = await serve(network, nursery)
    services = {cls.name: cls for cls in emea.cluster._own_classes if cls.name.startswith(ADMIN_PREFIX)}
    assert len(services) > 15
    for name, cls in services.items():
        is_change = issubclass(cls, Change)
        assert is_change != (name.removeprefix(ADMIN_PREFIX) in LOOKS), name
        assert not is_change or cls.handle is Change.handle, name


def _functions_that_deny() -> Iterator[tuple[str, ast.AST]]:
    """Give each function of the package that makes a `Forbidden` of its own."""
    for file in Path(actors.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "Forbidden(" in ast.unparse(node):
                yield f"{file.name}:{node.name}", node


def test_whoever_denies_tells_the_audit_log() -> None:
    """Nobody makes a `Forbidden` without a note of it in the same function."""
    found = dict(_functions_that_deny())
    assert {"topic.py:_resume", "pipeline.py:_handle_between_hooks", "gateway.py:_service_of"} <= found.keys()
    silent = [
        name
        for name, node in found.items()
        if ".note(" not in (text := ast.unparse(node)) and "note_refusal(" not in text
    ]
    assert silent == []


# A real process


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Launched]:
    write_sample(tmp_path, free_port())
    path = tmp_path / "clusters.toml"
    path.write_text(path.read_text().replace("[clusters.emea]\n", "[clusters.emea]\nhot_deploy = true\n"))
    running = Launched(tmp_path)
    yield running
    running.stop()


def audit_of(folder: Path, cluster: str) -> list[dict[str, Any]]:
    text = (folder / f".isthmus/{cluster}/audit.log").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_a_real_cluster_and_its_commands_write_one_log(sample: Launched, tmp_path: Path) -> None:
    """Log-ins of peers and, by their uid, of those at the admin socket; what commands change, with a server or without."""
    sample.until_up()
    assert sample.run("invoke", "emea", "demo.echo", '{"password": "planted"}').returncode == 0
    assert sample.run("publish", "emea", "/customer/new", "private").returncode == 0
    assert sample.run("messages", "delete", "emea", "/customer/new", "--all").returncode == 0
    assert sample.run("set", "emea", "channels.gateway.max_sessions", "77", "--yes").returncode == 0
    assert sample.run("apply", "--yes").returncode == 0
    module = tmp_path / "examples/emea.py"
    module.write_text(module.read_text() + "\n# changed\n")
    sample.until(r"deployer.*deployed")
    sample.stop()
    assert sample.run("store", "backup", "emea", "saved.db").returncode == 0
    assert sample.run("store", "restore", "emea", "saved.db").returncode == 0
    found = audit_of(tmp_path, "emea")
    me = f"uid {os.getuid()}"
    assert all(one["time"].endswith("Z") and one["cluster"] == "emea" for one in found)
    shown = [(one["event"], one["result"], one["who"], one.get("service") or one.get("command")) for one in found]
    for expected in (
        ("server", "done", me, None),
        ("log-in", "granted", "apac", None),
        ("log-in", "granted", me, None),
        ("service", "done", me, "demo.echo"),
        ("administration", "done", me, "isthmus.admin.publish-messages"),
        ("administration", "done", me, "isthmus.admin.delete-messages"),
        ("command", "done", me, "set"),
        ("administration", "done", me, "isthmus.admin.apply"),
        ("deployment", "done", "whoever changed the files", None),
        ("command", "done", me, "store backup"),
        ("command", "done", me, "store restore"),
    ):
        assert expected in shown
    assert [one["action"] for one in found if one["event"] == "server"] == ["start", "end"]
    [applied] = [one for one in found if one.get("service") == "isthmus.admin.apply"]
    assert [(step["name"], step["keys"], step["is_taken"]) for step in applied["steps"]] == [
        ("gateway", ["max_sessions"], True)
    ]
    assert applied["address"] == "a local user"
    assert "private" not in json.dumps(found)
    assert "planted" not in json.dumps(found)
    assert (tmp_path / ".isthmus/emea/audit.log").stat().st_mode & 0o777 == 0o600
