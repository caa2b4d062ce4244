"""How many files and sockets a server may have open, beside how many it may come to need."""

from __future__ import annotations

import resource

import structlog

from runtime.config.schema import ClusterSettings

__all__ = ["OTHERS", "needed_descriptors", "raise_limit"]

OTHERS = 200
"""What a server needs beside its links: the store, logs, listening and admin sockets, worker processes, modules."""

_log = structlog.get_logger(kind="server")


def needed_descriptors(settings: ClusterSettings) -> int:
    """Return how many a cluster needs at most: one for each session that channels let in, and each connection."""
    sessions = sum(channel.max_sessions for channel in settings.channels.values() if channel.active)
    return sessions + len(settings.outgoing) + OTHERS


def raise_limit(settings: ClusterSettings) -> None:
    """Raise this process's own limit as far as it is needed and allowed; say so where that is not enough."""
    needed = needed_descriptors(settings)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # where the system has a limit of its own below the hard one
        wanted = soft
    if wanted < needed:
        _log.warning(
            "too few files may be open for all sessions that the channels let in",
            limit=wanted,
            needed=needed,
            remedy="raise LimitNOFILE or ulimit -n, or lower max_sessions",
        )
