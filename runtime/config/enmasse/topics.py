"""Topics, endpoints and subscriptions of an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from actors.topics.catalogue import name_problem
from runtime.config.enmasse.report import Item

__all__ = ["endpoint_table", "subscription_table", "topic_table"]

Table = dict[str, Any]

_ROLES = ("pub-only", "sub-only", "pub-sub")
_LIMITS = ("limit_retention", "limit_message_expiry", "limit_sub_inactivity")
_DELIVERY = ("wait_sock_err", "wait_non_sock_err")
_NO_LIMIT = 100_000_000
"""Attempts from which on Zato's `delivery_max_retry`, by default 123456789, means that there is no limit."""


def topic_table(item: Item) -> Table | None:
    """Return a topic; one whose name cannot be is said, and is None."""
    if (problem := name_problem(item.name)) is not None:
        return item.left_out(problem)
    table: Table = {}
    for key, own in (("has_gd", "guaranteed"), ("is_active", "active"), ("is_api_sub_allowed", "is_api_sub_allowed")):
        if (value := item.flag(key)) is not None:
            table[own] = value
    for key in ("max_depth_gd", "max_depth_non_gd"):
        if (number := item.number(key)) is not None:
            table[key] = int(number)
    for key in _LIMITS:
        if (number := item.number(key)) is not None:
            table[key] = float(number)
    on_no_subs = item.text("on_no_subs_pub")
    if on_no_subs in ("accept", "drop"):
        table["on_no_subs"] = on_no_subs
    elif on_no_subs is not None:
        item.leave("on_no_subs_pub", "expected accept or drop")
    if (hook := item.text("hook_service_name")) is not None:
        table["hook_service"] = hook
    return table


def endpoint_table(item: Item, channels: Mapping[str, Table]) -> Table | None:
    """Return an endpoint of a channel or a service; one of anything else is said, and is None."""
    kind = item.text("endpoint_type") or "rest"
    table: Table = {}
    if kind == "wsx":
        channel = item.text("ws_channel_name")
        if channel not in channels:
            return item.left_out(f"its channel {channel!r} is not carried over")
        table["channel"] = channel
    elif kind in ("service", "srv"):
        service = item.text("service_name")
        if service is None:
            return item.left_out("it names no service")
        table["service"] = service
    else:
        return item.left_out(f"there is no place for endpoints of type {kind}")
    role = item.text("role")
    if role in _ROLES:
        table["role"] = role
    elif role is not None:
        return item.left_out(f"its role {role!r} is none of {', '.join(_ROLES)}")
    if item.flag("is_active") is False:
        item.leave("is_active", "Zato did not act on it")
    return table | _patterns(item)


def _patterns(item: Item) -> dict[str, list[str]]:
    """Return the patterns to publish and to subscribe to; those that Zato ignored are said."""
    lines = item.lines("topic_patterns") or ["pub=/*", "sub=/*"]
    found: dict[str, list[str]] = {"publish": [], "subscribe": []}
    for line in lines:
        kind, _, pattern = line.partition("=")
        own = {"pub": "publish", "sub": "subscribe"}.get(kind.strip())
        pattern = pattern.strip()
        if own is None or not pattern.startswith("/"):
            item.leave("topic_patterns", f"expected pub=/PATTERN or sub=/PATTERN, got {line!r}")
            continue
        # in Zato a pattern matches the beginning of a name, so that this one was used for all topics
        found[own].append("/**" if pattern == "/*" else pattern)
    return {key: list(dict.fromkeys(patterns)) for key, patterns in found.items() if patterns}


def subscription_table(item: Item, endpoints: Mapping[str, Table]) -> Table | None:
    """Return a service's subscription; one of anything else is said, and is None."""
    endpoint = item.text("endpoint_name")
    item.text("endpoint_type")
    service = endpoints.get(endpoint or "", {}).get("service")
    if service is None:
        kind = "clients of channels subscribe by themselves" if endpoint in endpoints else "it is not carried over"
        return item.left_out(f"its endpoint {endpoint!r} is none of a service: {kind}")
    topics = [topic for topic in item.lines("topic_list", "topic_list_json", "topic_name") if _is_topic(item, topic)]
    if not topics:
        return item.left_out("it names no topic")
    table: Table = {"service": service, "topics": list(dict.fromkeys(topics))}
    delivery: Table = {}
    if (size := item.number("delivery_batch_size")) is not None and size >= 1:
        delivery["delivery_batch_size"] = int(size)
    if (retries := item.number("delivery_max_retry")) is not None and 1 <= retries < _NO_LIMIT:
        delivery["delivery_max_retry"] = int(retries)
    for key in _DELIVERY:
        if number := item.number(key):
            delivery[key] = float(number)
    for key, own in (("wrap_one_msg_in_list", "wrap_one_msg_in_list"), ("delivery_err_should_block", "ordered")):
        if (value := item.flag(key)) is not None:
            delivery[own] = value
    if delivery:
        table["delivery"] = delivery
    return table


def _is_topic(item: Item, topic: str) -> bool:
    if (problem := name_problem(topic)) is not None:
        item.leave("topic_list", f"{topic!r}: {problem}")
    return problem is None
