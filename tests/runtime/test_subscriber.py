"""A service of a cluster receives the messages of topics of the same cluster, with the same promises."""

from __future__ import annotations

from typing import Any

import pytest

from actors import MessageReceived, NotFound, Service
from actors.settings import DeliveryOptions, DeliverySettings, SubscriptionSettings, TopicSettings
from actors.topics.delivery import CreateTopic, SubKeyOf
from runtime.config import ClusterSettings
from runtime.testing import MemoryNetwork
from tests.runtime.test_two_clusters import until
from tests.support import start

TOPIC = "/customer/new"


def settings_with(options: DeliveryOptions, **delivery: Any) -> ClusterSettings:
    return ClusterSettings(
        topics={TOPIC: TopicSettings(guaranteed=True, delivery=DeliverySettings(**delivery))},
        subscriptions={"billing": SubscriptionSettings("test.receive", (TOPIC,), options)},
    )


async def test_a_service_receives_what_its_cluster_publishes(network: MemoryNetwork, nursery: Any) -> None:
    """In order, in the batches that it asks for, once, also after a crash; what fails comes one by one."""
    batches: list[list[int]] = []
    failing = {3}

    class Receive(Service):
        name = "test.receive"

        def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            assert isinstance(ctx, MessageReceived)
            numbers = [message["data"] for message in ctx.data.data]
            batches.append(numbers)
            if failing & set(numbers):
                failing.clear()
                msg = "on purpose"
                raise RuntimeError(msg)

    emea = await start(nursery, network, "emea", settings_with(DeliveryOptions(delivery_batch_size=5)), [Receive])
    await emea.until("subscriber", "billing", "ready")
    await emea.ref("topic", TOPIC).ask(None)
    for number in range(5):
        await emea.publish(TOPIC, number)
    topic = emea.store.ledger.topics[TOPIC]
    await until(lambda: topic.live[0].depth_gd == 0)
    assert [number for batch in batches for number in batch].count(3) == 2
    assert {number for batch in batches for number in batch} == set(range(5))
    await emea.crash()
    batches.clear()
    await emea.start()
    await emea.publish(TOPIC, 5)
    await until(lambda: bool(batches))
    assert batches == [[5]]
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    assert subscription["owner"] == "local-service ./billing"
    assert subscription["options"] == {"delivery_batch_size": 5}


async def test_a_crash_of_the_service_or_of_the_subscriber_loses_nothing(network: MemoryNetwork, nursery: Any) -> None:
    """What was in hand is delivered again; nothing that was handled is."""
    handled: list[int] = []
    crashes = [RuntimeError("on purpose")]

    class Receive(Service):
        name = "test.receive"
        concurrency = 1
        restart_on_error = True

        async def handle(self) -> None:
            if crashes:
                raise crashes.pop()
            handled.extend(message["data"] for message in self.request.payload["ctx"].data.data)

    settings = settings_with(DeliveryOptions(), ack_timeout=20.0, wait_non_sock_err=1.0)
    emea = await start(nursery, network, "emea", settings, [Receive])
    await emea.until("subscriber", "billing", "ready")
    await emea.publish(TOPIC, 1)
    await until(lambda: handled == [1])
    emea.ref("subscriber", "billing").tell_nowait(None)
    await emea.publish(TOPIC, 2)
    await until(lambda: handled == [1, 2])
    topic = emea.store.ledger.topics[TOPIC]
    await until(lambda: topic.live[0].depth_gd == 0)


async def test_a_subscriber_waits_for_its_topic(network: MemoryNetwork, nursery: Any) -> None:
    """It shows which topics are not there yet."""

    class Receive(Service):
        name = "test.receive"

        async def handle(self) -> None:
            pass

    settings = ClusterSettings(subscriptions={"billing": SubscriptionSettings("test.receive", ("/not/yet",))})
    emea = await start(nursery, network, "emea", settings, [Receive])
    entry = await emea.until("subscriber", "billing", "waiting for topics")
    assert entry["detail"]["missing"] == ["/not/yet"]


async def test_asking_for_a_sub_key_holds_up_no_deliveries(network: MemoryNetwork, nursery: Any) -> None:
    """Of a topic that is not there yet it comes later; of one that is not listed, never."""
    arrived: list[Any] = []

    class Receive(Service):
        name = "test.receive"

        async def handle(self) -> None:
            arrived.extend(message["data"] for message in self.request.payload["ctx"].data.data)

    settings = settings_with(DeliveryOptions())
    settings.subscriptions["billing"] = SubscriptionSettings("test.receive", (TOPIC, "/later"))
    emea = await start(nursery, network, "emea", settings, [Receive])
    sub_keys: list[str] = []

    async def ask() -> None:
        sub_keys.append(await emea.ref("subscriber", "billing").ask(SubKeyOf("/later")))

    nursery.start_soon(ask)
    with pytest.raises(NotFound, match="'billing' does not subscribe to '/never'"):
        await emea.ref("subscriber", "billing").ask(SubKeyOf("/never"))
    await emea.until("subscriber", "billing", "waiting for topics")
    await emea.publish(TOPIC, 1)
    await until(lambda: arrived == [1])
    assert sub_keys == []
    await emea.ref("topics", "all").ask(CreateTopic("/later", TopicSettings()))
    await until(lambda: len(sub_keys) == 1)
