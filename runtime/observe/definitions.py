"""The metrics of a server: the name, the kind, the labels and the meaning of each, as docs/metrics.md lists them."""

from __future__ import annotations

from enum import Enum

from attrs import frozen

__all__ = ["METRICS", "Definition", "Kind"]


class Kind(Enum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@frozen
class Definition:
    """A metric. Its name has its unit, and of a counter ends in `_total`, as Prometheus' conventions have it."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()


def _counter(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(name, Kind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(name, Kind.GAUGE, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str) -> Definition:
    return Definition(name, Kind.HISTOGRAM, meaning, labels)


_ALL = (
    _gauge("isthmus_info", "Always 1: which server this is, and of which version.", "cluster", "server", "version"),
    # the side that dials
    _gauge("isthmus_link_state", "1 for the state that a connection is in, 0 for others.", "connection", "state"),
    _counter("isthmus_link_reconnects_total", "Links that came after the first one.", "connection"),
    _counter("isthmus_link_failed_attempts_total", "Attempts that ended without a link.", "connection"),
    _counter("isthmus_calls_total", "Calls over a connection that ended, by how.", "connection", "outcome"),
    _histogram(
        "isthmus_call_duration_seconds", "Time from a call to its end, the wait for a link included.", "connection"
    ),
    _gauge("isthmus_calls_pending", "Calls that were handed to the link and have no answer yet.", "connection"),
    # the side that is dialled
    _gauge("isthmus_channel_listening", "1 while a channel listens at its address; of active channels.", "channel"),
    _gauge("isthmus_sessions", "Peers that are logged in.", "channel", "wire"),
    _counter("isthmus_sessions_opened_total", "Peers that have logged in.", "channel"),
    _counter("isthmus_logins_refused_total", "Log-ins that were refused.", "channel"),
    _counter("isthmus_requests_total", "Requests of peers that ended, by how.", "channel", "outcome"),
    _histogram("isthmus_request_duration_seconds", "Time from a peer's request to its answer.", "channel"),
    _gauge("isthmus_requests_in_flight", "Requests of peers that are under way.", "channel"),
    # services and other actors
    _counter(
        "isthmus_service_invocations_total",
        "Requests that a service was run for, by how they ended.",
        "service",
        "outcome",
    ),
    _histogram("isthmus_service_duration_seconds", "Time that a service took for a request.", "service"),
    _counter(
        "isthmus_service_requests_refused_total",
        "Requests that came to their turn too late, and were refused for the service is overloaded.",
        "service",
    ),
    _gauge("isthmus_actors", "Actors by what they are and the state they are in.", "kind", "state"),
    _counter("isthmus_actor_restarts_total", "Restarts of actors after crashes.", "kind", "actor"),
    _gauge("isthmus_mailbox_messages", "Messages that wait in mailboxes.", "kind", "actor"),
    _counter("isthmus_mailbox_dropped_messages_total", "Messages that made room in full mailboxes.", "kind", "actor"),
    # topics
    _counter("isthmus_messages_published_total", "Messages that were taken from publishers.", "topic"),
    _counter("isthmus_messages_rejected_total", "Messages that publishers were refused.", "topic"),
    _counter("isthmus_messages_delivered_total", "Messages that were sent to subscribers, each time counted.", "topic"),
    _counter("isthmus_messages_redelivered_total", "Those of them that had been sent before.", "topic"),
    _counter("isthmus_messages_acknowledged_total", "Messages that subscribers were done with.", "topic"),
    _counter("isthmus_deliveries_failed_total", "Deliveries that were refused or not answered in time.", "topic"),
    _counter(
        "isthmus_messages_dead_lettered_total",
        "Messages that moved to the dead-letter topic, by their own topic.",
        "topic",
    ),
    _gauge("isthmus_subscriptions", "Subscriptions.", "topic"),
    _gauge("isthmus_subscriptions_detached", "Those of them that no session is there for.", "topic"),
    _gauge("isthmus_queue_messages", "Messages that wait or are not acknowledged, over all subscriptions.", "topic"),
    _gauge("isthmus_queue_deepest_messages", "The same in the deepest queue.", "topic"),
    _gauge(
        "isthmus_queue_oldest_age_seconds",
        "For how long the oldest guaranteed message has not been acknowledged.",
        "topic",
    ),
    # the store
    _histogram("isthmus_store_commit_duration_seconds", "Time of a transaction, the way to its thread included."),
    _counter("isthmus_store_operations_total", "What was done in these transactions, many in one."),
    _counter("isthmus_store_failures_total", "Transactions that could not be committed."),
    _gauge("isthmus_store_size_bytes", "The store's file, or its write-ahead log.", "file"),
    # the process; see also process_* and python_gc_*
    _histogram("isthmus_event_loop_lag_seconds", "By how much a timer of the event loop was late."),
    _gauge("isthmus_event_loop_tasks", "Tasks of the event loop."),
    _counter("isthmus_log_events_total", "Lines of the log, with those that were left out as repeating.", "level"),
)

METRICS = {one.name: one for one in _ALL}
"""All metrics by name."""
