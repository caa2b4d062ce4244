"""The composition root: from a configuration to a running tree of actors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
import trio
from attrs import evolve

from actors.actor import Actor
from actors.builtin import BUILTIN_SERVICES
from actors.channels.channel import Channel, Gate, SessionTable
from actors.channels.message_log import MessageLogs
from actors.connections.login import LinkIdentity
from actors.connections.outgoing import OutgoingConnection
from actors.mailbox import MailboxLimits
from actors.meters import Meters
from actors.services.service import Service
from actors.settings import ADMIN_CHANNEL, MIB, ChannelSettings, DeliveryOptions, OutgoingSettings, SubscriptionSettings
from actors.signals import Signals
from actors.supervision import ChildSpec
from actors.topics.catalogue import service_of
from actors.topics.delivery import TOPICS
from actors.topics.endpoint import Endpoint
from actors.topics.handling import Handling
from actors.topics.subscriber import Subscriber
from actors.topics.topic import TopicPorts
from actors.topics.topics import Topics
from runtime.admin.message_log import message_log_services
from runtime.admin.messages import store_services
from runtime.admin.plan import plan_services
from runtime.admin.services import admin_services
from runtime.admin.sessions import SESSION_SERVICES
from runtime.admin.store import backup_services
from runtime.changing import Changing, Outcome
from runtime.cluster_ports import Ports, Stores
from runtime.config.names import connection_name
from runtime.config.schema import ClusterSettings
from runtime.deployer import Deployer, Deployment, is_deployable, tell_all_deployed
from runtime.dialing import dialers_of, listening_network
from runtime.listening import listener_of
from runtime.observe.watched import Watched
from runtime.registry import Registry
from runtime.security import SecurityGate
from runtime.supervisor import Supervisor
from runtime.transport import Network, WebSocketListener

__all__ = ["SERVER", "Cluster", "Ports", "Stores"]

_ADMIN = ChannelSettings(
    address="ws://localhost:1/admin",
    service="helpers.web-sockets-gateway",
    security="admin-socket",
    max_message_size=16 * MIB,
)
SERVER = "server1"
"""The name of the one server of a cluster."""

SETUP_PATIENCE = 10.0
"""Seconds that channels wait for services to be set up."""

_log = structlog.get_logger(kind="cluster")


class Cluster:
    """One server of a cluster, in this process.

    Args:
        name: The cluster's name.
        settings: Its section of the configuration.
        classes: The users' actors.
        ports: What it is given of the outside.
    """

    def __init__(self, name: str, settings: ClusterSettings, classes: Sequence[type[Actor]], ports: Ports) -> None:
        self.name = name
        self.registry = Registry(ports.clock)
        self._settings = settings
        self._ports = ports
        self._identity = LinkIdentity(name, SERVER, ports.entropy.hex_id())
        self._message_logs = MessageLogs(ports.clock.timestamp)
        stores = ports.stores
        self._catalogue = stores.catalogue
        self._own_classes: tuple[type[Actor], ...] = (
            *BUILTIN_SERVICES,
            *admin_services(self.registry, name),
            *SESSION_SERVICES,
            *store_services(stores.browser),
            *message_log_services(self._message_logs),
            *backup_services(stores.path),
            *plan_services(ports.applier, self),
        )
        self._classes = tuple(cls for cls in classes if is_deployable(cls))
        self._topic_ports = TopicPorts(
            stores.messages, stores.topics, stores.queues, stores.subscriptions, ports.clock, ports.entropy
        )
        self._tables: dict[str, SessionTable] = {}
        self._listeners: dict[str, WebSocketListener] = {}
        self._handlings: dict[str, Handling] = {}
        self._changing: Changing
        self._root: Supervisor | None = None
        self._stopped = trio.Event()
        self.phase = "starting"
        is_watched = settings.monitoring.address is not None or ports.tracer is not None
        now = trio.lowlevel.current_clock().current_time
        self._signals = Signals(Meters(now), ports.tracer) if is_watched else None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start everything, in order, and live until `stop` has ended it or cancellation does."""
        async with trio.open_nursery() as nursery:
            root = self._root = Supervisor(nursery, self.registry, self._ports.entropy, prepare=self._prepare)
            self._changing = Changing(self, root, self._ports.network, nursery)
            inner, doors = self._specs()
            for spec in inner:
                root.start(spec)
            tell_all_deployed(self._classes)
            with trio.move_on_after(SETUP_PATIENCE) as patience:
                await root.wait_up(("topics", "service", "actor"))
            if patience.cancelled_caught:
                _log.warning("some services are not set up yet; channels open without them", actor=self.name)
            for spec in doors:
                root.start(spec)
            self.phase = "running"
            _log.info("started", actor=self.name, actors=len(self.registry.snapshot()))
            task_status.started()
            await self._stopped.wait()

    async def stop(self) -> None:
        """End in order, within `shutdown_timeout`: listeners and peers, outgoing connections, the rest."""
        root = self._root
        if root is None:
            return
        _log.info("stopping", actor=self.name)
        self.phase = "stopping"
        with trio.move_on_after(self._settings.shutdown_timeout):
            await self._changing.stop()
            for kinds in (
                (Deployer.kind,),
                ("channel",),
                ("outgoing", "subscriber"),
                ("service", "actor"),
                ("topics",),
            ):
                await root.stop_all(kinds)
        await root.stop_all(at_once=True)
        self._stopped.set()

    async def deploy(self, classes: Sequence[type[Actor]]) -> None:
        """Have other versions of users' actors run; those that stay the same are left alone.

        What waits for an actor is handled by its new version, what it has in hand is finished by the old one. Actors
        of names that are not there any more are stopped. A version that says that it is not to be deployed changes
        nothing.
        """
        root = self._root
        assert root is not None  # noqa: S101 - whoever deploys is one of its children
        before = {(cls.kind, cls.name): cls for cls in self._classes}
        after: dict[tuple[str, str], type[Actor]] = {}
        for cls in classes:
            key = (cls.kind, cls.name)
            if before.get(key) is cls or is_deployable(cls):
                after[key] = cls
            elif key in before:
                after[key] = before[key]
        async with trio.open_nursery() as nursery:
            for key, cls in after.items():
                if before.get(key) is not cls:
                    nursery.start_soon(root.replace, ChildSpec.of(cls))
            for kind, name in [key for key in before if key not in after]:
                nursery.start_soon(root.stop, kind, name)
        self._classes = tuple(after.values())
        tell_all_deployed([cls for key, cls in after.items() if before.get(key) is not cls])

    # Changes of the configuration

    @property
    def settings(self) -> ClusterSettings:
        """What the cluster is set to, which the file may not say any more, or not yet."""
        return self._settings

    @settings.setter
    def settings(self, settings: ClusterSettings) -> None:
        self._settings = settings

    @property
    def watched(self) -> Watched | None:
        """What whoever watches the server is given; None where nobody does."""
        stores, ports = self._ports.stores, self._ports
        if self._signals is None:
            return None
        return Watched(
            self.name,
            SERVER,
            lambda: self._settings,
            lambda: self.phase,
            self.registry,
            self._signals.meters,
            stores.catalogue,
            stores.gauges,
            stores.path,
            ports.threads,
            ports.clock,
        )

    @property
    def classes(self) -> Sequence[type[Actor]]:
        """The users' actors that run."""
        return self._classes

    async def change(self, target: ClusterSettings, classes: Sequence[type[Actor]]) -> Sequence[Outcome]:
        """Become what other settings say, as far as that goes without a restart; see `Changing.change`."""
        return await self._changing.change(target, classes)

    def spec_of(self, section: str, name: str) -> ChildSpec:
        """Return the actor of a table of clusters.toml, as the cluster is set now."""
        if section == "channels":
            return self._channel(name, self._settings.channels[name])
        if section == "outgoing":
            return self._outgoing(connection_name(name), self._settings.outgoing[name])
        return self._subscriber(name, self._settings.subscriptions[name])

    def deployer_spec(self) -> ChildSpec | None:
        """Return the actor that deploys changed files; None where there is nothing to deploy, or it is not wanted."""
        deployment = self._ports.deployment
        return self._deployer(deployment) if self._settings.hot_deploy and deployment is not None else None

    def _prepare(self, actor: Actor) -> None:
        """Hand an instance what its class needs beyond its place."""
        actor.config = self._settings.config
        actor.signals = self._signals
        actor.audit = self._ports.audit
        if isinstance(actor, Service):
            actor.equip(
                threads=self._ports.threads,
                processes=self._ports.processes,
                clock=self._ports.clock,
                entropy=self._ports.entropy,
                endpoint=self._endpoint_of(service=actor.name),
            )

    def _specs(self) -> tuple[list[ChildSpec], list[ChildSpec]]:
        """Return what is started first, and the channels, which are opened when the rest is up."""
        settings = self._settings
        inner = [self._topics()]
        if self._ports.monitor is not None and (watched := self.watched) is not None:
            inner.insert(0, self._ports.monitor(watched))
        if self._ports.audit_writer is not None:
            inner.insert(0, self._ports.audit_writer)
        inner += [ChildSpec.of(cls) for cls in (*self._own_classes, *self._classes)]
        inner += [self._subscriber(name, one) for name, one in settings.subscriptions.items()]
        inner += [self._outgoing(connection_name(name), one) for name, one in settings.outgoing.items()]
        if (deployer := self.deployer_spec()) is not None:
            inner.append(deployer)
        doors = [self._channel(name, one) for name, one in settings.channels.items()]
        if self._ports.admin_network is not None:
            doors.append(self._admin_channel(self._ports.admin_network))
        return inner, doors

    def _deployer(self, deployment: Deployment) -> ChildSpec:
        ports = self._ports
        return ChildSpec.of(
            Deployer,
            make=lambda: Deployer(deployment, self.deploy, clock=ports.clock, threads=ports.threads),
        )

    def _topics(self) -> ChildSpec:
        def make_subscriber(service: str, topic: str, options: DeliveryOptions) -> ChildSpec:
            settings = SubscriptionSettings(service, (topic,), options)
            return self._subscriber(f"{service} {topic}", settings, gives_messages=service_of(topic) is not None)

        return ChildSpec.of(
            Topics,
            name=TOPICS,
            make=lambda: Topics(self._catalogue, self._topic_ports, make_subscriber=make_subscriber),
        )

    def _subscriber(self, name: str, settings: SubscriptionSettings, *, gives_messages: bool = False) -> ChildSpec:
        handling = Handling(self._ports.stores.handled)
        entropy = self._ports.entropy
        return ChildSpec.of(
            Subscriber,
            name=name,
            make=lambda: Subscriber(settings, handling=handling, entropy=entropy, gives_messages=gives_messages),
        )

    def _outgoing(self, name: str, settings: OutgoingSettings) -> ChildSpec:
        ports = self._ports
        dialers = dialers_of(settings, ports.network, entropy=ports.entropy, timestamp=ports.clock.timestamp)
        handling = self._handlings.setdefault(name, Handling(self._ports.stores.handled))
        return ChildSpec(
            OutgoingConnection.kind,
            name,
            lambda: OutgoingConnection(
                settings,
                dialers=dialers,
                identity=self._identity,
                entropy=ports.entropy,
                clock=ports.clock,
                threads=ports.threads,
                handling=handling,
            ),
            mailbox=MailboxLimits(max_count=settings.max_waiting),
            has_children=OutgoingConnection.has_children,
        )

    def _channel(self, name: str, settings: ChannelSettings) -> ChildSpec:
        definitions = {one: self._settings.security[one] for one in settings.definitions}
        ports = self._ports
        gate = SecurityGate(definitions, settings, threads=ports.threads, clock=ports.clock) if definitions else None
        settings = evolve(settings, hook_service=settings.hook_service or self._settings.hook_service)
        of_channel = self._endpoint_of(channel=name)
        by_security = {one: of_channel or self._endpoint_of(security=one) for one in (*definitions, "none")}
        endpoints = {one: endpoint for one, endpoint in by_security.items() if endpoint is not None}
        return self._make_channel(name, settings, listening_network(settings, ports.network), gate, endpoints)

    def _admin_channel(self, network: Network) -> ChildSpec:
        return self._make_channel(ADMIN_CHANNEL, _ADMIN, network, None, {}, is_admin=True)

    def _make_channel(
        self,
        name: str,
        settings: ChannelSettings,
        network: Network,
        gate: Gate | None,
        endpoints: Mapping[str, Endpoint],
        *,
        is_admin: bool = False,
    ) -> ChildSpec:
        ports = self._ports
        listener = listener_of(
            name, settings, network, entropy=ports.entropy, timestamp=ports.clock.timestamp, audit=ports.audit
        )
        in_use = self._listeners.get(name)
        if in_use is not None and in_use.address == listener.address:
            in_use.adopt(listener)
            listener = in_use
        self._listeners[name] = listener
        table = self._tables.setdefault(name, SessionTable())
        return ChildSpec.of(
            Channel,
            name=name,
            make=lambda: Channel(
                settings,
                table,
                gate=gate,
                listener=listener,
                endpoints=endpoints,
                cluster=self.name,
                subscriptions=self._ports.stores.subscriptions,
                clock=self._ports.clock,
                entropy=self._ports.entropy,
                logs=self._message_logs,
                is_admin=is_admin,
            ),
        )

    def _endpoint_of(self, **attached_to: str) -> Endpoint | None:
        """Return the endpoint of a channel, of a security definition, or of a service; see `EndpointSettings`."""
        [(key, name)] = attached_to.items()
        endpoints = self._settings.endpoints.items()
        return next((Endpoint.of(own, one) for own, one in endpoints if getattr(one, key) == name), None)
