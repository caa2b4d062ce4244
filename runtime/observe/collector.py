"""Reads off a running server what its metrics say: from the registry, the meters and the store, when somebody asks.

Labels are names of clusters.toml and of services, and words of the code: nothing that a peer chooses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import trio

from actors.meters import Meters, Work
from actors.topics.catalogue import Catalogue
from runtime.observe.families import Families
from runtime.observe.watched import Watched
from runtime.registry import Entry, Registry
from runtime.store.gauges import QueueDepth

__all__ = ["LINK_STATES", "collect"]

_VERSION = version("isthmus")

LINK_STATES = (
    "connecting",
    "authenticating",
    "subscribing",
    "ready",
    "throttled",
    "closing",
    "backoff",
    "rejected",
    "stopped",
)
"""The states of outgoing connections, as `actors.connections.outgoing` has them."""

_BY_NAME = ("service", "actor", "channel", "listener", "outgoing", "subscriber", "topics", "deployer", "monitor")
"""Kinds of actors that are told apart by name; of others, of which there may be any number, only the kind is said."""

_OF_TOPICS = {
    "published": "isthmus_messages_published_total",
    "refused": "isthmus_messages_rejected_total",
}
_OF_SUBSCRIPTIONS = {
    "messages_delivered": "isthmus_messages_delivered_total",
    "messages_redelivered": "isthmus_messages_redelivered_total",
    "messages_acknowledged": "isthmus_messages_acknowledged_total",
    "failed": "isthmus_deliveries_failed_total",
}


def collect(watched: Watched, log_events: Mapping[str, int], depths: Collection[QueueDepth]) -> Families:
    """Return the samples of all metrics as they are now.

    Args:
        watched: The server.
        log_events: How many lines of the log there were, by level.
        depths: What the store told just before.
    """
    families = Families()
    families.add("isthmus_info", 1, watched.cluster, watched.server, _VERSION)
    _actors(families, watched.registry)
    _services(families, watched.registry)
    _links(families, watched.registry)
    _channels(families, watched.registry)
    _topics(families, watched)
    _queues(families, watched.catalogue, depths)
    _meters(families, watched.meters)
    _store(families, watched)
    families.add("isthmus_event_loop_tasks", trio.lowlevel.current_statistics().tasks_living)
    for level, count in log_events.items():
        families.add("isthmus_log_events_total", count, level)
    return families


def _actors(families: Families, registry: Registry) -> None:
    for entry in registry.entries():
        families.add("isthmus_actors", 1, entry.kind, entry.state)
        labels = entry.kind, entry.name if entry.kind in _BY_NAME else ""
        families.add("isthmus_mailbox_messages", len(entry.mailbox), *labels)
        if labels[1]:
            _of_mailbox(families, entry.totals, *labels)
    for kind in {entry.kind for entry in registry.entries()} - {*_BY_NAME}:
        for counts in registry.totals(kind).values():
            _of_mailbox(families, counts, kind, "")


def _of_mailbox(families: Families, counts: Counter[str], *labels: str) -> None:
    families.add("isthmus_actor_restarts_total", counts["restarts"], *labels)
    families.add("isthmus_mailbox_dropped_messages_total", counts["dropped_from_mailbox"], *labels)


def _services(families: Families, registry: Registry) -> None:
    for entry in registry.entries("service"):
        if entry.counts["handled"]:  # most services of a cluster are never invoked
            families.add("isthmus_service_requests_refused_total", entry.counts["refused"], entry.name)


def _links(families: Families, registry: Registry) -> None:
    for entry in registry.entries("outgoing"):
        for state in LINK_STATES:
            families.add("isthmus_link_state", state == entry.state, entry.name, state)
        families.add("isthmus_link_reconnects_total", max(0, entry.counts["links"] - 1), entry.name)
        families.add("isthmus_link_failed_attempts_total", entry.counts["failed_attempts"], entry.name)
        families.add("isthmus_calls_pending", _gauge(entry, "pending"), entry.name)


def _channels(families: Families, registry: Registry) -> None:
    listening = {entry.name for entry in registry.entries("listener") if entry.state == "listening"}
    for entry in registry.entries("channel"):
        if entry.state == "active":
            families.add("isthmus_channel_listening", entry.name in listening, entry.name)
        families.add("isthmus_logins_refused_total", entry.counts["refused"], entry.name)
        families.add("isthmus_requests_in_flight", 0, entry.name)
    for entry in registry.entries("session"):
        channel = _name(entry.parent)
        if entry.state == "ready":
            families.add("isthmus_sessions", 1, channel, str(entry.detail.get("wire", "")))
        families.add("isthmus_requests_in_flight", _gauge(entry, "in_flight"), channel)
    for parent, counts in registry.totals("session").items():
        families.add("isthmus_sessions_opened_total", counts["opened"], _name(parent))


def _topics(families: Families, watched: Watched) -> None:
    registry, group_of = watched.registry, watched.catalogue.group_of
    for entry in registry.entries("topic"):
        group = group_of(entry.name)
        for what, metric in _OF_TOPICS.items():
            families.add(metric, entry.counts[what], group)
        families.at_least("isthmus_queue_oldest_age_seconds", _gauge(entry, "oldest"), group)
        for metric in (
            "isthmus_subscriptions_detached",
            "isthmus_messages_dead_lettered_total",
            *_OF_SUBSCRIPTIONS.values(),
        ):
            families.add(metric, 0, group)  # so that the first one shows as an increase
    for entry in registry.entries("subscription"):
        if not entry.detail.get("sessions"):
            families.add("isthmus_subscriptions_detached", 1, group_of(_name(entry.parent)))
    for parent, counts in registry.totals("subscription").items():
        for what, metric in _OF_SUBSCRIPTIONS.items():
            families.add(metric, counts[what], group_of(_name(parent)))
    for topic, count in watched.gauges.dead_lettered.items():
        families.add("isthmus_messages_dead_lettered_total", count, group_of(topic))


def _queues(families: Families, catalogue: Catalogue, depths: Collection[QueueDepth]) -> None:
    for one in depths:
        group = catalogue.group_of(one.topic)
        families.add("isthmus_subscriptions", one.subscriptions, group)
        families.add("isthmus_queue_messages", one.waiting, group)
        families.at_least("isthmus_queue_deepest_messages", one.deepest, group)


def _meters(families: Families, meters: Meters) -> None:
    _works(families, meters.made, "isthmus_calls_total", "isthmus_call_duration_seconds")
    _works(families, meters.requests, "isthmus_requests_total", "isthmus_request_duration_seconds")
    _works(families, meters.invocations, "isthmus_service_invocations_total", "isthmus_service_duration_seconds")
    families.time("isthmus_event_loop_lag_seconds", meters.lag)


def _works(families: Families, works: Mapping[str, Work], ended: str, duration: str) -> None:
    for name, work in works.items():
        if not work.outcomes:
            continue  # most services of a cluster are never invoked
        for outcome, count in work.outcomes.items():
            families.add(ended, count, name, outcome)
        families.time(duration, work.timing, name)


def _store(families: Families, watched: Watched) -> None:
    families.time("isthmus_store_commit_duration_seconds", watched.meters.commits)
    families.add("isthmus_store_operations_total", watched.meters.operations)
    families.add("isthmus_store_failures_total", watched.gauges.failures)
    for file, size in _sizes(watched.store):
        families.add("isthmus_store_size_bytes", size, file)


def _sizes(store: Path | None) -> Iterator[tuple[str, int]]:
    if store is not None:
        for file, path in (("store", store), ("log", store.with_name(f"{store.name}-wal"))):
            yield file, path.stat().st_size if path.exists() else 0


def _name(key: str) -> str:
    """Return an actor's name without its kind."""
    return key.partition(":")[2]


def _gauge(entry: Entry, what: str) -> float:
    """Return a number that an actor says how to find out; 0 before it has."""
    function = entry.gauges.get(what)
    value = None if function is None else function()
    return value if isinstance(value, int | float) else 0
