"""A crash inside one actor, of whatever kind, restarts that one only."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import Actor, Service
from actors.envelope import Envelope, ReplySlot
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import Relay
from tests.support import CONNECTION, apac_settings, emea_settings, start


class Poison(Envelope):
    """A message that no actor survives."""

    @property
    def is_wanted(self) -> bool:
        msg = "on purpose"
        raise RuntimeError(msg)


class Counter(Actor):
    """An actor of a user's own."""

    name = "test.counter"

    async def receive(self, message: Any) -> Any:
        return message


class Plain(Service):
    name = "test.plain"

    async def handle(self) -> str:
        return "here"


async def two_clusters(nursery: trio.Nursery, network: MemoryNetwork) -> tuple[SimulatedCluster, SimulatedCluster]:
    emea = await start(nursery, network, "emea", emea_settings(), [Plain, Counter])
    apac = await start(
        nursery, network, "apac", apac_settings(hooks=False, subscribe=("/customer/new",)), [Relay, Plain]
    )
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac


def restarts(*clusters: SimulatedCluster) -> dict[str, int]:
    entries = [entry for cluster in clusters for entry in cluster.actors()]
    return {f"{entry['kind']}:{entry['name']}": entry["restarts"] for entry in entries if entry["restarts"]}


def name_of(cluster: SimulatedCluster, kind: str) -> str:
    return str(next(entry["name"] for entry in cluster.actors() if entry["kind"] == kind))


@pytest.mark.parametrize(
    ("where", "kind", "name"),
    [
        ("emea", "service", "test.plain"),
        ("emea", "actor", "test.counter"),
        ("emea", "channel", "gateway"),
        ("emea", "topic", "/customer/new"),
        ("emea", "subscription", ""),
        ("apac", "outgoing", CONNECTION),
    ],
)
async def test_a_crash_restarts_that_actor_only(
    where: str, kind: str, name: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """After the crash the one actor has one restart, no other has any, and calls and messages go on."""
    emea, apac = await two_clusters(nursery, network)
    crashed = emea if where == "emea" else apac
    name = name or name_of(crashed, kind)
    crashed.ref(kind, name).send_nowait(Poison(None, reply=ReplySlot(lambda _slot: None)))
    with trio.fail_after(60):
        while not restarts(crashed):
            await trio.sleep(0.05)
    await apac.until("outgoing", CONNECTION, "ready")
    message = {"service": "demo.echo", "request": 7}
    assert await apac.invoke("test.relay", {"message": message, "timeout": 60.0}) == 7
    assert await emea.invoke("test.plain") == "here"
    assert await emea.ref("actor", "test.counter").ask("x") == "x"
    assert restarts(emea, apac) == {f"{kind}:{name}": 1}


async def test_a_crash_of_a_session_costs_its_own_link_only(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A session is not restarted, its peer is told and comes back; everything else goes on."""
    emea, apac = await two_clusters(nursery, network)
    other = await start(nursery, network, "other", apac_settings(hooks=False), [Relay])
    await other.until("outgoing", CONNECTION, "ready")
    since = other.entry("outgoing", CONNECTION)["since"]
    first = name_of(emea, "session")
    emea.ref("session", first).send_nowait(Poison(None, reply=ReplySlot(lambda _slot: None)))
    with trio.fail_after(60):
        while any(entry["name"] == first for entry in emea.actors()):
            await trio.sleep(0.05)
    message = {"service": "demo.echo", "request": 7}
    assert await apac.invoke("test.relay", {"message": message, "timeout": 60.0}) == 7
    assert other.entry("outgoing", CONNECTION)["since"] == since
    assert restarts(emea, apac, other) == {}


async def test_a_crash_of_a_listener_costs_no_link(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The listener binds anew, and the sessions that it let in go on."""
    emea, apac = await two_clusters(nursery, network)
    session = name_of(emea, "session")
    network.fail_accepting(RuntimeError("on purpose"))
    with trio.fail_after(60):
        while not restarts(emea):
            await trio.sleep(0.05)
    await emea.until("listener", "gateway", "listening")
    assert restarts(emea, apac) == {"listener:gateway": 1}
    message = {"service": "demo.echo", "request": 7}
    assert await apac.invoke("test.relay", {"message": message}) == 7
    assert name_of(emea, "session") == session
