"""The cluster that Zato's client talks to: real sockets and clocks, and services that fail in each way."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
import trio

from actors import BadInput, Service, ServiceNotFound
from actors.settings import Compat, EndpointSettings, TopicSettings
from runtime.cluster import Cluster
from tests.processes import free_port
from tests.support import ADDRESS, emea_settings, start_real

GUARANTEED, MEMORY = "/customer/new", "/customer/seen"


class Fails(Service):
    """Fails in the way that it is asked to."""

    name = "test.fails"
    ways: ClassVar = {
        "bad input": BadInput("data: expected something better"),
        "not found": ServiceNotFound("No such customer"),
        "uncaught": RuntimeError("an internal detail"),
    }

    async def handle(self, way: str) -> None:
        raise self.ways[way]


class CallsBack(Service):
    """Asks all clients of the channel, its own caller among them."""

    name = "test.calls-back"

    async def handle(self, request: Any) -> Any:
        return await self.wsx.channel.invoke(channel_name="gateway", request=request)


def free_address() -> str:
    return ADDRESS.replace("47043", str(free_port()))


async def start_channel(
    nursery: trio.Nursery, address: str, *, compat: Compat = Compat.ZATO_3_2, **channel: Any
) -> Cluster:
    """Start the cluster; it listens when this returns."""
    settings = attrs.evolve(
        emea_settings(address=address, compat=compat, **channel),
        topics={GUARANTEED: TopicSettings(guaranteed=True), MEMORY: TopicSettings(guaranteed=False)},
        endpoints={"apac": EndpointSettings(channel="gateway", publish=("/customer/*",), subscribe=("/customer/*",))},
    )
    cluster = await start_real(nursery, "emea", settings, [Fails, CallsBack])
    await until_state(cluster, "listener", "listening")
    return cluster


async def until_state(cluster: Cluster, kind: str, state: str, *, number: int = 1) -> None:
    """Wait until so many actors of a kind are in a state."""
    revision = 0
    with trio.fail_after(30):
        while sum((one["kind"], one["state"]) == (kind, state) for one in cluster.registry.snapshot()) != number:
            revision = (await cluster.registry.wait_changes(revision)).revision
