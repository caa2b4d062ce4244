"""A topic's hook service decides about what is published and delivered, and hears of subscriptions."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import BadInput, Forbidden, HookAction, PubSubHook, RemoteError, Service
from actors.services.call import PeerIdentity
from actors.settings import DeliverySettings, TopicSettings
from actors.topics.delivery import Unsubscribe
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"


async def start_with(
    nursery: trio.Nursery, network: MemoryNetwork, hook: type[Service], **delivery: Any
) -> tuple[SimulatedCluster, SimulatedCluster, list[Any]]:
    """Start a cluster whose topic has a hook service, and one that subscribes; what arrives is in the list."""
    arrived: list[Any] = []

    class Receive(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if ctx.type == "message":
                arrived.extend(message["data"] for message in ctx.data.data)

    settings = emea_settings()
    settings.topics[TOPIC] = TopicSettings(
        guaranteed=True, hook_service=hook.name, delivery=DeliverySettings(**delivery)
    )
    emea = await start(nursery, network, "emea", settings, [hook])
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Receive])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac, arrived


@pytest.mark.parametrize("is_blocking", [False, True])
async def test_before_publish_may_change_skip_and_refuse(
    network: MemoryNetwork, nursery: Any, *, is_blocking: bool
) -> None:
    """Each publisher gets its own answer: an id, nothing, or why not; also from a method that is no coroutine."""

    def decide(ctx: Any) -> Any:
        if ctx.msg.data == "refuse":
            msg = "not this one"
            raise Forbidden(msg)
        if ctx.msg.data == "crash":
            raise ZeroDivisionError
        if ctx.msg.data == "spoil":
            ctx.msg.priority = 77
        if ctx.msg.data == "skip":
            return HookAction.SKIP
        ctx.msg.data = f"{ctx.msg.data} of {ctx.topic}"
        return None

    async def wait_and_decide(_self: Any, ctx: Any) -> Any:
        return decide(ctx)

    method: Any = (lambda _self, ctx: decide(ctx)) if is_blocking else wait_and_decide
    hook = type("Hook", (PubSubHook,), {"name": "test.hook", "before_publish": method})
    emea, _apac, arrived = await start_with(nursery, network, hook)
    assert await emea.publish(TOPIC, "one", msg_id="m1", correl_id="c1") == "m1"
    assert await emea.publish(TOPIC, "skip") is None
    with pytest.raises(Forbidden, match="not this one"):
        await emea.publish(TOPIC, "refuse")
    with pytest.raises(RemoteError, match=r"the hook 'test\.hook' failed: ZeroDivisionError"):
        await emea.publish(TOPIC, "crash")
    with pytest.raises(BadInput, match="priority: expected a whole number from 1 to 9, got 77"):
        await emea.publish(TOPIC, "spoil")
    await emea.publish(TOPIC, "two")
    await until(lambda: len(arrived) == 2)
    assert arrived == [f"one of {TOPIC}", f"two of {TOPIC}"]


async def test_before_delivery_may_put_off_and_delete(network: MemoryNetwork, nursery: Any) -> None:
    """What is put off comes after its pause; what is deleted, or the hook fails over for good, does not arrive."""
    asked: list[Any] = []

    class Hook(PubSubHook):
        name = "test.hook"

        async def before_delivery(self, ctx: Any) -> Any:
            asked.append((ctx.msg["data"], ctx.topic))
            match ctx.msg["data"]:
                case "later":
                    return None if len(asked) > 4 else "skip"
                case "never":
                    return "delete"
                case "fails":
                    return "no such action"
            return HookAction.DELIVER

    emea, _apac, arrived = await start_with(nursery, network, Hook, wait_non_sock_err=2.0)
    for data in ("later", "now", "never", "fails"):
        await emea.publish(TOPIC, data)
    await until(lambda: "later" in arrived)
    assert arrived == ["now", "later"]
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    assert subscription["waiting"] == 1
    assert ("fails", TOPIC) in asked


async def test_subscriptions_are_heard_of(network: MemoryNetwork, nursery: Any) -> None:
    """on_subscribed once for each new subscription, not for each link; on_unsubscribed at its end."""
    heard: list[Any] = []

    class Hook(PubSubHook):
        name = "test.hook"

        def on_subscribed(self, ctx: Any) -> None:
            heard.append(("subscribed", ctx.topic, ctx.owner))

        def on_unsubscribed(self, ctx: Any) -> None:
            heard.append(("unsubscribed", ctx.topic, ctx.owner))

    emea, apac, _arrived = await start_with(nursery, network, Hook)
    who = (TOPIC, f"apac apac/{CONNECTION}")
    await until(lambda: heard == [("subscribed", *who)])
    network.cut("apac", "emea")
    await apac.until("outgoing", CONNECTION, "backoff")
    network.heal()
    await apac.until("outgoing", CONNECTION, "ready")
    assert heard == [("subscribed", *who)]
    await emea.ref("topic", TOPIC).ask(Unsubscribe(PeerIdentity("apac", "apac", CONNECTION)))
    await until(lambda: len(heard) > 1)
    assert heard[1:] == [("unsubscribed", *who)]


async def test_a_hook_cannot_be_invoked_and_its_absence_refuses(network: MemoryNetwork, nursery: Any) -> None:
    """Only topics ask it; where it does not run, nothing is published."""

    class Hook(PubSubHook):
        name = "test.hook"

    emea, _apac, _arrived = await start_with(nursery, network, Hook)
    with pytest.raises(RemoteError, match=r"'test\.hook' is a topic's hook and cannot be invoked"):
        await emea.invoke("test.hook", {})
    settings = emea_settings(address="ws://127.0.0.1:47044/")
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, hook_service="not.there")
    other = await start(nursery, network, "other", settings)
    with pytest.raises(RemoteError, match=r"the topic's hook 'not\.there' gave no answer"):
        await other.publish(TOPIC, "x")
