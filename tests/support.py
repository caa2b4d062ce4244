"""What many tests share: the two clusters of the sample as settings, and ways to start them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from actors.actor import Actor
from actors.audit import NO_AUDIT, Audit
from actors.secret import Secret
from actors.settings import ChannelSettings, Compat, EndpointSettings, OutgoingSettings, SecuritySettings, TopicSettings
from actors.signals import Tracer
from actors.topics.catalogue import Catalogue
from runtime.cluster import Cluster, Ports, Stores
from runtime.config.schema import ClusterSettings
from runtime.deployer import Deployment
from runtime.observe.watched import MakeMonitor
from runtime.ports import SystemClock, SystemEntropy, SystemThreads
from runtime.store.group import SystemStoreThread
from runtime.store.schema import open_database
from runtime.store.sqlite import SqliteStore
from runtime.testing import InlineThreads, MemoryNetwork, SeededEntropy, SimulatedCluster
from runtime.transport.tcp import TcpNetwork
from tests.planted import PASSWORD

ADDRESS = "ws://127.0.0.1:47043/zato.wsx.gateway"
CONNECTION = "My WSX Outconn"


async def start(
    nursery: trio.Nursery,
    network: MemoryNetwork,
    name: str,
    settings: ClusterSettings,
    classes: Sequence[type[Actor]] = (),
    *,
    node: str = "",
    tracer: Tracer | None = None,
) -> SimulatedCluster:
    """Start a cluster at a node of a network in memory, which is called as the cluster where nothing else is said."""
    cluster = SimulatedCluster(
        name,
        settings,
        lambda: classes,
        network=network,
        entropy=SeededEntropy(node or name),
        nursery=nursery,
        node=node,
        tracer=tracer,
    )
    await cluster.start()
    return cluster


async def start_real(
    nursery: trio.Nursery,
    name: str,
    settings: ClusterSettings,
    classes: Sequence[type[Actor]] = (),
    *,
    deployment: Deployment | None = None,
    monitor: MakeMonitor | None = None,
    audit: Audit = NO_AUDIT,
) -> Cluster:
    """Start a cluster on real sockets, clocks and threads."""
    entropy, threads = SystemEntropy(), SystemThreads()
    catalogue = Catalogue(settings.topics)
    store = SqliteStore(
        open_database(None),
        thread=SystemStoreThread(),
        clock=SystemClock(),
        entropy=entropy,
        catalogue=catalogue,
        cluster=name,
    )
    ports = Ports(
        network=TcpNetwork(),
        clock=SystemClock(),
        entropy=entropy,
        threads=threads,
        processes=InlineThreads(SeededEntropy(0)),
        stores=Stores.of(store, catalogue),
        deployment=deployment,
        monitor=monitor,
        audit=audit,
    )
    cluster = Cluster(name, settings, classes, ports)
    await nursery.start(cluster.run)
    return cluster


def emea_settings(
    *,
    compat: Compat = Compat.ZATO_3_2,
    password: str = PASSWORD,
    topics: Sequence[str] = ("/customer/new",),
    address: str = ADDRESS,
    **channel: Any,
) -> ClusterSettings:
    return ClusterSettings(
        security={"apac": SecuritySettings("apac", Secret.of(password))},
        channels={
            "gateway": ChannelSettings(
                address=address,
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


def apac_settings(
    *, password: str = PASSWORD, hooks: bool = True, address: str = ADDRESS, **outgoing: Any
) -> ClusterSettings:
    names = {"on_connect": "hooks.all", "on_message": "hooks.all", "on_close": "hooks.all"} if hooks else {}
    return ClusterSettings(
        outgoing={
            CONNECTION: OutgoingSettings(
                address=address, username="apac", password=Secret.of(password), **names, **outgoing
            )
        }
    )
