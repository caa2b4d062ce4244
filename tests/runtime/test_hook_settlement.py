"""What an on_message hook may do with the messages of a delivery, on both wires."""

from __future__ import annotations

from typing import Any

import trio

from actors import MessageReceived, Service
from actors.settings import DeliverySettings, TopicSettings
from runtime.config import ClusterSettings
from runtime.testing import MemoryNetwork
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"


def settings_with(**delivery: Any) -> ClusterSettings:
    settings = emea_settings()
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, delivery=DeliverySettings(**delivery))
    return settings


async def test_a_hook_longer_than_the_ack_timeout_runs_once(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """A native subscriber says that it goes on; one that cannot say it does not run the hook again."""
    running: list[int] = []
    most = 0

    class Slow(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            nonlocal most
            ctx = self.request.payload["ctx"]
            if isinstance(ctx, MessageReceived):
                running.append(len(ctx.data.data))
                most = max(most, len(running))
                await trio.sleep(50)
                running.pop()

    emea = await start(nursery, network, "emea", settings_with(ack_timeout=10.0, wait_non_sock_err=1.0))
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Slow])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish(TOPIC, "slow")
    await until(lambda: len(running) == 1)
    await until(lambda: emea.store.ledger.topics[TOPIC].live[0].depth_gd == 0)
    assert (most, len(apac.hooks)) == (1, 2)  # on_connect, one on_message
    [subscription] = [one for one in emea.actors() if one["kind"] == "subscription"]
    assert subscription["counts"].get("failed", 0) == (0 if wire == "isthmus.1" else subscription["counts"]["failed"])


async def test_parts_of_a_delivery_are_settled_by_the_hook(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """What it refuses comes again, later if it wishes so; what it acknowledged does not, though it raised then."""
    seen: list[list[int]] = []
    at: dict[int, list[float]] = {}

    class Hook(Service):
        name = "hooks.all"

        async def handle(self) -> None:
            ctx = self.request.payload["ctx"]
            if not isinstance(ctx, MessageReceived):
                return
            numbers = [message["data"] for message in ctx.data.data]
            seen.append(numbers)
            for message in ctx.data.data:
                at.setdefault(message["data"], []).append(trio.current_time())
                if message["data"] == 1 and len(at[1]) < 3:
                    ctx.refuse(message["msg_id"], "not yet", redeliver_after=100.0)
                elif message["data"] in (0, 2):
                    ctx.acknowledge(message["msg_id"])
            if 3 in numbers and len(at[3]) < 3:
                msg = "three"
                raise RuntimeError(msg)

    emea = await start(nursery, network, "emea", settings_with(ack_timeout=10.0, longest_pause=1.0))
    for number in range(4):
        await emea.publish(TOPIC, number)
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Hook])
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: emea.store.ledger.topics[TOPIC].live[0].depth_gd == 0)
    assert seen[0] == [0, 1, 2, 3]
    assert {number: len(times) for number, times in at.items()} == {0: 1, 1: 3, 2: 1, 3: 3}
    if wire == "isthmus.1":
        assert [later - earlier >= 100.0 for earlier, later in zip(at[1], at[1][1:], strict=False)] == [True, True]
