"""WebSocket channels and outgoing WebSocket connections of an export."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from actors.settings import ADMIN_CHANNEL
from runtime.config.enmasse.report import Item
from runtime.config.enmasse.security import Definition

__all__ = ["channel_table", "outgoing_table"]

Table = dict[str, Any]

_CHANNEL_NUMBERS = (
    "new_token_wait_time",
    "token_ttl",
    "ping_interval",
    "pings_missed_threshold",
    "max_len_messages_sent",
    "max_len_messages_received",
    "max_bytes_per_message_sent",
    "max_bytes_per_message_received",
)
_NO_SECURITY = ("zato-no-security", "ZATO_NONE", "none", "None")


def channel_table(item: Item, definitions: Mapping[str, Definition]) -> Table | None:
    """Return a channel; one that cannot be is said, and is None."""
    address, service = item.text("address"), item.text("service", "service_name")
    if address is None or service is None:
        return item.left_out("it has no address, or no service")
    if item.name == ADMIN_CHANNEL:
        return item.left_out(f"the channel of the admin socket is called {ADMIN_CHANNEL!r}")
    table: Table = {"address": address, "service": service, "security": "none"}
    if (named := item.text("sec_def", "security", "security_name")) is not None and named not in _NO_SECURITY:
        if named not in definitions:
            return item.left_out(f"its security definition {named!r} is not carried over")
        table["security"] = named
        if not definitions[named].is_active:
            table["active"] = False
    if item.flag("is_active") is False:
        table["active"] = False
    if address.startswith("wss://"):
        table["address"] = f"ws://{address.removeprefix('wss://')}"
        item.leave("address", "Zato left TLS to a proxy, and so does ws:// here; to serve wss:// set a certificate")
    if not _is_loopback(table["address"]):
        table["plain_text"] = True
    _copy_format(item, table)
    for key in _CHANNEL_NUMBERS:
        _copy_number(item, table, key)
    for key in ("is_audit_log_sent_active", "is_audit_log_received_active"):
        if item.flag(key):
            table[key] = True
    if (extra := item.take("extra_properties")) is not None:
        _copy_extra(item, table, extra)
    if "gateway" in service:
        item.leave("services_allowed", "a gateway invokes nothing that is not listed; name the services it may invoke")
    return table


def _copy_extra(item: Item, table: Table, extra: Any) -> None:
    try:
        properties = json.loads(extra) if isinstance(extra, str) else extra
    except ValueError:
        properties = None
    if not isinstance(properties, dict):
        item.leave("extra_properties", "expected an object of JSON")
    elif properties:
        table["extra_properties"] = {key: value for key, value in properties.items() if value is not None}


def _copy_format(item: Item, table: Table) -> None:
    data_format = item.text("data_format")
    if data_format not in (None, "json"):
        item.leave("data_format", "channels speak JSON only")


def _copy_number(item: Item, table: Table, key: str) -> None:
    number = item.number(key)
    if number == 0:
        item.leave(key, "expected more than 0")
    elif number is not None:
        whole = key.startswith(("max_", "pings_"))
        table[key] = number if whole else float(number)


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def outgoing_table(item: Item, definitions: Mapping[str, Definition]) -> Table | None:
    """Return an outgoing connection; one that is none to a WebSocket, or cannot be, is said, and is None."""
    kind = item.text("type_") or "outconn-wsx"
    if kind != "outconn-wsx":
        return item.left_out(f"connections of type {kind} have no place")
    address = item.text("address")
    if address is None:
        return item.left_out("it has no address")
    is_cluster = item.flag("is_zato") is not False
    table: Table = {"address": address}
    if not is_cluster:
        table["remote"] = "websocket"
    if item.flag("is_active") is False:
        table["active"] = False
    if item.flag("has_auto_reconnect") is False:
        table["has_auto_reconnect"] = False
    _copy_credentials(item, table, definitions, is_cluster=is_cluster)
    data_format = item.text("data_format")
    if data_format == "json" and not is_cluster:
        table["data_format"] = "json"
    elif data_format not in (None, "json"):
        item.leave("data_format", "frames are read as JSON, or not at all")
    hooks = {
        "on_connect": item.text("on_connect_service_name"),
        "on_message": item.text("on_message_service_name"),
        "on_close": item.text("on_close_service_name"),
    }
    table |= {key: service for key, service in hooks.items() if service is not None}
    _copy_topics(item, table, is_cluster=is_cluster)
    for key in ("ping_interval", "pings_missed_threshold", "max_connect_attempts", "socket_write_timeout"):
        _copy_number(item, table, key)
    timeout = item.number("socket_read_timeout")
    if timeout is not None and timeout > table.get("ping_interval", 10.0):
        table["socket_read_timeout"] = float(timeout)
    elif timeout is not None:
        item.leave("socket_read_timeout", "it is not longer than ping_interval; the heartbeat finds a silent peer")
    return table


def _copy_credentials(item: Item, table: Table, definitions: Mapping[str, Definition], *, is_cluster: bool) -> None:
    named = item.text("security_def", "security_name", "sec_def")
    if named is None or named in _NO_SECURITY:
        return
    if named not in definitions:
        item.leave("security_def", f"the security definition {named!r} is not carried over")
    elif not is_cluster:
        item.leave("security_def", "Zato did not use it with other WebSocket servers; set username and password")
    elif (login := definitions[named].login) is None:
        item.leave("security_def", "Zato's connections logged in with user name and password only")
    else:
        table |= login


def _copy_topics(item: Item, table: Table, *, is_cluster: bool) -> None:
    topics = item.lines("subscription_list")
    lister = item.text("on_subscribe_service_name")
    if not is_cluster:
        for key, given in (("subscription_list", topics), ("on_subscribe_service_name", lister)):
            if given:
                item.leave(key, "only clusters have topics to subscribe to")
    elif (topics or lister) and "on_message" not in table:
        key = "subscription_list" if topics else "on_subscribe_service_name"
        item.leave(key, "there is no on_message service to give the messages to")
    else:
        if topics:
            table["subscribe"] = list(dict.fromkeys(topics))
        if lister:
            table["on_subscribe"] = lister
