"""What operators see of a store: topics, subscriptions, messages; dead letters go back where they came from."""

from __future__ import annotations

from typing import Any

import pytest

from actors import NotFound, Service
from actors.settings import DeliverySettings, TopicSettings
from runtime.testing import MemoryNetwork
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"
GRAVE = f"/dead-letter/emea{TOPIC}"


async def test_a_poison_message_is_buried_alone_and_replayed(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Of five hundred messages one fails each time: the others are handled, it is a dead letter, and it can go back."""
    handled: list[int] = []
    poisonous = {137}

    class Hook(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if ctx.type != "message":
                return
            numbers = [message["data"]["number"] for message in ctx.data.data]
            if poisonous & set(numbers):
                msg = "poison"
                raise RuntimeError(msg)
            handled.extend(numbers)

    settings = emea_settings()
    settings.topics[TOPIC] = TopicSettings(
        guaranteed=True, delivery=DeliverySettings(longest_pause=5.0, ack_timeout=5.0)
    )
    emea = await start(nursery, network, "emea", settings)
    for number in range(500):
        await emea.publish(TOPIC, {"number": number})
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Hook])
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: GRAVE in emea.store.ledger.topics)
    assert sorted(handled) == [number for number in range(500) if number not in poisonous]
    assert len(handled) == 499
    [dead] = await emea.invoke("isthmus.admin.messages", {"topic": GRAVE})
    assert (dead["data"], dead["original_topic"]) == ({"number": 137}, TOPIC)
    assert "given up after 16 attempts" in dead["reason"]
    poisonous.clear()
    assert await emea.invoke("isthmus.admin.replay-messages", {"topic": GRAVE}) == {"topics": [TOPIC]}
    await until(lambda: len(handled) == 500)
    assert handled[-1] == 137
    assert await emea.invoke("isthmus.admin.messages", {"topic": GRAVE}) == []


async def test_topics_and_subscriptions_are_listed_and_messages_deleted(network: MemoryNetwork, nursery: Any) -> None:
    """What waits for whom; a deleted message reaches nobody; an unknown topic is said to be one."""
    emea = await start(nursery, network, "emea", emea_settings())
    for number in range(3):
        await emea.publish(TOPIC, number)
    [topic] = await emea.invoke("isthmus.admin.topics")
    assert (topic["topic"], topic["guaranteed"], topic["subscriptions"]) == (TOPIC, 3, 0)
    assert await emea.invoke("isthmus.admin.delete-messages", {"topic": TOPIC, "places": [2, 99]}) == {"deleted": 1}
    hooks: list[Any] = []

    class Hook(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            hooks.append(self.request.payload["ctx"])

    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Hook])
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: any(event.type == "message" for event in hooks))
    assert [message["data"] for message in hooks[-1].data.data] == [0, 2]
    await until(lambda: emea.store.ledger.topics[TOPIC].subscriptions)
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    assert (subscription["topic"], subscription["owner"]) == (TOPIC, f"apac apac/{CONNECTION}")
    with pytest.raises(NotFound, match="nothing was ever published"):
        await emea.invoke("isthmus.admin.messages", {"topic": "/no/such"})
