"""Clusters of a test: the same actors, wires and supervisor as in production, on simulated streams and clocks."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from actors.actor import Actor
from actors.ref import ActorRef, actor_name
from actors.services.call import Call
from actors.services.service import Service
from actors.signals import Tracer
from actors.topics.catalogue import Catalogue
from actors.topics.publication import Publish
from runtime.cluster import Cluster, Ports, Stores
from runtime.config import ClusterSettings
from runtime.server import load_all
from runtime.store.schema import open_database
from runtime.store.sqlite import SqliteStore
from runtime.testing.ports import InlineThreads, RecordedAudit, SeededEntropy, SimulatedClock
from runtime.transport.memory import MemoryNetwork

__all__ = ["Clusters", "SimulatedCluster"]


class SimulatedCluster:
    """A cluster of one server, at a node of the simulated network that has the cluster's name.

    `hooks` are the events that its hook services were given, in order, and `audit` the entries of its audit log.
    """

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        classes: Callable[[], Sequence[type[Actor]]],
        *,
        network: MemoryNetwork,
        entropy: SeededEntropy,
        nursery: trio.Nursery,
        max_thread_delay: float = 0.0,
        node: str = "",
        tracer: Tracer | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.hooks: list[Any] = []
        self.audit: list[dict[str, Any]] = []
        self._node = node or name
        self._tracer = tracer
        self._classes = classes
        self._network = network
        self._entropy = entropy
        self._nursery = nursery
        self._threads = InlineThreads(entropy, max_thread_delay)
        self._database = open_database(None)
        self._life = _Life()
        self._life.is_dead = True

    # Its life

    async def start(self) -> None:
        """Start it, or start it again with the durable state that it had.

        Raises:
            RuntimeError: When it runs.
        """
        if self.is_running:
            msg = f"cluster {self.name!r} runs already"
            raise RuntimeError(msg)
        life = self._life = _Life()
        hook_names = {
            name
            for outgoing in self.settings.outgoing.values()
            for name in (outgoing.on_subscribe, outgoing.on_connect, outgoing.on_message, outgoing.on_close)
        }

        def record(event: Any) -> None:
            if not life.is_dead:
                self.hooks.append(event)

        classes = [
            _recorded(cls, record) if issubclass(cls, Service) and cls.name in hook_names else cls
            for cls in self._classes()
        ]
        clock = SimulatedClock()
        catalogue = Catalogue(self.settings.topics)
        store = self.store = SqliteStore(
            self._database,
            thread=self._threads,
            clock=clock,
            entropy=self._entropy,
            catalogue=catalogue,
            cluster=self.name,
        )
        ports = Ports(
            network=self._network.node(self._node),
            clock=clock,
            entropy=self._entropy,
            threads=self._threads,
            processes=self._threads,
            stores=Stores.of(store, catalogue),
            tracer=self._tracer,
            audit=RecordedAudit(self.audit),
        )
        self.cluster = Cluster(self.name, self.settings, classes, ports)
        await self._nursery.start(self._run, life)

    async def _run(self, life: _Life, task_status: trio.TaskStatus[None]) -> None:
        try:
            with life.scope:
                await self.cluster.run(task_status)
        finally:
            life.ended.set()

    async def stop(self) -> None:
        """Shut it down in order."""
        await self.cluster.stop()
        await self._life.ended.wait()

    async def crash(self) -> int:
        """End it as `kill -9` does, without a word to anyone; return how many connections that cost."""
        self._life.is_dead = True
        connections = self._network.crash(self._node)
        self._life.scope.cancel()
        await self._life.ended.wait()
        return connections

    def forget(self) -> None:
        """Give up its durable state; it cannot be started again."""
        self._database.close()

    @property
    def is_running(self) -> bool:
        """Tell whether it was started and has neither crashed nor ended."""
        return not self._life.ended.is_set() and not self._life.is_dead

    # What tests ask of it

    def ref(self, kind: str, name: str) -> ActorRef:
        """Return a reference to one of its actors."""
        return ActorRef(actor_name(kind, name), self.cluster.registry)

    async def invoke(self, service: str, data: object = None, *, timeout: float = 30.0, cid: str = "") -> Any:
        """Invoke one of its services and return the result, or raise what the service failed with."""
        return await self.ref("service", service).ask(Call(data), timeout=timeout, cid=cid)

    async def publish(self, topic: str, data: object, **options: Any) -> str:
        """Publish to one of its topics and return the message's id."""
        msg_id: str = await self.ref("topic", topic).ask(Publish.of(data, options))
        return msg_id

    def actors(self) -> list[dict[str, Any]]:
        """Return what the registry knows, as `isthmus status --json` shows it."""
        return self.cluster.registry.snapshot()

    def entry(self, kind: str, name: str) -> dict[str, Any]:
        """Return what the registry knows of one actor.

        Raises:
            LookupError: When there is none of that name.
        """
        for one in self.actors():
            if (one["kind"], one["name"]) == (kind, name):
                return one
        raise LookupError(actor_name(kind, name))

    async def until(self, kind: str, name: str, state: str, *, timeout: float = 600.0) -> dict[str, Any]:
        """Wait until an actor is in a state, and return its entry; a state may last for no time at all.

        Raises:
            trio.TooSlowError: When it is not within `timeout` seconds of the simulation.
        """
        revision = 0
        with trio.fail_after(timeout):
            while True:
                changes = await self.cluster.registry.wait_changes(revision)
                revision = changes.revision
                for one in changes.changed:
                    if (one["kind"], one["name"], one["state"]) == (kind, name, state):
                        return one
        raise AssertionError  # the loop above ends by returning or raising


