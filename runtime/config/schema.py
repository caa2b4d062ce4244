"""The shape of clusters.toml, as frozen data."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from actors.settings import (
    ChannelSettings,
    EndpointSettings,
    OutgoingSettings,
    SecuritySettings,
    SubscriptionSettings,
    TopicSettings,
)
from runtime.config.signals import AuditSettings, LogSettings, MonitoringSettings, TraceSettings

__all__ = ["ClusterSettings", "Configuration", "StoreKind", "StoreSettings", "Synchronous"]


class StoreKind(Enum):
    """Where messages are kept."""

    SQLITE = "sqlite"  # in a file of the data_dir
    MEMORY = "memory"  # guaranteed messages are refused


class Synchronous(Enum):
    """When SQLite waits for the disk."""

    FULL = "FULL"  # at each commit: a guaranteed message outlives a power cut
    NORMAL = "NORMAL"  # at checkpoints: it outlives the process, and a power cut may cost the last ones


@frozen
class StoreSettings:
    """The store of a cluster."""

    kind: StoreKind = StoreKind.SQLITE  # where messages are kept
    synchronous: Synchronous = Synchronous.FULL  # when SQLite waits for the disk


@frozen
class ClusterSettings:
    """One cluster: `[clusters.NAME]` and the tables below it."""

    services: tuple[str, ...] = ()  # files, folders or installed modules with the services of the cluster
    hot_deploy: bool = False  # whether changed files of services take the places of those that run
    data_dir: str = ""  # the folder for the cluster's files; unset: `".isthmus/CLUSTER"`
    shutdown_timeout: float = 10.0  # seconds that what is under way has when the cluster stops
    hook_service: str | None = None  # a service that hears of the peers of all channels that name none of their own
    store: StoreSettings = field(factory=StoreSettings)  # where guaranteed messages are kept
    audit: AuditSettings = field(factory=AuditSettings)  # who was let in or refused, and who changed what
    security: dict[str, SecuritySettings] = field(factory=dict)  # named credentials that channels check
    channels: dict[str, ChannelSettings] = field(factory=dict)  # addresses that the cluster listens on
    # channels of other clusters, or other WebSocket servers, that the cluster dials
    outgoing: dict[str, OutgoingSettings] = field(factory=dict)
    topics: dict[str, TopicSettings] = field(factory=dict)  # named streams of messages
    # services of this cluster that receive messages of its own topics
    subscriptions: dict[str, SubscriptionSettings] = field(factory=dict)
    endpoints: dict[str, EndpointSettings] = field(factory=dict)  # who may publish to, and subscribe to, which topics
    # where the server tells over HTTP how it is
    monitoring: MonitoringSettings = field(factory=MonitoringSettings)
    # values of your own, which services find in `self.config`; secrets as elsewhere
    config: dict[str, Any] = field(factory=dict, repr=False)


@frozen
class Configuration:
    """A whole file that was found to be right, with its text; `warnings` are sentences."""

    path: Path
    clusters: dict[str, ClusterSettings]
    warnings: tuple[str, ...] = ()
    text: str = field(default="", repr=False)
    log: LogSettings = field(factory=LogSettings)
    traces: TraceSettings = field(factory=TraceSettings)

    @property
    def folder(self) -> Path:
        """The folder that relative paths are relative to."""
        return self.path.resolve().parent

    def data_dir(self, cluster: str) -> Path:
        """Return where a cluster keeps its files."""
        return self.folder / (self.clusters[cluster].data_dir or f".isthmus/{cluster}")
