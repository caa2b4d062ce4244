"""The scripted channel of Zato on a real socket, with real clocks: what the simulated network might not show."""

from __future__ import annotations

from typing import Any

import trio

from actors import ActorRef
from actors.services.call import Call
from actors.supervision import Backoff
from runtime.cluster import Cluster
from runtime.transport import Address
from runtime.transport.tcp import TcpNetwork
from tests.interop.test_zato_channel import TOPIC, echo, hooks
from tests.interop.zato_channel import ZatoChannel
from tests.processes import free_port
from tests.runtime.test_two_clusters import Relay
from tests.support import ADDRESS, apac_settings, start_real


async def until(condition: Any, cluster: Cluster) -> None:
    """Wait until what the registry shows, or the hooks were told, makes a condition true."""
    revision = 0
    with trio.fail_after(30):
        while not condition():
            with trio.move_on_after(0.1):
                revision = (await cluster.registry.wait_changes(revision)).revision


async def test_a_connection_lives_through_pings_deliveries_and_a_drop(nursery: trio.Nursery) -> None:
    """It invokes, takes what is delivered, answers pings and a request, and comes back with its subscription."""
    address = ADDRESS.replace("47043", str(free_port()))
    channel = ZatoChannel(
        TcpNetwork(), Address.parse(address), services={"demo.echo": echo}, backlog={TOPIC: [1, 2]}, ping_interval=0.2
    )
    await nursery.start(channel.serve)
    events: list[Any] = []
    settings = apac_settings(address=address, subscribe=(TOPIC,), backoff=Backoff(first=0.02, longest=0.05))
    apac = await start_real(nursery, "apac", settings, [Relay, hooks(events)])

    async def call(data: object) -> object:
        message = {"message": {"service": "demo.echo", "request": data}}
        return await ActorRef("service:test.relay", apac.registry).ask(Call(message), timeout=30.0)

    def received() -> list[object]:
        deliveries = [one.data.data for one in events if one.type == "message" and isinstance(one.data.data, list)]
        return [message["data"] for messages in deliveries for message in messages]

    assert await call({"large": "x" * 500_000}) == {"large": "x" * 500_000}
    await until(lambda: received() == [1, 2], apac)
    [first] = channel.connections
    await until(lambda: first.pongs >= 5, apac)
    assert await first.request("how are you") == {"heard": "how are you"}
    await first.drop()
    await until(lambda: len(channel.connections) == 2 and TOPIC in channel.connections[1].subscriptions, apac)
    await channel.connections[1].deliver(TOPIC, 3)
    await until(lambda: received()[-1] == 3, apac)
    assert await call("hello again") == "hello again"
    assert channel.ignored == []
    await apac.stop()
