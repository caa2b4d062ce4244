"""Changing running clusters: what the change does not concern goes on, calls and deliveries under way too."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from actors import Conflict, Forbidden, MessageReceived, Service
from actors.errors import Overloaded
from actors.settings import (
    ChannelSettings,
    EndpointSettings,
    SubscriptionSettings,
    TopicSettings,
)
from runtime.config.plan import same
from runtime.config.schema import ClusterSettings, StoreKind, StoreSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.support import CONNECTION, apac_settings, emea_settings, start


class Relay(Service):
    name = "test.relay"

    async def handle(self, request: dict) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            return (await client.invoke(request["service"], request.get("data"), timeout=60.0)).data


class Held:
    """A service and a hook that hold what they are given until they are let go."""

    def __init__(self) -> None:
        self.called, self.delivered, self.let_go = trio.Event(), trio.Event(), trio.Event()
        self.messages: list[Any] = []

    def service(self) -> type[Service]:
        held = self

        class Holds(Service):
            name = "test.holds"

            async def handle(self) -> str:
                held.called.set()
                await held.let_go.wait()
                return "held"

        return Holds

    def hook(self) -> type[Service]:
        held = self

        class Hook(Service):
            name = "hooks.all"

            async def handle(self, ctx: object) -> None:
                if isinstance(ctx, MessageReceived):
                    held.messages += [one["data"] for one in ctx.data.data]
                    held.delivered.set()
                    await held.let_go.wait()

        return Hook


def sessions(cluster: SimulatedCluster) -> dict[str, Any]:
    """Return the sessions by name, with since when and from which socket."""
    return {one["name"]: (one["since"], one["detail"]["peer"]) for one in cluster.actors() if one["kind"] == "session"}


def links(cluster: SimulatedCluster) -> dict[str, str]:
    return {one["name"]: one["since"] for one in cluster.actors() if one["kind"] == "outgoing"}


async def change(cluster: SimulatedCluster, target: ClusterSettings, classes: Any = None) -> list[str]:
    """Change a cluster; return what is wrong, each step's problem."""
    own = cluster.cluster
    outcomes = await own.change(target, own.classes if classes is None else classes)
    return [one.problem for one in outcomes if one.problem]


async def until(condition: Any) -> None:
    with trio.fail_after(600):
        while not condition():
            await trio.sleep(0.05)


@pytest.fixture
async def two(network: MemoryNetwork, nursery: trio.Nursery) -> tuple[SimulatedCluster, SimulatedCluster, Held]:
    held = Held()
    emea = await start(nursery, network, "emea", emea_settings(), [held.service()])
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [Relay, held.hook()])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac, held


