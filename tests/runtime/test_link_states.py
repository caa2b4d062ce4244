"""The states of an outgoing connection: each is reached, recorded with its reason, and acted on."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import Backoff, LinkDown, LinkLost, Service
from actors.settings import WireFormat
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import Relay, until
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start

ECHO = {"message": {"service": "demo.echo", "request": 7}}


def states(cluster: SimulatedCluster) -> list[str]:
    return [one["state"] for one in cluster.entry("outgoing", CONNECTION)["transitions"]]


async def test_every_transition_is_recorded_with_its_reason(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """From the first dial over a lost link to the next one: when, why, which attempt, when the next is due."""
    emea = await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(hooks=False))
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.crash()
    await apac.until("outgoing", CONNECTION, "backoff")
    await trio.sleep(20)
    await emea.start()
    await apac.until("outgoing", CONNECTION, "ready")
    transitions = apac.entry("outgoing", CONNECTION)["transitions"]
    assert states(apac)[:6] == ["starting", "connecting", "authenticating", "subscribing", "ready", "backoff"]
    assert states(apac)[-4:] == ["connecting", "authenticating", "subscribing", "ready"]
    lost = transitions[5]
    assert "connection lost" in lost["reason"]
    refused = next(one for one in transitions[6:] if one["state"] == "backoff")
    assert "connection refused" in refused["reason"]
    assert refused["attempt"] == 1
    assert refused["next_attempt_at"] > refused["at"]


async def test_no_more_attempts_than_allowed(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """After max_connect_attempts in a row it stops, and calls fail at once with the last error."""
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, max_connect_attempts=3), [Relay])
    entry = await apac.until("outgoing", CONNECTION, "stopped")
    assert "3 attempts failed" in entry["detail"]["reason"]
    assert states(apac).count("connecting") == 3
    with pytest.raises(LinkDown, match="connection refused"):
        await apac.invoke("test.relay", ECHO)


async def test_without_auto_reconnect_a_lost_link_is_the_last(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """It dials until there is a link, and does not dial again when that ends."""
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, has_auto_reconnect=False))
    await apac.until("outgoing", CONNECTION, "backoff")
    await start(nursery, network, "emea", emea_settings())
    await apac.until("outgoing", CONNECTION, "ready")
    network.cut()
    entry = await apac.until("outgoing", CONNECTION, "stopped")
    assert entry["detail"]["reason"] == "has_auto_reconnect is false"


async def test_an_inactive_connection_says_so(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """It never dials, and calls fail at once."""
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, active=False), [Relay])
    await apac.until("outgoing", CONNECTION, "stopped")
    with pytest.raises(LinkDown, match="not active"):
        await apac.invoke("test.relay", ECHO)


async def test_several_addresses_are_tried_in_turn(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Those that fail are passed over without a pause, and one that works is kept."""
    other = ADDRESS.replace("47043", "47044")
    await start(nursery, network, "emea", emea_settings(address=other))
    settings = apac_settings(hooks=False, other_addresses=(other,), backoff=Backoff(5.0, 30.0))
    apac = await start(nursery, network, "apac", settings)
    await apac.until("outgoing", CONNECTION, "ready")
    assert states(apac).count("backoff") == 0
    network.cut()
    await apac.until("outgoing", CONNECTION, "connecting")
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["wire"] == "isthmus.1"


