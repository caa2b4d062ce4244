"""Clusters in memory, for tests: the same actors, wires and supervisor over a simulated network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from actors.actor import Actor
from actors.call import Call
from actors.ref import ActorRef, actor_name
from actors.secret import Secret
from actors.settings import ChannelSettings, Compat, EndpointSettings, OutgoingSettings, SecuritySettings, TopicSettings
from runtime.cluster import Cluster
from runtime.config.schema import ClusterSettings
from runtime.ports import SystemClock, SystemEntropy, SystemThreads
from runtime.transport import Network

ADDRESS = "ws://127.0.0.1:47043/zato.wsx.gateway"
CONNECTION = "My WSX Outconn"


class Running:
    """A cluster that runs, and what tests ask of it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def ref(self, kind: str, name: str) -> ActorRef:
        return ActorRef(actor_name(kind, name), self.cluster.registry)

    async def invoke(self, service: str, data: object = None, *, timeout: float = 30.0) -> Any:
        return await self.ref("service", service).ask(Call(data), timeout=timeout)

    def entry(self, kind: str, name: str) -> dict[str, Any]:
        return next(one for one in self.cluster.registry.snapshot() if (one["kind"], one["name"]) == (kind, name))

    async def until(self, kind: str, name: str, state: str) -> dict[str, Any]:
        """Wait, on the mock clock, until an actor is in a state."""
        with trio.fail_after(600):
            while True:
                found = [one for one in self.cluster.registry.snapshot() if (one["kind"], one["name"]) == (kind, name)]
                if found and found[0]["state"] == state:
                    return found[0]
                await trio.sleep(0.05)


async def start(
    nursery: trio.Nursery,
    network: Network,
    name: str,
    settings: ClusterSettings,
    classes: Sequence[type[Actor]] = (),
) -> Running:
    cluster = Cluster(
        name,
        settings,
        classes,
        network=network,
        clock=SystemClock(),
        entropy=SystemEntropy(),
        threads=SystemThreads(),
    )
    await nursery.start(cluster.run)
    return Running(cluster)


def emea_settings(
    *,
    compat: Compat = Compat.ZATO_3_2,
    password: str = "right",
    topics: Sequence[str] = ("/customer/new",),
    **channel: Any,
) -> ClusterSettings:
    return ClusterSettings(
        security={"apac": SecuritySettings("apac", Secret.of(password))},
        channels={
            "gateway": ChannelSettings(
                address=ADDRESS,
                service="helpers.web-sockets-gateway",
                security="apac",
                services_allowed=("demo.*", "test.*"),
                compat=compat,
                **channel,
            )
        },
        endpoints={"apac": EndpointSettings(channel="gateway", publish=("/order/**",), subscribe=("/customer/**",))},
        topics={topic: TopicSettings(guaranteed=True) for topic in topics},
    )


def apac_settings(*, password: str = "right", hooks: bool = True, **outgoing: Any) -> ClusterSettings:
    names = {"on_connect": "hooks.all", "on_message": "hooks.all", "on_close": "hooks.all"} if hooks else {}
    return ClusterSettings(
        outgoing={
            CONNECTION: OutgoingSettings(
                address=ADDRESS, username="apac", password=Secret.of(password), **names, **outgoing
            )
        }
    )
