"""What to do so that a running cluster becomes what clusters.toml says now: the difference of two configurations.

Pure: it says which steps there are, in the order in which they are to be taken, and what each costs.
`runtime.changing` takes them. Secrets are compared by where they come from, and values are never part of a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
from attrs import evolve, frozen

from actors.secret import Secret
from actors.settings import OutgoingSettings
from runtime.config.schema import ClusterSettings

__all__ = ["CLUSTER", "Action", "Cost", "Step", "plan", "same", "taken"]

CLUSTER = "cluster"
"""The section of a cluster's own keys, as steps call it; such a step's name is the key."""

_TABLES = ("security", "channels", "outgoing", "topics", "subscriptions", "endpoints")
_SERVICES = "services"


class Action(Enum):
    """What becomes of a thing."""

    START = "start"
    STOP = "stop"
    CHANGE = "change"


class Cost(Enum):
    """What a step costs those who use the cluster meanwhile."""

    NOTHING = "nothing"
    END = "its end"
    RECONNECT = "a reconnect of this link"
    CHANNEL = "a restart of this channel, with its sessions"
    SUBSCRIBER = "a restart of this subscriber"
    SERVICE = "a restart of this service"
    SERVICES = "a restart of all services"
    SERVER = "a restart of the server"


@frozen
class Step:
    """One thing to start, stop or change.

    Args:
        action: What becomes of it.
        section: The table of clusters.toml that it is in.
        name: Its name there; of `services`, what is listed.
        keys: Which of its keys are different, where it changes.
        cost: What that costs.
        note: What else there is to know.
    """

    action: Action
    section: str
    name: str
    keys: tuple[str, ...] = ()
    cost: Cost = Cost.NOTHING
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can say it."""
        return {
            "action": self.action.value,
            "section": self.section,
            "name": self.name,
            "keys": list(self.keys),
            "cost": self.cost.value,
            "note": self.note,
        }


_AT_ONCE = {
    "channels": {
        "data_format",
        "extra_properties",
        "failed_login_period",
        "hook_service",
        "hook_timeout",
        "max_failed_logins",
        "max_in_flight",
        "plain_text",
        "remote_tracebacks",
        "service",
        "services_allowed",
        "unsub_on_wsx_close",
    },
    "outgoing": {
        "backoff",
        "has_auto_reconnect",
        "hook_timeout",
        "max_connect_attempts",
        "max_in_flight",
        "max_throttled_time",
        "max_unhandled",
        "max_waiting",
        "on_close",
        "on_connect",
        "on_message",
        "remote_tracebacks",
        "required",
        "subscribe",
        "subscriptions",
        "timeout",
    },
}
"""What an open link takes up; whatever is not here or below costs the link."""

_LATER = {
    "channels": {
        "allowed_addresses",
        "allowed_origins",
        "denied_addresses",
        "handshake_timeout",
        "is_audit_log_received_active",
        "is_audit_log_sent_active",
        "max_bytes_in_flight",
        "max_bytes_per_message_received",
        "max_bytes_per_message_sent",
        "max_deliveries_in_flight",
        "max_delivery_bytes_in_flight",
        "max_handshakes",
        "max_len_messages_received",
        "max_len_messages_sent",
        "max_message_size",
        "max_sessions",
        "max_sessions_per_address",
        "message_timeout",
        "new_token_wait_time",
        "ping_interval",
        "ping_timeout",
        "pings_missed_threshold",
        "sequential",
        "socket_write_timeout",
        "token_ttl",
        "trusted_proxies",
    },
    "outgoing": {
        "dial_timeout",
        "max_bytes_in_flight",
        "max_deliveries_in_flight",
        "max_delivery_bytes_in_flight",
        "max_message_size",
        "other_addresses",
        "ping_interval",
        "ping_timeout",
        "pings_missed_threshold",
        "socket_read_timeout",
        "socket_write_timeout",
    },
}
"""What holds from the next session, or the next link, on."""

_NEXT = {"channels": "open sessions keep", "outgoing": "the open link keeps"}
_LINK = {"channels": Cost.CHANNEL, "outgoing": Cost.RECONNECT}

_OF_CLUSTER = {
    "config": Cost.SERVICES,
    "hook_service": Cost.NOTHING,
    "hot_deploy": Cost.NOTHING,
    "shutdown_timeout": Cost.NOTHING,
}
"""What a cluster's own keys cost; all others cost a restart."""

_ORDER = (
    (Action.STOP, "channels"),
    (Action.STOP, "outgoing"),
    (Action.STOP, "subscriptions"),
    (Action.START, _SERVICES),
    (Action.CHANGE, CLUSTER),
    (Action.START, "topics"),
    (Action.CHANGE, "topics"),
    (Action.START, "security"),
    (Action.CHANGE, "security"),
    (Action.STOP, "endpoints"),
    (Action.CHANGE, "endpoints"),
    (Action.START, "endpoints"),
    (Action.CHANGE, "subscriptions"),
    (Action.START, "subscriptions"),
    (Action.CHANGE, "outgoing"),
    (Action.START, "outgoing"),
    (Action.CHANGE, "channels"),
    (Action.START, "channels"),
    (Action.STOP, "security"),
    (Action.STOP, "topics"),
    (Action.STOP, _SERVICES),
)
"""What others need comes before them and goes after them, and who gives an address up before who takes it."""