async def test_a_backoff_of_its_own_is_kept_to(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The waits between attempts stay below the connection's own ceiling."""
    settings = apac_settings(hooks=False, backoff=Backoff(first=0.1, longest=0.4))
    apac = await start(nursery, network, "apac", settings)
    began_at = trio.current_time()
    await until(lambda: states(apac).count("backoff") >= 20)
    assert trio.current_time() - began_at < 20 * 0.4


async def test_a_server_that_shuts_down_says_goodbye(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Both ends hear 1001: the one that is stopped as its own doing, the other as the remote's."""
    emea = await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(), [recorder()])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.stop()
    await until(lambda: len(apac.hooks) == 2)
    assert (apac.hooks[1].code, apac.hooks[1].origin) == (1001, "remote")
    emea = await start(nursery, network, "emea", emea_settings())
    await apac.until("outgoing", CONNECTION, "ready")
    await apac.stop()
    assert [event.type for event in apac.hooks] == ["connect", "close", "connect", "close"]
    assert (apac.hooks[3].code, apac.hooks[3].origin) == (1001, "local")


def recorder(**hooks: Any) -> type[Service]:
    """Return a hook service that does for each type of event what is given."""

    class Hooks(Service):
        name = "hooks.all"

        async def handle(self) -> Any:
            ctx = self.request.payload["ctx"]
            if ctx.type in hooks:
                return await hooks[ctx.type](ctx)
            return None

    return Hooks


async def test_messages_start_when_on_connect_has_ended(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A slow on_connect holds up on_message, and nothing else of the link."""
    order: list[str] = []

    async def on_connect(_ctx: Any) -> None:
        await trio.sleep(20)
        order.append("connected")

    async def on_message(_ctx: Any) -> None:
        order.append("message")

    emea = await start(nursery, network, "emea", emea_settings())
    settings = apac_settings(subscribe=("/customer/new",))
    apac = await start(nursery, network, "apac", settings, [recorder(connect=on_connect, message=on_message), Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish("/customer/new", "hello")
    assert await apac.invoke("test.relay", ECHO) == 7
    await until(lambda: len(order) == 2)
    assert order == ["connected", "message"]


async def test_a_hook_that_takes_too_long_is_cancelled(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """After hook_timeout it counts as failed: the message is refused and comes again; the link stays."""
    cancelled: list[float] = []

    async def hang_once(ctx: Any) -> None:
        if ctx.data.data[0]["delivery_count"] == 1:
            try:
                await trio.sleep_forever()
            finally:
                cancelled.append(trio.current_time())

    emea = await start(nursery, network, "emea", emea_settings())
    settings = apac_settings(subscribe=("/customer/new",), hook_timeout=7.0)
    apac = await start(nursery, network, "apac", settings, [recorder(message=hang_once)])
    await apac.until("outgoing", CONNECTION, "ready")
    began_at = trio.current_time()
    await emea.publish("/customer/new", "hello")
    await until(lambda: len(apac.hooks) == 3)
    assert cancelled == [pytest.approx(began_at + 7.0, abs=0.1)]
    assert apac.hooks[2].data.data[0]["delivery_count"] == 2
    assert states(apac)[-1] == "ready"


async def test_running_hooks_end_with_their_link(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """At the loss of a link a running on_message is cancelled, and on_close comes after it."""
    order: list[str] = []

    async def on_message(_ctx: Any) -> None:
        try:
            order.append("began")
            await trio.sleep_forever()
        finally:
            order.append("cancelled")

    async def on_close(_ctx: Any) -> None:
        order.append("closed")

    emea = await start(nursery, network, "emea", emea_settings())
    settings = apac_settings(subscribe=("/customer/new",))
    apac = await start(nursery, network, "apac", settings, [recorder(message=on_message, close=on_close)])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish("/customer/new", "hello")
    await until(lambda: order == ["began"])
    network.cut()
    await until(lambda: "closed" in order)
    assert order[:3] == ["began", "cancelled", "closed"]


async def test_a_link_whose_hooks_are_behind_is_throttled_then_closed(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Above the high mark of a format without credit nothing more is read; that ends the link with 1013 in time."""

    async def hang(_ctx: Any) -> None:
        await trio.sleep_forever()

    topics = [f"/customer/{number}" for number in range(6)]
    emea = await start(nursery, network, "emea", emea_settings(topics=topics))
    limits = {"max_unhandled": 4, "max_throttled_time": 9.0, "hook_timeout": 600.0}
    settings = apac_settings(subscribe=tuple(topics), wire=WireFormat.ZATO, **limits)
    apac = await start(nursery, network, "apac", settings, [recorder(message=hang), Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    for topic in topics:
        await emea.publish(topic, "hello")
    entry = await apac.until("outgoing", CONNECTION, "throttled")
    assert "messages wait for hooks" in entry["detail"]["reason"]
    with pytest.raises(LinkLost):
        await apac.invoke("test.relay", {**ECHO, "timeout": 60.0})
    await until(lambda: apac.hooks[-1].type == "close")
    assert (apac.hooks[-1].code, apac.hooks[-1].origin) == (1013, "local")