async def test_links_calls_deliveries_and_queues_go_on_across_a_change(
    wire: str, nursery: trio.Nursery, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """A channel, topics, services and a connection come and go; sessions and sockets of the others are the same."""
    emea, apac, held = two
    answers: list[Any] = []

    async def call() -> None:
        answers.append(await apac.invoke("test.relay", {"service": "test.holds"}, timeout=90.0))

    nursery.start_soon(call)
    await emea.publish("/customer/new", "first")
    await emea.publish("/customer/new", "second")
    with trio.fail_after(30):
        await held.called.wait()
        await held.delivered.wait()
    before, links_before = sessions(emea), links(apac)
    queued = await emea.invoke("isthmus.admin.subscriptions", {})

    class Fresh(Service):
        name = "test.fresh"

        async def handle(self) -> str:
            return "fresh"

    target = emea_settings(topics=("/customer/new", "/customer/other"))
    target = evolve(
        target,
        services=("fresh.py",),
        channels={
            "gateway": evolve(target.channels["gateway"], max_in_flight=7, services_allowed=("demo.*", "test.fresh")),
            "second": evolve(target.channels["gateway"], address="ws://127.0.0.1:47044/second"),
        },
        subscriptions={"own": SubscriptionSettings("test.fresh", ("/customer/other",))},
    )
    assert await change(emea, target, [*emea.cluster.classes, Fresh]) == []
    target_apac = apac.settings
    connection = target_apac.outgoing[CONNECTION]
    more = evolve(connection, address="ws://127.0.0.1:47044/second", subscribe=())
    target_apac = evolve(target_apac, outgoing={CONNECTION: evolve(connection, timeout=9.0), "More": more})
    assert await change(apac, target_apac) == []
    await apac.until("outgoing", "More", "ready")
    assert same(emea.cluster.settings, target)
    assert sessions(emea).items() >= before.items()
    assert links(apac).items() >= links_before.items()
    assert await emea.invoke("isthmus.admin.subscriptions", {}) != []
    assert [one for one in await emea.invoke("isthmus.admin.subscriptions", {}) if one in queued] == queued
    held.let_go.set()
    await until(lambda: answers == ["held"] and held.messages == ["first", "second"])
    assert await apac.invoke("test.relay", {"service": "test.fresh"}) == "fresh"
    with pytest.raises(Forbidden):
        await apac.invoke("test.relay", {"service": "test.holds"})
    assert sessions(emea).items() >= before.items()
    restarts = sum(one["restarts"] for one in (*emea.actors(), *apac.actors()))
    assert restarts == 0


async def test_a_topic_is_listed_and_delisted_on_the_open_link(
    wire: str, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """Messages of a further topic come over the same link; one that is not listed any more is unsubscribed from."""
    emea, apac, held = two
    held.let_go.set()
    before = sessions(emea)
    both = {topic: TopicSettings(guaranteed=True) for topic in ("/customer/new", "/customer/other")}
    assert await change(emea, evolve(emea.settings, topics=both)) == []
    connection = apac.settings.outgoing[CONNECTION]

    async def list_topics(*topics: str) -> None:
        outgoing = {CONNECTION: evolve(connection, subscribe=topics)}
        assert await change(apac, evolve(apac.settings, outgoing=outgoing)) == []
        await until(lambda: apac.entry("outgoing", CONNECTION)["detail"]["subscribed"] == sorted(topics))

    await list_topics("/customer/new", "/customer/other")
    await emea.publish("/customer/other", "other")
    await until(lambda: held.messages == ["other"])
    await list_topics("/customer/other")
    assert emea.entry("topic", "/customer/new")["detail"]["subscriptions"] == 0
    assert sessions(emea) == before


async def test_a_connection_that_is_removed_unsubscribes(
    wire: str, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """Nothing is left of it at the remote; stopping a server, in contrast, leaves its subscriptions."""
    emea, apac, _held = two
    assert emea.entry("topic", "/customer/new")["detail"]["subscriptions"] == 1
    assert await change(apac, evolve(apac.settings, outgoing={})) == []
    assert links(apac) == {}
    await until(lambda: sessions(emea) == {})
    assert emea.entry("topic", "/customer/new")["detail"]["subscriptions"] == 0


async def test_what_costs_a_link_costs_that_link_only(
    nursery: trio.Nursery, network: MemoryNetwork, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """A channel that moves ends its sessions, and no others; their clients come back where it is now."""
    emea, apac, held = two
    held.let_go.set()
    gateway = emea.settings.channels["gateway"]
    other = evolve(gateway, address="ws://127.0.0.1:47044/other")
    assert await change(emea, evolve(emea.settings, channels={"gateway": gateway, "other": other})) == []
    connection = apac.settings.outgoing[CONNECTION]
    second = evolve(connection, address=other.address, subscribe=())
    assert await change(apac, evolve(apac.settings, outgoing={CONNECTION: connection, "Second": second})) == []
    await apac.until("outgoing", "Second", "ready")
    before = sessions(emea)
    moved = evolve(other, address="ws://127.0.0.1:47045/moved")
    assert await change(emea, evolve(emea.settings, channels={"gateway": gateway, "other": moved})) == []
    after = sessions(emea)
    assert {name for name in before if name.startswith("gateway/")} == set(after)
    assert emea.entry("listener", "other")["detail"]["address"] == moved.address
    there = {CONNECTION: connection, "Second": evolve(second, address=moved.address)}
    assert await change(apac, evolve(apac.settings, outgoing=there)) == []
    await until(lambda: any(name.startswith("other/") for name in sessions(emea)))


async def test_a_step_that_fails_is_named_and_what_ran_goes_on(
    nursery: trio.Nursery, network: MemoryNetwork, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """Where an address is taken the old one goes on; steps before it are taken, those after it are not begun."""
    emea, apac, held = two
    held.let_go.set()
    taken_address = "ws://127.0.0.1:47046/x"
    free = ChannelSettings(address=taken_address, service="demo.echo", security="none")
    await start(nursery, network, "third", ClusterSettings(channels={"x": free}), node="emea")
    before = sessions(emea)
    target = evolve(
        emea.settings,
        topics={**emea.settings.topics, "/customer/other": TopicSettings()},
        channels={
            "gateway": evolve(emea.settings.channels["gateway"], address="ws://127.0.0.1:47046/gateway"),
            "z": evolve(free, address="ws://127.0.0.1:47047/z"),
        },
        store=StoreSettings(StoreKind.MEMORY),
    )
    outcomes = await emea.cluster.change(target, emea.cluster.classes)
    assert [(one.step.section, one.step.name) for one in outcomes if not one.problem] == [("topics", "/customer/other")]
    failed, not_begun, restart = [one.problem for one in outcomes if one.problem]
    assert "in use" in failed
    assert not_begun == "not begun"
    assert restart == "takes a restart of the server"
    assert sessions(emea) == before
    assert emea.cluster.settings.channels == emea.settings.channels
    [starts] = await change(emea, evolve(emea.cluster.settings, channels={**emea.settings.channels, "y": free}))
    assert "in use" in starts
    assert emea.cluster.registry.find_mailbox("channel:y") is None
    assert await apac.invoke("test.relay", {"service": "demo.echo", "data": 1}) == 1


async def test_permissions_hold_at_once(wire: str, two: tuple[SimulatedCluster, SimulatedCluster, Held]) -> None:
    """An endpoint's patterns and a definition's services are taken from a session that is open."""
    emea, apac, held = two
    held.let_go.set()
    request = {"service": "zato.pubsub.pubapi.publish-message", "data": {"topic_name": "/customer/new", "data": 1}}
    with pytest.raises(Forbidden):
        await apac.invoke("test.relay", request)
    endpoint = EndpointSettings(channel="gateway", publish=("/customer/*",), subscribe=("/customer/**",))
    assert await change(emea, evolve(emea.settings, endpoints={"apac": endpoint})) == []
    assert (await apac.invoke("test.relay", request))["msg_id"]
    assert await apac.invoke("test.relay", {"service": "demo.echo", "data": 1}) == 1
    narrow = evolve(emea.settings.security["apac"], services_allowed=("other.*",))
    assert await change(emea, evolve(emea.cluster.settings, security={"apac": narrow})) == []
    with pytest.raises(Forbidden):
        await apac.invoke("test.relay", {"service": "demo.echo", "data": 1})


async def test_one_change_at_a_time_and_none_of_a_cluster_that_stops(
    nursery: trio.Nursery, two: tuple[SimulatedCluster, SimulatedCluster, Held]
) -> None:
    """A second change is refused while one is under way, which goes on when nobody waits for it any more."""
    emea, apac, _held = two
    target = evolve(apac.settings, outgoing={})
    with trio.move_on_after(0.0):
        await change(apac, target)
    with pytest.raises(Conflict, match="being changed already"):
        await change(apac, apac.settings)
    await until(lambda: links(apac) == {})
    await apac.stop()
    with pytest.raises(Overloaded, match="shutting down"):
        await change(apac, apac.settings)
    await emea.stop()


async def test_subscriptions_of_services_come_and_go(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A service is subscribed while the cluster runs, to other topics later, and leaves nothing when it is removed."""
    received: list[Any] = []

    class Hook(Service):
        name = "test.hook"

        async def handle(self, ctx: MessageReceived) -> None:
            received.extend(one["data"] for one in ctx.data.data)

    topics = {topic: TopicSettings() for topic in ("/a", "/b")}
    one = await start(nursery, network, "one", ClusterSettings(topics=topics), [Hook])

    def subscribers() -> list[int]:
        return [one.entry("topic", topic)["detail"]["subscriptions"] for topic in ("/a", "/b")]

    for names, expected in ((("/a", "/b"), [1, 1]), (("/b",), [0, 1]), ((), [0, 0])):
        subscriptions = {"own": SubscriptionSettings("test.hook", names)} if names else {}
        assert await change(one, evolve(one.settings, subscriptions=subscriptions)) == []
        await until(lambda expected=expected: subscribers() == expected)
        received.clear()
        for topic in names:
            await one.publish(topic, topic)
        await until(lambda names=names: sorted(received) == list(names))


async def test_topics_change_and_go(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A topic takes up its settings at once; one that is gone takes nothing, and what it held is there when it is back."""
    settings = ClusterSettings(topics={"/a": TopicSettings(guaranteed=True)})
    one = await start(nursery, network, "one", settings)
    await one.publish("/a", "kept")
    assert await change(one, evolve(settings, topics={"/a": TopicSettings(active=False)})) == []
    with pytest.raises(Overloaded, match="not active"):
        await one.publish("/a", "refused")
    assert await change(one, evolve(settings, topics={})) == []
    assert one.cluster.registry.find_mailbox("topic:/a") is None
    assert await change(one, settings) == []
    assert len(await one.invoke("isthmus.admin.messages", {"topic": "/a"})) == 1


async def test_config_and_endpoints_of_services_take_a_restart_of_services(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """What a service reads when it starts is new after the change, and what waits for it is answered."""

    class Reads(Service):
        name = "test.reads"

        async def setup(self) -> None:
            self.value = self.config["value"]

        async def handle(self) -> Any:
            return self.value

    class Publishes(Service):
        name = "test.publishes"

        async def handle(self) -> None:
            await self.pubsub.publish("/a", 1)

    settings = ClusterSettings(config={"value": 1}, topics={"/a": TopicSettings()})
    one = await start(nursery, network, "one", settings, [Reads, Publishes])
    assert await one.invoke("test.reads") == 1
    target = evolve(settings, config={"value": 2}, endpoints={"e": EndpointSettings(service="test.publishes")})
    assert await change(one, target) == []
    assert await one.invoke("test.reads") == 2
    with pytest.raises(Forbidden):
        await one.invoke("test.publishes")
