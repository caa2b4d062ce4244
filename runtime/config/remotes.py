"""Checks of an outgoing connection that depend on what it dials: a cluster, or any WebSocket server."""

from __future__ import annotations

import re

from actors.connections.login import is_header_value
from actors.secret import Secret
from actors.settings import OutgoingSettings, Remote
from runtime.config.problems import KeyPath, Problems
from runtime.config.shown import shown
from runtime.wire import NATIVE_SUBPROTOCOL

__all__ = ["check_remote"]

_ONLY_FOR: dict[Remote, tuple[str, ...]] = {
    Remote.CLUSTER: (
        "subscribe",
        "subscriptions",
        "on_subscribe",
        "attrs",
        "wire",
        "max_bytes_in_flight",
        "max_deliveries_in_flight",
        "max_delivery_bytes_in_flight",
    ),
    Remote.WEBSOCKET: ("subprotocols",),
}
_UNSET = OutgoingSettings("")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_OWN_HEADERS = ("host", "connection", "upgrade", "content-length", "transfer-encoding")
_SEPARATORS = ";#\n\r"


def check_remote(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    """Note what is wrong with what a connection says to its remote when it logs in, and of time-outs."""
    for remote, keys in _ONLY_FOR.items():
        for key in keys:
            if getattr(settings, key) != getattr(_UNSET, key) and settings.remote is not remote:
                message = f"only a connection with remote = {remote.value!r} has this, not {settings.remote.value!r}"
                problems.add((*where, key), message)
    _check_attrs(settings, where, problems)
    _check_headers(settings, where, problems)
    _check_subprotocols(settings, where, problems)
    _check_socket_timeouts(settings, where, problems)


def _check_attrs(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    for key, value in settings.attrs.items():
        path = (*where, "attrs", key)
        if not isinstance(value, str | int | bool):
            problems.add(path, f"expected text, a whole number, or true or false, got {shown(value, path)}")
        elif not key.strip() or "=" in key or any(one in f"{key}{value}" for one in _SEPARATORS):
            problems.add(path, "an attribute has neither ';', '#' nor line breaks in it, and no '=' in its name")


def _check_headers(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    names: set[str] = set()
    for name, value in settings.headers.items():
        path = (*where, "headers", name)
        if _TOKEN.fullmatch(name) is None:
            problems.add(path, f"{name!r} cannot be the name of a header")
        elif name.lower() in _OWN_HEADERS or name.lower().startswith("sec-websocket-"):
            problems.add(path, "the upgrade sets this header itself")
        elif name.lower() in names:
            problems.add(path, "the header is given twice")
        names.add(name.lower())
        if not isinstance(value, Secret) and not (isinstance(value, str) and is_header_value(value)):
            problems.add(path, f"expected text that a header can say, or a secret, got {shown(value, path)}")
    ways = {
        "username and password": settings.username is not None,
        "bearer_token": settings.bearer_token is not None,
        "a header Authorization": "authorization" in names,
    }
    if sum(ways.values()) > 1:
        given = ", ".join(way for way, is_given in ways.items() if is_given)
        problems.add(where, f"one of these says who dials, not several: {given}")


def _check_subprotocols(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    path = (*where, "subprotocols")
    for name in settings.subprotocols:
        if _TOKEN.fullmatch(name) is None:
            problems.add(path, f"{name!r} cannot be the name of a sub-protocol")
        elif name == NATIVE_SUBPROTOCOL:
            problems.add(path, f"{name!r} is what clusters speak; expected remote = 'cluster'")
    if len(set(settings.subprotocols)) < len(settings.subprotocols):
        problems.add(path, "a sub-protocol is named twice")


def _check_socket_timeouts(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    read, write = settings.socket_read_timeout, settings.socket_write_timeout
    if read is not None and read <= settings.ping_interval:
        message = f"expected more than ping_interval, {settings.ping_interval:g} s: a peer may be silent until a ping"
        problems.add((*where, "socket_read_timeout"), message)
    if write is not None and write <= 0:
        problems.add((*where, "socket_write_timeout"), "expected more than 0 seconds")
