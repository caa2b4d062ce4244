"""What metrics say of two clusters: of calls by outcome, of requests, of messages, queues, links and actors."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from attrs import evolve

from actors import AskTimeout, CallError, Service
from actors.errors import Overloaded
from actors.settings import TopicSettings
from runtime.config.schema import ClusterSettings
from runtime.config.signals import MonitoringSettings
from runtime.observe.collector import collect
from runtime.observe.definitions import METRICS
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import Fails, Relay, hanging, recorder
from tests.support import CONNECTION, apac_settings, emea_settings, start

Samples = dict[tuple[str, ...], float]


def watched(settings: ClusterSettings) -> ClusterSettings:
    return evolve(settings, monitoring=MonitoringSettings("http://127.0.0.1:9464"))


async def samples(cluster: SimulatedCluster) -> Samples:
    """Return each sample by its name and the values of its labels, in the order of the definition."""
    seen = cluster.cluster.watched
    assert seen is not None
    families = collect(seen, {}, await seen.gauges.depths())
    found: Samples = {}
    for family in families.collect():
        for sample in family.samples:
            name = max((one for one in METRICS if sample.name.startswith(one.removesuffix("_total"))), key=len)
            labels = [sample.labels[label] for label in METRICS[name].labels]
            found[(sample.name, *labels, *([sample.labels["le"]] if "le" in sample.labels else []))] = sample.value
    return found


async def call(cluster: SimulatedCluster, service: str, data: object = None, timeout: float = 5.0) -> None:
    message = {"service": service, "request": data}
    with suppress(CallError):
        await cluster.invoke("test.relay", {"message": message, "timeout": timeout})


async def test_calls_are_counted_by_outcome_on_both_sides(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """The same outcome where the call was made, at the channel and at the service, but for what only one side knows."""
    emea = await start(nursery, network, "emea", watched(emea_settings()), [Fails, hanging(trio.Event(), trio.Event())])
    apac = await start(nursery, network, "apac", watched(apac_settings(hooks=False)), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    await call(apac, "demo.echo", 1)
    await call(apac, "demo.echo", 2)
    await call(apac, "test.fails", "bad")
    await call(apac, "test.fails")
    await call(apac, "demo.unknown")
    await call(apac, "other.service")
    await call(apac, "test.hangs", timeout=2.0)
    made, served = await samples(apac), await samples(emea)
    outcomes = {"ok": 2, "bad_input": 1, "failed": 1, "not_found": 1, "forbidden": 1}
    for outcome, count in outcomes.items():
        assert made["isthmus_calls_total", CONNECTION, outcome] == count
        assert served["isthmus_requests_total", "gateway", outcome] == count
    assert made["isthmus_calls_total", CONNECTION, "timeout"] == 1
    assert served["isthmus_service_invocations_total", "demo.echo", "ok"] == 2
    assert served["isthmus_service_invocations_total", "test.fails", "bad_input"] == 1
    assert served["isthmus_service_invocations_total", "test.fails", "failed"] == 1
    assert made["isthmus_call_duration_seconds_count", CONNECTION] == 7
    assert 2.0 <= made["isthmus_call_duration_seconds_sum", CONNECTION] < 3.0
    assert made["isthmus_call_duration_seconds_bucket", CONNECTION, "1.0"] == 6
    assert made["isthmus_call_duration_seconds_bucket", CONNECTION, "2.5"] == 7
    given_up = [served.get(("isthmus_requests_total", "gateway", one), 0) for one in ("timeout", "cancelled")]
    is_told = wire == "isthmus.1"  # the other wire cannot say that nobody waits any more
    assert sum(given_up) == is_told
    assert served["isthmus_requests_in_flight", "gateway"] == (not is_told)


async def test_a_call_without_a_link_is_counted(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """As link_down where there was none in time, and as link_lost where it broke meanwhile."""
    began = trio.Event()
    await start(nursery, network, "emea", emea_settings(), [hanging(began, trio.Event())])
    apac = await start(nursery, network, "apac", watched(apac_settings(hooks=False)), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    nursery.start_soon(call, apac, "test.hangs", None, 60.0)
    await began.wait()
    network.refuse("emea")
    network.cut("apac", "emea")
    await apac.until("outgoing", CONNECTION, "backoff")
    await call(apac, "demo.echo", timeout=1.0)
    down = await samples(apac)
    assert down["isthmus_calls_total", CONNECTION, "link_lost"] == 1
    assert down["isthmus_calls_total", CONNECTION, "link_down"] == 1
    states = {key[2]: value for key, value in down.items() if key[0] == "isthmus_link_state"}
    assert sum(states.values()) == 1
    assert states["ready"] == 0
    network.heal()
    await apac.until("outgoing", CONNECTION, "ready")
    back = await samples(apac)
    assert back["isthmus_link_state", CONNECTION, "ready"] == 1
    assert back["isthmus_link_reconnects_total", CONNECTION] == 1
    assert back["isthmus_link_failed_attempts_total", CONNECTION] >= 1


class OneSecond(Service):
    """Takes a second, one request at a time."""

    name = "test.one-second"
    concurrency = 1

    async def handle(self, data: Any) -> None:
        await trio.sleep(1)


async def test_what_an_overloaded_service_refuses_is_counted(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """From when it was cut off twice, a request that had to wait for its turn is refused, which none was before."""
    settings = watched(ClusterSettings())
    emea = await start(nursery, network, "emea", settings, [OneSecond])
    refused = ("isthmus_service_requests_refused_total", "test.one-second")
    for _ in range(2):
        with pytest.raises(AskTimeout):
            await emea.invoke("test.one-second", timeout=0.5)
    assert (await samples(emea))[refused] == 0
    async with trio.open_nursery() as callers:
        for timeout, error in ((0.5, AskTimeout), (0.9, Overloaded)):

            async def fail(timeout: float = timeout, error: type[Exception] = error) -> None:
                with pytest.raises(error):
                    await emea.invoke("test.one-second", timeout=timeout)

            callers.start_soon(fail)
            await trio.testing.wait_all_tasks_blocked()
    assert (await samples(emea))[refused] == 1


async def test_messages_are_counted_on_their_way(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Published, waiting, delivered, acknowledged; what a peer calls a topic is no label."""
    settings = emea_settings(topics=("/customer/new", "/customer/*"))
    emea = await start(nursery, network, "emea", watched(settings))
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [recorder(events := [])])
    await apac.until("outgoing", CONNECTION, "ready")
    for number in range(3):
        await emea.publish("/customer/new", number)
    with trio.fail_after(60):
        while sum(len(one.data.data) for one in events if hasattr(one, "data")) < 3:
            await trio.sleep(0.1)
        while (seen := await samples(emea))["isthmus_messages_acknowledged_total", "/customer/new"] < 3:
            await trio.sleep(0.1)
    assert seen["isthmus_messages_published_total", "/customer/new"] == 3
    assert seen["isthmus_messages_delivered_total", "/customer/new"] == 3
    assert seen["isthmus_messages_redelivered_total", "/customer/new"] == 0
    assert seen["isthmus_subscriptions", "/customer/new"] == 1
    assert seen["isthmus_subscriptions_detached", "/customer/new"] == 0
    assert seen["isthmus_queue_messages", "/customer/new"] == 0
    await apac.stop()
    await emea.publish("/customer/new", 4)
    await emea.publish("/customer/new", 5)
    await trio.sleep(30)  # the age is known from the rounds of cleaning
    gone = await samples(emea)
    assert gone["isthmus_queue_messages", "/customer/new"] == 2
    assert gone["isthmus_queue_deepest_messages", "/customer/new"] == 2
    assert gone["isthmus_subscriptions_detached", "/customer/new"] == 1
    assert 10 <= gone["isthmus_queue_oldest_age_seconds", "/customer/new"] <= 30
    assert gone["isthmus_messages_acknowledged_total", "/customer/new"] == 3
    assert gone["isthmus_sessions_opened_total", "gateway"] == 1
    assert ("isthmus_sessions", "gateway", "isthmus.1") not in gone


