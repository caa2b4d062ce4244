"""What a link does besides calls: subscribing late, being refused, sharing an address, carrying a heavy load."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import ActorRef, Connected, Service
from actors.builtin import pubsub
from actors.builtin.pubsub import CreateSubscription
from actors.services.call import Call
from actors.settings import DeliverFrom, DeliveryOptions, TopicSettings
from actors.topics.delivery import TOPICS, CreateTopic
from runtime.testing import MemoryNetwork
from tests.processes import free_port
from tests.runtime.test_two_clusters import Relay, recorder, until
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start, start_real


async def test_on_connect_calls_before_the_subscriptions_are_answered(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The remote takes long over a subscription; on_connect's own call has its answer meanwhile."""
    answered: list[Any] = []
    release = trio.Event()
    subscribe = pubsub.subscribe_peer

    async def late(*asked: Any, **options: Any) -> Any:
        await release.wait()
        return await subscribe(*asked, **options)

    monkeypatch.setattr(pubsub, "subscribe_peer", late)

    class OnConnect(Service):
        name = "hooks.all"

        async def handle(self, ctx: Connected) -> None:
            async with ctx.conn.client() as client:
                answered.append((await client.invoke("demo.echo", "hello")).data)

    await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",), timeout=60.0), [OnConnect])
    await until(lambda: answered)
    assert answered == ["hello"]
    assert apac.entry("outgoing", CONNECTION)["state"] == "subscribing"
    release.set()
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["subscribed"] == ["/customer/new"]


async def test_a_refused_topic_is_subscribed_to_later_on_the_same_link(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """What was refused at first is asked for again, and messages come without a new link."""
    events: list[Any] = []
    settings = emea_settings(topics=())
    emea = await start(nursery, network, "emea", settings)
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [recorder(events)])
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert "not allowed" in entry["detail"]["refused"]["/customer/new"]
    await emea.ref("topics", TOPICS).ask(CreateTopic("/customer/new", TopicSettings()))
    with trio.fail_after(60):
        while apac.entry("outgoing", CONNECTION)["detail"].get("refused"):
            await trio.sleep(0.1)
    await emea.invoke("zato.pubsub.pubapi.publish-message", {"topic_name": "/customer/new", "data": "hello"})
    await until(lambda: len(events) == 2)
    assert [event.type for event in events] == ["connect", "message"]
    assert apac.entry("outgoing", CONNECTION)["detail"]["subscribed"] == ["/customer/new"]


async def test_a_port_in_use_is_named_and_tried_again(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Everything else of the cluster runs meanwhile, and the channel listens when the port is free."""
    first = await start(nursery, network, "first", emea_settings())
    await first.until("listener", "gateway", "listening")
    second = await start(nursery, network, "second", emea_settings())
    entry = await second.until("listener", "gateway", "cannot listen")
    assert "in use" in entry["detail"]["reason"]
    assert await second.invoke("demo.echo", 7) == 7
    await first.stop()
    await second.until("listener", "gateway", "listening")


async def test_a_second_process_does_not_take_a_live_identity(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A link of another process is told `identity in use` by name, unless the older one does not answer a ping."""
    await start(nursery, network, "emea", emea_settings())
    first = await start(nursery, network, "apac", apac_settings(hooks=False))
    await first.until("outgoing", CONNECTION, "ready")
    twin = await start(nursery, network, "apac", apac_settings(hooks=False), node="twin")
    entry = await twin.until("outgoing", CONNECTION, "rejected")
    assert f"identity in use: apac/{CONNECTION}" in entry["detail"]["reason"]
    assert first.entry("outgoing", CONNECTION)["state"] == "ready"
    network.partition(["emea"], ["apac"])
    await twin.until("outgoing", CONNECTION, "ready")


async def test_full_load_in_both_directions_freezes_nothing(wire: str, nursery: trio.Nursery) -> None:
    """For ten seconds both ends send frames of 1 MiB as fast as they can over a real socket; heartbeats hold."""
    address = ADDRESS.replace("47043", str(free_port()))
    events: list[Any] = []
    size = 1024 * 1024

    limits: dict[str, Any] = {"max_message_size": 2 * size, "ping_interval": 0.5, "ping_timeout": 2.0}
    await start_real(nursery, "emea", emea_settings(address=address, **limits))
    apac = await start_real(nursery, "apac", apac_settings(address=address, **limits), [Relay, recorder(events)])
    relay = ActorRef("service:test.relay", apac.registry)
    frames = 0

    async def call_for_ever() -> None:
        nonlocal frames
        data = "x" * size
        while True:
            call = Call({"message": {"service": "demo.echo", "request": data}, "timeout": 30.0})
            answer = await relay.ask(call)
            assert answer == data
            frames += 2

    with trio.move_on_after(10):
        async with trio.open_nursery() as callers:
            for _ in range(8):
                callers.start_soon(call_for_ever)
    assert frames > 20
    assert [event.type for event in events] == ["connect"]
    [connection] = [one for one in apac.registry.snapshot() if one["kind"] == "outgoing"]
    assert [one["state"] for one in connection["transitions"]][-1] == "ready"
    assert "backoff" not in [one["state"] for one in connection["transitions"]][-3:]


async def test_each_listed_subscription_has_its_own_options_and_ends_when_it_is_listed_no_more(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Only what is set is sent; what is not listed any more is unsubscribed, what code subscribed to is not."""
    topics = ("/customer/new", "/customer/old", "/customer/extra")
    emea = await start(nursery, network, "emea", emea_settings(topics=topics))
    settings = apac_settings(
        subscribe=("/customer/old",),
        subscriptions={"/customer/new": DeliveryOptions(ordered=True, deliver_from=DeliverFrom.NOW)},
    )
    apac = await start(nursery, network, "apac", settings, [Relay, recorder([])])
    await apac.until("outgoing", CONNECTION, "ready")
    request = {"service": CreateSubscription.name, "request": {"topic_name": "/customer/extra"}}
    await apac.invoke("test.relay", {"message": request})
    found = {one["topic"]: one["options"] for one in await emea.invoke("isthmus.admin.subscriptions")}
    expected: dict[str, Any] = {"/customer/extra": {}, "/customer/old": {}}
    assert found == expected | {"/customer/new": {"ordered": True, "deliver_from": "now"}}
    await apac.stop()
    await until(lambda: not any(one["kind"] == "session" for one in emea.actors()))
    apac = await start(nursery, network, "apac", apac_settings(subscribe=("/customer/new",)), [recorder([])])
    await apac.until("outgoing", CONNECTION, "ready")
    found = {one["topic"]: one["options"] for one in await emea.invoke("isthmus.admin.subscriptions")}
    assert found == ({"/customer/extra": {}} if wire == "isthmus.1" else {}) | {"/customer/new": {}}
