"""What a subscriber that is away, or never answers, costs the others: nothing, and itself no message."""

from __future__ import annotations

from typing import Any

import trio

from actors import MessageReceived, Service
from actors.settings import DeliverySettings, TopicSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"
DAY = 24 * 3600.0


def receiver(arrived: list[Any], *, answers: bool = True) -> type[Service]:
    """Return a hook service that notes what arrives, and answers, or never does."""

    class Receive(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if isinstance(ctx, MessageReceived):
                arrived.extend(message["data"] for message in ctx.data.data)
                if not answers:
                    await trio.sleep_forever()

    return Receive


async def test_four_days_of_outage_lose_nothing(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """On default settings: the link is down for four days, both sides are restarted meanwhile, and all arrives."""
    arrived: list[Any] = []
    emea = await start(nursery, network, "emea", emea_settings(unsub_on_wsx_close=False))
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [receiver(arrived)])
    await apac.until("outgoing", CONNECTION, "ready")
    network.partition(["emea"], ["apac"])
    number = 0
    for day in range(4):
        for _ in range(24):
            await trio.sleep(DAY / 24)
            for _ in range(5):
                number += 1
                await emea.publish(TOPIC, number)
        await trio.sleep(60)  # it looks every ten seconds
        assert emea.entry("topic", TOPIC)["detail"]["oldest"].startswith(f"{day}d 23h" if day else "23h")
        crashed = emea if day % 2 else apac
        await crashed.crash()
        await crashed.start()
    network.heal()
    await apac.until("outgoing", CONNECTION, "ready")
    if wire == "zato":  # a peer that cannot say who it is has a new subscription; what waits in the old one is kept
        [kept] = [one for one in await emea.invoke("isthmus.admin.subscriptions") if one["waiting"]]
        assert kept["waiting"] == number
        return
    await until(lambda: len(arrived) >= number)
    assert arrived == list(range(1, number + 1))


async def test_a_subscriber_that_never_answers_holds_up_nobody(network: MemoryNetwork, nursery: Any) -> None:
    """Publishers are confirmed and the others get everything, while what is in hand and in memory stays bounded."""
    settings = emea_settings(max_deliveries_in_flight=200)
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, delivery=DeliverySettings(delivery_batch_size=50))
    emea = await start(nursery, network, "emea", settings)
    arrived: dict[str, list[Any]] = {name: [] for name in ("apac", "latam", "stuck")}
    clusters: dict[str, SimulatedCluster] = {}
    for name, numbers in arrived.items():
        hook = receiver(numbers, answers=name != "stuck")
        clusters[name] = await start(nursery, network, name, apac_settings(subscribe=(TOPIC,)), [hook])
        await clusters[name].until("outgoing", CONNECTION, "ready")
    count = 10_000
    for number in range(count):
        await emea.publish(TOPIC, number)
    await until(lambda: len(arrived["apac"]) == len(arrived["latam"]) == count)
    assert arrived["apac"] == arrived["latam"] == list(range(count))
    assert len(arrived["stuck"]) <= 200
    by_owner = {one["owner"]: one for one in await emea.invoke("isthmus.admin.subscriptions")}
    stuck = by_owner[f"apac stuck/{CONNECTION}"]
    assert stuck["waiting"] == count
    assert stuck["in_hand"] <= 200 + 8 * 50
    head = emea.store.ledger.subscriptions[stuck["sub_key"]].head
    assert len(head) <= 2000