class Refuses(Service):
    """Handles no message."""

    name = "hooks.all"

    async def handle(self, data: Any) -> None:
        if "data" in dir(data["ctx"]):
            msg = "not that one"
            raise ValueError(msg)


async def test_what_nobody_takes_is_counted_as_redelivered_and_as_a_dead_letter(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Of the topic that it was published to; dead-letter topics are one."""
    settings = emea_settings()
    own = TopicSettings(guaranteed=True)
    settings = evolve(
        settings,
        topics={"/customer/new": evolve(own, delivery=evolve(own.delivery, delivery_max_retry=2, longest_pause=1.0))},
    )
    emea = await start(nursery, network, "emea", watched(settings))
    await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [Refuses])
    await emea.publish("/customer/new", 1)
    with trio.fail_after(600):
        while (seen := await samples(emea))["isthmus_messages_dead_lettered_total", "/customer/new"] < 1:
            await trio.sleep(1.0)
    assert seen["isthmus_messages_redelivered_total", "/customer/new"] == 1
    assert seen["isthmus_messages_delivered_total", "/customer/new"] == 2
    assert seen["isthmus_deliveries_failed_total", "/customer/new"] == 2
    assert seen["isthmus_messages_acknowledged_total", "/customer/new"] == 0
    assert seen["isthmus_queue_messages", "/dead-letter/**"] == 1


async def test_topics_that_peers_name_are_counted_by_their_pattern(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """However many of them there are, so that a peer cannot make a server tell ever more."""
    emea = await start(nursery, network, "emea", watched(emea_settings(topics=("/order/*",))))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Publishes])
    await apac.until("outgoing", CONNECTION, "ready")
    for number in range(5):
        await apac.invoke("test.publishes", {"topic": f"/order/{number}"})
    seen = await samples(emea)
    assert {key[1:] for key in seen if key[0] == "isthmus_messages_published_total"} == {("/order/*",)}
    assert seen["isthmus_messages_published_total", "/order/*"] == 5
    assert seen["isthmus_queue_messages", "/order/*"] == 5
    assert seen["isthmus_queue_deepest_messages", "/order/*"] == 1


class Publishes(Service):
    name = "test.publishes"

    async def handle(self, data: Any) -> None:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            await client.publish(data["topic"], "data")


async def test_what_ended_actors_have_counted_stays(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A counter never goes back: sessions come and go."""
    emea = await start(nursery, network, "emea", watched(emea_settings()))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    for opened in (1, 2, 3):
        await apac.until("outgoing", CONNECTION, "ready")
        seen = await samples(emea)
        assert seen["isthmus_sessions", "gateway", "isthmus.1"] == 1
        assert seen["isthmus_sessions_opened_total", "gateway"] == opened
        await apac.stop()
        await apac.start()


async def test_every_metric_is_given_with_its_labels(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Also those that have no sample yet: a dashboard finds them."""
    emea = await start(nursery, network, "emea", watched(emea_settings()))
    seen = emea.cluster.watched
    assert seen is not None
    families = {one.name: one for one in collect(seen, {"info": 3}, ()).collect()}
    assert families.keys() == {name.removesuffix("_total") for name in METRICS}
    for name, definition in METRICS.items():
        family = families[name.removesuffix("_total")]
        assert family.type == definition.kind.value
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == set(definition.labels)
    [line] = families["isthmus_log_events"].samples
    assert (line.labels, line.value) == ({"level": "info"}, 3)


async def test_nothing_is_measured_where_nobody_looks(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A server without an address for it has no meters at all."""
    emea = await start(nursery, network, "emea", emea_settings())
    assert emea.cluster.watched is None
