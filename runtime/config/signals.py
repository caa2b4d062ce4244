"""What a server says of itself: its logs, and what it tells over HTTP."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from actors.settings import MIB

__all__ = ["KINDS", "AuditSettings", "LogFormat", "LogLevel", "LogSettings", "MonitoringSettings", "TraceSettings"]

KINDS = (
    "actor",
    "audit",
    "channel",
    "cluster",
    "deployer",
    "launcher",
    "link",
    "listener",
    "monitor",
    "outgoing",
    "pubsub",
    "server",
    "service",
    "session",
    "store",
    "subscriber",
    "subscription",
    "topic",
    "topics",
    "traces",
    "watchdog",
    "wsx",
)
"""The parts whose log lines can have a level of their own: kinds of actors, and what is around them."""


class LogLevel(Enum):
    """Which lines are written: those of this level, and of those after it."""

    DEBUG = "debug"  # what is of use when something is searched for
    INFO = "info"  # what happens
    WARNING = "warning"  # what may need somebody
    ERROR = "error"  # what went wrong


class LogFormat(Enum):
    """What a line of the log is."""

    CONSOLE = "console"  # for people
    JSON = "json"  # an object with timestamp, level, cluster, server, kind, actor, event and facts


@frozen
class LogSettings:
    """The log of every process of this file, on stderr; one line an event, and an exception's traceback with it."""

    level: LogLevel = LogLevel.INFO  # the lowest level that is written
    format: LogFormat = LogFormat.CONSOLE  # what a line is
    # other levels for parts, each by its kind, such as `session`, or kind and name, such as `"service:demo.echo"`
    levels: dict[str, LogLevel] = field(factory=dict)
    # of lines of one part that say the same, so many are written within `repeat_period`, and the rest is counted;
    # 0: all are written
    max_repeats: int = 50
    repeat_period: float = 10.0  # seconds, after which the next such line says how many more there were


@frozen
class MonitoringSettings:
    """What a server tells over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz`; see docs/metrics.md."""

    address: str | None = None  # where it listens: `"http://HOST:PORT"`; unset: nowhere, and nothing is measured
    # the security definition whose credentials `/metrics`, and the reasons at `/readyz`, are shown to; or `"none"`,
    # which is to be said where the address is not of this machine alone
    security: str | None = None


@frozen
class AuditSettings:
    """Who was let in or refused, and who changed what: JSON, a line each, in files of mode 0600."""

    file: Path | None = None  # where it is written; unset: `audit.log` in the data_dir
    max_size: int = 10 * MIB  # bytes of the file; then it is kept as `audit.log.1`, and the one of that name as `.2`
    keep: int = 10  # how many older files are kept


@frozen
class TraceSettings:
    """Where the servers of this file send spans of calls and messages, by OpenTelemetry; see docs/metrics.md."""

    # a collector that takes OTLP over HTTP: `"http://HOST:4318/v1/traces"`; unset: nowhere, and nothing is traced
    endpoint: str | None = None
    headers: dict[str, Any] = field(factory=dict, repr=False)  # what is sent along; texts or secrets
    # how many of the traces that begin here are kept, from 0 to 1; of others whoever began them decides
    ratio: float = 1.0