class _Life:
    """One run of a cluster, from start to end."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.is_dead = False


def _recorded(cls: type[Service], record: Any) -> type[Service]:
    """Return a service that does as `cls` does, and has what it is given recorded first."""
    handle = cls.handle

    def note(service: Service) -> None:
        payload = service.request.payload
        if isinstance(payload, dict) and "ctx" in payload:
            record(payload["ctx"])

    @functools.wraps(handle)
    async def wait_for_it(self: Service, *arguments: Any) -> Any:
        note(self)
        return await handle(self, *arguments)

    @functools.wraps(handle)
    def call_it(self: Service, *arguments: Any) -> Any:
        note(self)
        return handle(self, *arguments)

    recorded = wait_for_it if inspect.iscoroutinefunction(handle) else call_it
    return type(cls.__name__, (cls,), {"__module__": cls.__module__, "name": cls.name, "handle": recorded})


class Clusters(Mapping[str, SimulatedCluster]):
    """The clusters of a test by name.

    Args:
        nursery: Where they run.
        network: What joins them; `network.cut("apac", "emea")` and its other faults name clusters.
        seed: Decides ids, backoff and delays.
    """

    def __init__(self, nursery: trio.Nursery, network: MemoryNetwork, *, seed: int = 0) -> None:
        self.network = network
        self._nursery = nursery
        self._seed = seed
        self._clusters: dict[str, SimulatedCluster] = {}

    def __getitem__(self, name: str) -> SimulatedCluster:
        return self._clusters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clusters)

    def __len__(self) -> int:
        return len(self._clusters)

    async def start(
        self,
        source: str | Path | Mapping[str, ClusterSettings],
        *,
        services: Callable[[str], Sequence[type[Actor]]] = lambda _name: (),
        max_thread_delay: float = 0.0,
    ) -> None:
        """Start clusters.

        Args:
            source: TOML text, the path of a file, or settings by cluster; relative paths in a text are relative to
                the current folder.
            services: Gives a cluster's services and actors beside those that the configuration names, anew for each
                start of the cluster, and once more where a text or file may name them.
            max_thread_delay: How many seconds of the simulation blocking code takes at most.

        Raises:
            ConfigurationError: With everything that is wrong with the configuration.
        """
        for name, (settings, classes) in _described(source, services).items():
            cluster = self._clusters[name] = SimulatedCluster(
                name,
                settings,
                functools.partial(_classes, classes, services, name),
                network=self.network,
                entropy=SeededEntropy(f"{self._seed}/{name}"),
                nursery=self._nursery,
                max_thread_delay=max_thread_delay,
            )
            await cluster.start()

    async def stop(self) -> None:
        """Shut down all that still run, the last one first."""
        for cluster in reversed(self._clusters.values()):
            if cluster.is_running:
                await cluster.stop()
            cluster.forget()


def _classes(
    loaded: Sequence[type[Actor]], services: Callable[[str], Sequence[type[Actor]]], name: str
) -> Sequence[type[Actor]]:
    return [*loaded, *services(name)]


def _described(
    source: str | Path | Mapping[str, ClusterSettings], services: Callable[[str], Sequence[type[Actor]]]
) -> dict[str, tuple[ClusterSettings, Sequence[type[Actor]]]]:
    if isinstance(source, Mapping):
        return {name: (settings, ()) for name, settings in source.items()}
    path, text = (source, None) if isinstance(source, Path) else (Path("clusters.toml"), source)
    configuration, loaded = load_all(path, text=text, more=services)
    return {name: (settings, loaded[name]) for name, settings in configuration.clusters.items()}
