"""What the commands that need a running cluster share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import trio

from actors.errors import CallError, ConfigurationError
from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.failure import Failed
from runtime.config import ClusterSettings, Configuration, load

__all__ = ["ask_admin", "colour_of", "configuration_of", "data_dir_of", "not_running", "settings_of", "with_cluster"]

T = TypeVar("T")

_GOOD = frozenset(("ready", "running", "listening", "active", "delivering"))
_BAD = frozenset(("backoff", "rejected", "restarting", "cannot listen", "failed", "not running"))


def colour_of(state: str) -> str:
    """Return the colour in which an actor's state is shown."""
    return "green" if state in _GOOD else "red" if state in _BAD else "yellow"


def configuration_of(config: Path, clusters: list[str] | None = None) -> Configuration:
    """Read a configuration; its problems end the command with status 2.

    `clusters` are those whose secrets must exist: none where a running cluster is only talked to.
    """
    try:
        configuration = load(config, clusters)
    except ConfigurationError as error:
        raise Failed(*error.problems, status=2) from None
    return configuration


def data_dir_of(config: Path, cluster: str) -> Path:
    """Return where a cluster of a file keeps its own; one that is not there ends the command with status 2."""
    return _with_this(config, cluster).data_dir(cluster)


def settings_of(config: Path, cluster: str) -> ClusterSettings:
    """Return what a cluster of a file is set to; one that is not there ends the command with status 2."""
    return _with_this(config, cluster).clusters[cluster]


def _with_this(config: Path, cluster: str) -> Configuration:
    configuration = configuration_of(config, [])
    if cluster not in configuration.clusters:
        known = ", ".join(configuration.clusters)
        raise Failed(f"{config} describes no cluster {cluster!r}; there are: {known}", status=2)
    return configuration


def not_running(cluster: str) -> Failed:
    """Return what a command ends with whose cluster does not run."""
    return Failed(f"cluster {cluster!r} is not running; start it with: isthmus run --cluster {cluster}")


def with_cluster(config: Path, cluster: str, action: Callable[[AdminClient], Awaitable[T]]) -> T:
    """Run `action` with a session of a running cluster; what fails ends the command with status 1."""
    data_dir = data_dir_of(config, cluster)

    async def run() -> T:
        async with connect(data_dir) as admin:
            return await action(admin)

    try:
        return trio.run(run)
    except NotRunning:
        raise not_running(cluster) from None
    except CallError as error:
        raise Failed(f"{error} (status {error.status})") from None


def ask_admin(config: Path, cluster: str, service: str, **request: Any) -> Any:
    """Invoke an administrative service of a running cluster, by its name without the prefix, and return its result."""
    return with_cluster(config, cluster, lambda admin: admin.invoke(f"isthmus.admin.{service}", request))
