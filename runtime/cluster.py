"""The composition root: from a configuration to a running tree of actors."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
import trio

from actors.actor import Actor
from actors.builtin import BUILTIN_SERVICES
from actors.channel import Channel, Gate
from actors.endpoint import Endpoint
from actors.outgoing import LinkIdentity, OutgoingConnection
from actors.ports import Clock, Entropy, Threads
from actors.service import Service
from actors.settings import ChannelSettings, OutgoingSettings, TopicSettings
from actors.supervision import ChildSpec
from actors.topic import Topic, TopicState
from runtime.admin.services import admin_services
from runtime.config.schema import ClusterSettings
from runtime.registry import Registry
from runtime.security import BasicGate
from runtime.store.memory import MemoryStore
from runtime.supervisor import Supervisor
from runtime.transport import Address, LinkOptions, Network, WebSocketDialer, WebSocketListener
from runtime.wire import NativeWire, Role, Wire, ZatoClientWire, ZatoServerWire

__all__ = ["Cluster"]

_ADMIN = ChannelSettings(
    address="ws://localhost:1/admin", service="helpers.web-sockets-gateway", security="admin-socket"
)
_COMPAT_PING = (45.0, 2)
_NATIVE_PING = (10.0, 1)

_log = structlog.get_logger(kind="cluster")


class Cluster:
    """One server of a cluster, in this process.

    Args:
        name: The cluster's name.
        settings: Its section of the configuration.
        classes: The users' actors.
        network: Carries links between clusters.
        admin_network: Carries administration, or None.
        clock: Wall-clock time.
        entropy: Randomness and ids.
        threads: Runs blocking code.
    """

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        classes: Sequence[type[Actor]],
        *,
        network: Network,
        admin_network: Network | None = None,
        clock: Clock,
        entropy: Entropy,
        threads: Threads,
    ) -> None:
        self.name = name
        self.registry = Registry(clock)
        self._settings = settings
        self._network = network
        self._admin_network = admin_network
        self._clock = clock
        self._entropy = entropy
        self._threads = threads
        self._identity = LinkIdentity(name, "server1", entropy.hex_id())
        self._store = MemoryStore(entropy.hex_id)
        self._classes: tuple[type[Actor], ...] = (*BUILTIN_SERVICES, *admin_services(self.registry, name), *classes)
        self._root: Supervisor | None = None
        self._stopped = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Start everything, in order, and live until `stop` has ended it or cancellation does."""
        async with trio.open_nursery() as nursery:
            root = self._root = Supervisor(nursery, self.registry, self._entropy, prepare=self._prepare)
            for spec in self._specs():
                root.start(spec)
            _log.info("started", actor=self.name, actors=len(self.registry.snapshot()))
            task_status.started()
            await self._stopped.wait()

    async def stop(self) -> None:
        """End in order, within `shutdown_timeout`: listeners and peers, outgoing connections, the rest."""
        root = self._root
        if root is None:
            return
        _log.info("stopping", actor=self.name)
        with trio.move_on_after(self._settings.shutdown_timeout):
            for kinds in (("channel",), ("outgoing",), ("service", "actor"), ("topic",)):
                await root.stop_all(kinds)
        await root.stop_all()
        self._stopped.set()

    def _prepare(self, actor: Actor) -> None:
        """Hand an instance what its class needs beyond its place."""
        actor.config = self._settings.config
        if isinstance(actor, Service):
            actor.equip(threads=self._threads, clock=self._clock, entropy=self._entropy)

    def _specs(self) -> list[ChildSpec]:
        specs = [self._topic(name, settings) for name, settings in self._settings.topics.items()]
        specs += [self._declared(cls) for cls in self._classes]
        specs += [self._outgoing(name, settings) for name, settings in self._settings.outgoing.items()]
        specs += [self._channel(name, settings) for name, settings in self._settings.channels.items()]
        if self._admin_network is not None:
            specs.append(self._admin_channel(self._admin_network))
        return specs

    def _declared(self, cls: type[Actor]) -> ChildSpec:
        return ChildSpec(
            "service" if issubclass(cls, Service) else "actor",
            cls.name or f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}",
            cls,
            restart=cls.restart,
            intensity=cls.intensity,
            backoff=cls.backoff,
            max_mailbox=cls.max_mailbox,
        )

    def _topic(self, name: str, settings: TopicSettings) -> ChildSpec:
        state = TopicState()
        return ChildSpec(
            "topic",
            name,
            lambda: Topic(settings, state, store=self._store, clock=self._clock, entropy=self._entropy),
        )

    def _outgoing(self, name: str, settings: OutgoingSettings) -> ChildSpec:
        options = LinkOptions(
            ping_interval=settings.ping_interval,
            pings_missed_threshold=settings.pings_missed_threshold,
            max_message_size=settings.max_message_size,
            handshake_timeout=settings.dial_timeout,
        )

        def make_wire(subprotocol: str | None) -> Wire:
            if subprotocol is None:
                return ZatoClientWire(timestamp=self._timestamp)
            return NativeWire(Role.CLIENT, timestamp=self._timestamp, max_message_size=settings.max_message_size)

        dialer = WebSocketDialer(
            self._network, Address.parse(settings.address), make_wire, options, entropy=self._entropy
        )
        return ChildSpec(
            "outgoing",
            name,
            lambda: OutgoingConnection(
                settings,
                dialer=dialer,
                identity=self._identity,
                entropy=self._entropy,
                threads=self._threads,
            ),
            max_mailbox=settings.max_waiting,
        )

    def _channel(self, name: str, settings: ChannelSettings) -> ChildSpec:
        gate: Gate | None = None
        if settings.security != "none":
            gate = BasicGate(self._settings.security[settings.security])
        return self._make_channel(name, settings, self._network, gate, self._endpoint_of(name, settings))

    def _admin_channel(self, network: Network) -> ChildSpec:
        return self._make_channel("admin", _ADMIN, network, None, None, is_admin=True)

    def _make_channel(
        self,
        name: str,
        settings: ChannelSettings,
        network: Network,
        gate: Gate | None,
        endpoint: Endpoint | None,
        *,
        is_admin: bool = False,
    ) -> ChildSpec:
        interval, threshold = _COMPAT_PING if settings.compat.value == "3.0" else _NATIVE_PING
        options = LinkOptions(
            ping_interval=interval if settings.ping_interval is None else settings.ping_interval,
            pings_missed_threshold=settings.pings_missed_threshold or threshold,
            max_message_size=settings.max_message_size,
        )

        def make_wire(subprotocol: str | None) -> Wire:
            if subprotocol is None:
                return ZatoServerWire(timestamp=self._timestamp, now=trio.current_time, token_ttl=settings.token_ttl)
            return NativeWire(Role.SERVER, timestamp=self._timestamp, max_message_size=settings.max_message_size)

        listener = WebSocketListener(
            network,
            Address.parse(settings.address),
            make_wire,
            options,
            entropy=self._entropy,
            allowed_origins=settings.allowed_origins,
            max_handshakes=settings.max_handshakes,
            max_links=settings.max_sessions,
        )
        return ChildSpec(
            "channel",
            name,
            lambda: Channel(
                settings,
                gate=gate,
                listener=listener,
                endpoint=endpoint,
                cluster=self.name,
                entropy=self._entropy,
                is_admin=is_admin,
            ),
        )

    def _endpoint_of(self, channel: str, settings: ChannelSettings) -> Endpoint | None:
        """Return what a channel's peers may do: the endpoint of the channel, else that of its security."""
        endpoints = self._settings.endpoints.items()
        for name, one in sorted(endpoints, key=lambda item: item[1].channel is None):
            if one.channel == channel or one.security == settings.security:
                return Endpoint(name, one.publish, one.subscribe)
        return None

    def _timestamp(self) -> str:
        return self._clock.utc_now().isoformat(timespec="microseconds")
