"""What whoever watches a server over HTTP is given of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from actors.meters import Meters
from actors.ports import Clock, Threads
from actors.signals import Tracer
from actors.supervision import ChildSpec
from actors.topics.catalogue import Catalogue
from runtime.config.schema import ClusterSettings
from runtime.registry import Registry
from runtime.store.gauges import StoreGauges

__all__ = ["MakeMonitor", "Watched", "Watching"]


@frozen
class Watched:
    """A running server.

    Args:
        cluster: The cluster's name.
        server: The server's.
        settings: Gives what the cluster is set to now.
        phase: Tells `running`, or why the server as a whole is not ready: `starting`, `stopping`.
        registry: All actors.
        meters: What is counted and timed where it happens.
        catalogue: Which topics are configured.
        gauges: How the store is.
        store: The store's file, or None where it is in memory.
        threads: Where passwords are verified.
        clock: The time that tokens are valid at.
    """

    cluster: str
    server: str
    settings: Callable[[], ClusterSettings]
    phase: Callable[[], str]
    registry: Registry
    meters: Meters
    catalogue: Catalogue
    gauges: StoreGauges
    store: Path | None
    threads: Threads
    clock: Clock


MakeMonitor = Callable[[Watched], ChildSpec]
"""Makes the actor that answers those who watch."""


@frozen
class Watching:
    """What a server is watched with: over HTTP, and by traces; None for what is not wanted."""

    monitor: MakeMonitor | None = None
    tracer: Tracer | None = None
