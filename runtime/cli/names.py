"""What the shell completes: the names of clusters, and of what they have, by clusters.toml and by those that run.

A file that is not right, or a cluster that does not run or does not answer soon, gives fewer names and no error:
whoever presses the tab key wants no sentence.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import trio
from cyclopts.completion import CompletionContext

from actors.errors import CallError, ConfigurationError
from runtime.admin.client import NotRunning, connect
from runtime.config import load

__all__ = ["channels", "clusters", "connections", "services", "sessions", "sub_keys", "topics"]

PATIENCE = 1.0
"""Seconds that a cluster may take to answer."""

T = TypeVar("T")


def clusters(context: CompletionContext) -> list[str]:
    """Return the clusters of the file."""
    return list(_sections(context))


def topics(context: CompletionContext) -> list[str]:
    """Return the topics that the file names, and those that the cluster has."""
    named = [name for name in _section(context, "topics") if "*" not in name]
    return _unique([*named, *(one["topic"] for one in _asked(context, "topics"))])


def channels(context: CompletionContext) -> list[str]:
    """Return the channels of the cluster."""
    return list(_section(context, "channels"))


def connections(context: CompletionContext) -> list[str]:
    """Return the outgoing connections of the cluster."""
    return list(_section(context, "outgoing"))


def services(context: CompletionContext) -> list[str]:
    """Return the services that run in the cluster."""
    found = _asked(context, "status")
    return [one["name"] for one in (found["actors"] if found else ()) if one["kind"] == "service"]


def sub_keys(context: CompletionContext) -> list[str]:
    """Return the subscriptions of the cluster."""
    return [one["sub_key"] for one in _asked(context, "subscriptions")]


def sessions(context: CompletionContext) -> list[str]:
    """Return the clients of the cluster's channels."""
    return [one["pub_client_id"] for one in _asked(context, "sessions")]


def _unique(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _value(context: CompletionContext, name: str, kind: Callable[[Any], T]) -> T | None:
    """Return what was said of another argument of the same command line."""
    other = context.get(name)
    found = None if other is None else other.value
    return kind(found) if isinstance(found, str | Path) else None


def _sections(context: CompletionContext) -> dict[str, Any]:
    """Return the sections of the clusters, of a file that may have mistakes otherwise."""
    path = _value(context, "--config", Path)
    try:
        found = tomllib.loads(path.read_text()).get("clusters") if path is not None else None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _section(context: CompletionContext, part: str) -> dict[str, Any]:
    cluster = _sections(context).get(_value(context, "cluster", str) or "")
    found = cluster.get(part) if isinstance(cluster, dict) else None
    return found if isinstance(found, dict) else {}


def _asked(context: CompletionContext, service: str) -> Any:
    """Return what an administrative service of the cluster tells; nothing where the cluster does not run."""
    path, cluster = _value(context, "--config", Path), _value(context, "cluster", str)
    if path is None or cluster is None:
        return ()
    try:
        configuration = load(path, [])
        if cluster in configuration.clusters:
            return trio.run(_ask, configuration.data_dir(cluster), service)
    except (CallError, ConfigurationError, NotRunning, OSError, trio.TooSlowError):
        pass
    return ()


async def _ask(data_dir: Path, service: str) -> Any:
    with trio.fail_after(PATIENCE):
        async with connect(data_dir) as admin:
            return await admin.invoke(f"isthmus.admin.{service}", {}, timeout=PATIENCE)
