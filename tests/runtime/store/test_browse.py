"""What operators see of a store: topics, subscriptions, messages; dead letters go back where they came from."""

from __future__ import annotations

from typing import Any

import pytest

from actors import BadInput, Conflict, NotFound, Service
from actors.services.call import PeerIdentity
from actors.settings import DeliverySettings, TopicSettings
from actors.topics.publication import SubscriptionRecord, published_of
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


async def test_a_message_is_shown_and_edited(network: MemoryNetwork, nursery: Any) -> None:
    """Who waits for it, and how; what is changed is what arrives; wrong changes are named."""
    emea = await start(nursery, network, "emea", emea_settings())
    record = SubscriptionRecord("zpsk.1", TOPIC, PeerIdentity("apac", "apac", CONNECTION))
    await emea.store.subscribe(record)
    await emea.publish(TOPIC, {"a": 1}, correl_id="c1")
    await emea.publish(TOPIC, "in memory", has_gd=False)
    shown = await emea.invoke("isthmus.admin.show-message", {"topic": TOPIC, "place": 1})
    assert (shown["data"], shown["correl_id"], shown["waits_for"]) == ({"a": 1}, "c1", {"zpsk.1": "waiting"})
    for place, data in ((1, {"b": 2}), (2, "changed")):
        changes = {"data": data, "priority": 9 if place == 2 else 5, "expiration": 1000}
        request = {"topic": TOPIC, "place": place, "changes": changes}
        edited = await emea.invoke("isthmus.admin.edit-message", request)
        assert (edited["data"], edited["priority"]) == (data, changes["priority"])
        assert edited["expires"] is not None
    for changes, problem in (({"priority": 11}, "priority: expected"), ({"size": 1}, "'size' cannot be changed")):
        with pytest.raises(BadInput, match=problem):
            await emea.invoke("isthmus.admin.edit-message", {"topic": TOPIC, "place": 1, "changes": changes})
    taken = await emea.store.take("zpsk.1", 10, 1000)
    assert [published_of(one.body).data for one in taken.messages] == ["changed", {"b": 2}]
    with pytest.raises(Conflict, match="the message at place 1 is being delivered"):
        await emea.invoke("isthmus.admin.edit-message", {"topic": TOPIC, "place": 1, "changes": {"data": "late"}})
    with pytest.raises(NotFound, match="there is no message at place 7"):
        await emea.invoke("isthmus.admin.show-message", {"topic": TOPIC, "place": 7})


async def test_a_subscription_is_paused_cleared_and_ended(network: MemoryNetwork, nursery: Any) -> None:
    """What operators set outlives the subscriber's next link; what is cleared does not arrive, and others get it."""
    arrived: list[Any] = []

    class Hook(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if ctx.type == "message":
                arrived.extend(message["data"] for message in ctx.data.data)

    emea = await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Hook])
    await apac.until("outgoing", CONNECTION, "ready")
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    sub_key = subscription["sub_key"]

    async def set_status(status: str) -> Any:
        request = {"sub_key": sub_key, "options": {"active_status": status}}
        return await emea.invoke("isthmus.admin.set-subscription", request)

    assert await set_status("pub-only") == {"active_status": "pub-only"}
    await apac.crash()
    await apac.start()
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish(TOPIC, 1)
    assert (await emea.invoke("isthmus.admin.subscriptions"))[0]["waiting"] == 1
    assert await emea.invoke("isthmus.admin.clear-subscription", {"sub_key": sub_key}) == {"cleared": 1}
    await set_status("disabled")
    await emea.publish(TOPIC, 2)
    await set_status("pub-only")
    await emea.publish(TOPIC, 3)
    await set_status("sub-only")
    await emea.publish(TOPIC, 4)
    await until(lambda: bool(arrived))
    assert arrived == [3]
    await set_status("pub-sub")
    await emea.publish(TOPIC, 5)
    await until(lambda: len(arrived) == 2)
    await set_status("pub-only")
    await emea.publish(TOPIC, 6)
    assert await emea.invoke("isthmus.admin.end-subscription", {"sub_key": sub_key}) == {"topic": TOPIC}
    await until(lambda: GRAVE in emea.store.ledger.topics)
    [dead] = await emea.invoke("isthmus.admin.messages", {"topic": GRAVE})
    assert (dead["data"], dead["reason"]) == (6, "the subscription has ended")
    with pytest.raises(NotFound, match="there is no subscription"):
        await set_status("pub-sub")
