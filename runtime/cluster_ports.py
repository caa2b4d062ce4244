"""What a cluster is given of the outside."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from actors.audit import NO_AUDIT, Audit
from actors.ports import (
    Clock,
    Entropy,
    HandledStore,
    Processes,
    QueueStore,
    SubscriptionStore,
    Threads,
    TopicList,
    TopicStore,
)
from actors.signals import Tracer
from actors.supervision import ChildSpec
from actors.topics.catalogue import Catalogue
from runtime.applying import Applier
from runtime.deployer import Deployment
from runtime.observe.watched import MakeMonitor
from runtime.store.browse import StoreBrowser
from runtime.store.gauges import StoreGauges
from runtime.store.sqlite import SqliteStore
from runtime.transport import Network

__all__ = ["Ports", "Stores"]


@frozen
class Stores:
    """Where a cluster keeps things; one store is all of them, but for tests that want others.

    Args:
        catalogue: What topics are set to.
        messages: Where messages are.
        topics: Which topics there are beside those of the configuration.
        queues: How far subscriptions have come.
        subscriptions: Where it is kept who subscribes.
        handled: Where subscribers keep what they have handled.
        browser: Looks into the store, for administration.
        gauges: Tells how the store is.
        path: The store's file, or None where it is in memory.
    """

    catalogue: Catalogue
    messages: TopicStore
    topics: TopicList
    queues: QueueStore
    subscriptions: SubscriptionStore
    handled: HandledStore
    browser: StoreBrowser
    gauges: StoreGauges
    path: Path | None = None

    @classmethod
    def of(cls, store: SqliteStore, catalogue: Catalogue, path: Path | None = None) -> Stores:
        """Use one store for all."""
        return cls(catalogue, store, store, store, store, store, StoreBrowser(store), StoreGauges(store), path)


@frozen
class Ports:
    """What a cluster is given of the outside.

    Args:
        network: Carries links between clusters.
        clock: Wall-clock time.
        entropy: Randomness and ids.
        threads: Runs blocking code.
        processes: Runs heavy code.
        stores: Where things are kept.
        admin_network: Carries administration, or None.
        deployment: What hot deployment needs, where the users' classes come from files.
        applier: Reads clusters.toml anew, where the cluster comes from a file.
        monitor: Makes what answers those who watch the server, where it is to be watched.
        tracer: Makes spans of calls and messages, where they are to be traced.
        audit: Told who is let in or refused, and who changes what.
        audit_writer: Writes what it was told, where that is kept in a file.
    """

    network: Network
    clock: Clock
    entropy: Entropy
    threads: Threads
    processes: Processes
    stores: Stores
    admin_network: Network | None = None
    deployment: Deployment | None = None
    applier: Applier | None = None
    monitor: MakeMonitor | None = None
    tracer: Tracer | None = None
    audit: Audit = NO_AUDIT
    audit_writer: ChildSpec | None = None