_STOPPED = {
    "channels": "its sessions end",
    "outgoing": "its link and its subscriptions end",
    "subscriptions": "what waits for it is given up",
    "topics": "what its queues hold stays in the store",
}


def plan(before: ClusterSettings, after: ClusterSettings) -> tuple[Step, ...]:
    """Return the steps from one configuration of a cluster to another, in their order; none where they are the same."""
    steps = [step for table in _TABLES for step in _of_table(table, getattr(before, table), getattr(after, table))]
    listed, wanted = dict.fromkeys(before.services), dict.fromkeys(after.services)
    steps += [Step(Action.START, _SERVICES, one) for one in wanted if one not in listed]
    steps += [Step(Action.STOP, _SERVICES, one, cost=Cost.END) for one in listed if one not in wanted]
    steps += [
        Step(Action.CHANGE, CLUSTER, key, (key,), _OF_CLUSTER.get(key, Cost.SERVER))
        for key in _different(before, after)
        if key not in (*_TABLES, _SERVICES)
    ]
    return tuple(sorted(steps, key=lambda step: (step.cost is Cost.SERVER, _ORDER.index((step.action, step.section)))))


def taken(running: ClusterSettings, step: Step, target: ClusterSettings) -> ClusterSettings:
    """Return what a cluster is set to when it has taken a step of its way to `target`."""
    if step.section == CLUSTER:
        return evolve(running, **{step.name: getattr(target, step.name)})
    if step.section == _SERVICES:
        listed = dict.fromkeys((*running.services, step.name))
        if step.action is Action.STOP:
            del listed[step.name]
        return evolve(running, services=tuple(listed))
    table = dict(getattr(running, step.section))
    if step.action is Action.STOP:
        del table[step.name]
    else:
        table[step.name] = getattr(target, step.section)[step.name]
    changed: dict[str, Any] = {step.section: table}
    return evolve(running, **changed)


def same(one: object, other: object) -> bool:
    """Tell whether two values of a configuration are the same; secrets are where they come from the same place."""
    return bool(_plain(one) == _plain(other))


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return ("secret", value.source)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if attrs.has(type(value)):
        return (type(value), {one.name: _plain(getattr(value, one.name)) for one in attrs.fields(type(value))})
    return (type(value), value)


def _different(before: Any, after: Any) -> tuple[str, ...]:
    """Return the keys in which two records differ."""
    if type(before) is not type(after):
        return ()
    names = [one.name for one in attrs.fields(type(before))]
    return tuple(name for name in names if not same(getattr(before, name), getattr(after, name)))


def _of_table(section: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Step]:
    steps = []
    for name, settings in after.items():
        if name not in before:
            steps.append(Step(Action.START, section, name, cost=_of_service(section, settings)))
        elif not same(before[name], settings):
            steps.append(_change(section, name, before[name], settings))
    for name, settings in before.items():
        if name not in after:
            cost = Cost.END if section in ("channels", "outgoing", "subscriptions") else _of_service(section, settings)
            steps.append(Step(Action.STOP, section, name, cost=cost, note=_STOPPED.get(section, "")))
    return steps


def _of_service(section: str, *settings: Any) -> Cost:
    """Return what an endpoint costs: a service learns what it may do when it starts."""
    is_of_service = section == "endpoints" and any(one.service is not None for one in settings)
    return Cost.SERVICE if is_of_service else Cost.NOTHING


def _change(section: str, name: str, before: Any, after: Any) -> Step:
    keys = _different(before, after)
    cost, note = Cost.NOTHING, ""
    if section in _LINK:
        later = [key for key in keys if key in _LATER[section]]
        costly = [key for key in keys if key not in _AT_ONCE[section] and key not in later]
        if costly or (isinstance(before, OutgoingSettings) and _has_other_options(before, after)):
            cost = _LINK[section]
        elif later:
            note = f"{_NEXT[section]} {', '.join(later)}"
    elif section == "subscriptions":
        cost = Cost.SUBSCRIBER
    elif section == "security":
        note = "open sessions go on"
    else:
        cost = _of_service(section, before, after)
    return Step(Action.CHANGE, section, name, keys, cost, note)


def _has_other_options(before: OutgoingSettings, after: OutgoingSettings) -> bool:
    """Tell whether a topic is subscribed to otherwise than before, which Zato's format cannot say of a subscription."""
    return any(topic in after.listed and after.listed[topic] != options for topic, options in before.listed.items())
