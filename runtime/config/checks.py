"""Checks of clusters.toml that need more than one key: names, addresses, secrets, services."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs

from actors.channels.session_context import STORE_CONTEXT
from actors.errors import BadInput
from actors.settings import ADMIN_CHANNEL, OnFull, TopicSettings
from actors.topics.catalogue import name_problem
from actors.topics.subscribing import subscription_options
from runtime.config.access import check_addresses_of, check_definition, check_definition_secrets, check_security_of
from runtime.config.addresses import BoundAddresses, is_loopback
from runtime.config.problems import KeyPath, Problems, nearest
from runtime.config.remotes import check_remote
from runtime.config.schema import ClusterSettings, Configuration
from runtime.config.secret_checks import check_secret, check_secrets_within
from runtime.config.shown import shown
from runtime.config.signal_checks import check_audit, check_monitoring
from runtime.config.tls import check_channel_tls, check_outgoing_tls, check_tls_files
from runtime.transport.network import Address

__all__ = ["check_clusters", "check_service_names"]

_ABOVE_ZERO = (
    "new_token_wait_time",
    "token_ttl",
    "ping_interval",
    "ping_timeout",
    "pings_missed_threshold",
    "max_message_size",
    "max_sessions",
    "max_sessions_per_address",
    "handshake_timeout",
    "message_timeout",
    "socket_write_timeout",
    "max_handshakes",
    "max_failed_logins",
    "failed_login_period",
    "max_in_flight",
    "max_bytes_in_flight",
    "max_deliveries_in_flight",
    "max_delivery_bytes_in_flight",
)
"""Options of a channel with which nobody could use it if they were 0."""

_OUTGOING_ABOVE_ZERO = ("max_bytes_in_flight", "max_deliveries_in_flight", "max_delivery_bytes_in_flight")
"""Options of a connection with which nothing could be sent to it if they were 0."""


def check_clusters(clusters: dict[str, ClusterSettings], problems: Problems, started: set[str]) -> None:
    """Note what is wrong; secrets are looked for only in the clusters that are to be started."""
    bound = BoundAddresses()
    for name, cluster in clusters.items():
        where: KeyPath = ("clusters", name)
        check_audit(cluster.audit, (*where, "audit"), problems)
        for key, definition in cluster.security.items():
            check_definition(definition, (*where, "security", key), problems)
        for channel in cluster.channels:
            _check_channel(cluster, channel, (*where, "channels", channel), problems, bound)
        check_monitoring(cluster, (*where, "monitoring"), problems, bound)
        for connection in cluster.outgoing:
            _check_outgoing(cluster, connection, (*where, "outgoing", connection), problems)
        for endpoint in cluster.endpoints:
            _check_endpoint(cluster, endpoint, (*where, "endpoints", endpoint), problems)
        _check_endpoints_apart(cluster, where, problems)
        for topic, settings in cluster.topics.items():
            _check_topic(topic, settings, (*where, "topics", topic), problems)
        for subscription, own in cluster.subscriptions.items():
            path: KeyPath = (*where, "subscriptions", subscription)
            for topic in own.topics or ():
                if (problem := name_problem(topic)) is not None:
                    problems.add((*path, "topics"), problem)
            _check_delivery(own.delivery.given, (*path, "delivery"), problems)
        if name in started:
            check_tls_files(cluster, where, problems)
            for key, definition in cluster.security.items():
                for one in ("password", "token", "key"):
                    check_secrets_within(getattr(definition, one), (*where, "security", key, one), problems)
                check_definition_secrets(definition, (*where, "security", key), problems)
            for key, outgoing in cluster.outgoing.items():
                for secret in ("password", "bearer_token", "proxy_password"):
                    check_secret(getattr(outgoing, secret), (*where, "outgoing", key, secret), problems)
                check_secrets_within(outgoing.headers, (*where, "outgoing", key, "headers"), problems)
            for key, value in cluster.config.items():
                check_secrets_within(value, (*where, "config", key), problems)
            for key in cluster.channels:
                extra = cluster.channels[key].extra_properties
                check_secrets_within(extra, (*where, "channels", key, "extra_properties"), problems)


def _address(text: str | None, where: KeyPath, problems: Problems) -> Address | None:
    if text is None:
        return None
    try:
        return Address.parse(text)
    except ValueError as error:
        problems.add((*where, "address"), str(error))
        return None


def _check_channel(
    cluster: ClusterSettings,
    name: str,
    where: KeyPath,
    problems: Problems,
    bound: BoundAddresses,
) -> None:
    settings = cluster.channels[name]
    if name == ADMIN_CHANNEL:
        problems.add(where, f"the channel of the admin socket is called {name!r}; choose another name")
    check_security_of(settings, cluster, where, problems)
    check_addresses_of(settings, where, problems)
    check_channel_tls(settings, cluster, where, problems)
    for key in _ABOVE_ZERO:
        if getattr(settings, key) == 0:
            problems.add((*where, key), "expected more than 0")
    if settings.data_format not in (None, "json"):
        problems.add((*where, "data_format"), f"channels speak 'json' only, not {settings.data_format!r}")
    if not isinstance(settings.extra_properties.get(STORE_CONTEXT, False), bool):
        path = (*where, "extra_properties", STORE_CONTEXT)
        problems.add(path, f"expected true or false, got {shown(settings.extra_properties[STORE_CONTEXT], path)}")
    address = _address(settings.address, where, problems)
    if address is None:
        return
    if address.scheme == "ws" and not settings.plain_text and not is_loopback(address.host):
        problems.add(
            (*where, "address"),
            "ws:// beyond this machine is not encrypted; say plain_text = true to allow it",
        )
    bound.add(address.host, address.port, where, problems)


def _check_topic(name: str, settings: TopicSettings, where: KeyPath, problems: Problems) -> None:
    if (problem := name_problem(name)) is not None:
        problems.add(where, problem)
    if settings.guaranteed and settings.on_full is OnFull.DROP:
        problems.add((*where, "on_full"), "a guaranteed topic drops nothing; expected 'dead_letter' or 'reject'")
    _check_delivery(attrs.asdict(settings.delivery), (*where, "delivery"), problems)


def _check_delivery(given: Mapping[str, Any], where: KeyPath, problems: Problems) -> None:
    for key, value in given.items():
        try:
            subscription_options({key: value})
        except BadInput as error:
            problems.add((*where, key), str(error).removeprefix(f"{key}: "))


def _check_outgoing(cluster: ClusterSettings, name: str, where: KeyPath, problems: Problems) -> None:
    settings = cluster.outgoing[name]
    for address in (settings.address, *settings.other_addresses):
        _address(address, where, problems)
    for key in _OUTGOING_ABOVE_ZERO:
        if getattr(settings, key) == 0:
            problems.add((*where, key), "expected more than 0")
    check_remote(settings, where, problems)
    check_outgoing_tls(settings, where, problems)
    for key in ("subscribe", "subscriptions", "on_subscribe"):
        if getattr(settings, key) and settings.on_message is None and not problems.has_any(where, "on_message", key):
            problems.add((*where, key), "messages need an on_message hook, which says what becomes of them")
    for topic, options in settings.subscriptions.items():
        _check_delivery(options.given, (*where, "subscriptions", topic), problems)
    is_half = (settings.username is None) != (settings.password is None)
    if is_half and not problems.has_any(where, "username", "password"):
        problems.add(where, "username and password go together")


def _check_endpoint(cluster: ClusterSettings, name: str, where: KeyPath, problems: Problems) -> None:
    settings = cluster.endpoints[name]
    kinds = ("channel", "security", "service")
    given = [one for one in kinds if getattr(settings, one) is not None]
    if len(given) != 1 and not problems.has_any(where, *kinds):
        problems.add(where, "an endpoint has exactly one of channel, security and service")
    if settings.channel is not None and settings.channel not in cluster.channels:
        problems.add(
            (*where, "channel"),
            f"there is no channel {settings.channel!r}{nearest(settings.channel, cluster.channels)}",
        )
    if settings.security is not None and settings.security not in cluster.security:
        problems.add(
            (*where, "security"),
            f"there is no security definition {settings.security!r}{nearest(settings.security, cluster.security)}",
        )

    for key in ("publish", "subscribe"):
        for pattern in getattr(settings, key):
            if not pattern.startswith("/"):
                problems.add((*where, key), f"a pattern starts with '/' as topics do, got {pattern!r}")


def _check_endpoints_apart(cluster: ClusterSettings, where: KeyPath, problems: Problems) -> None:
    """Note endpoints that share a channel, a security definition or a service: nobody could tell which one decides."""
    attached: dict[tuple[str, str], str] = {}
    for name, settings in cluster.endpoints.items():
        for key in ("channel", "security", "service"):
            value = getattr(settings, key)
            other = attached.setdefault((key, value), name) if value is not None else name
            if other != name:
                message = f"the {key} {value!r} has an endpoint already, {other!r}"
                problems.add((*where, "endpoints", name, key), message)


def check_service_names(
    configuration: Configuration, cluster: str, known: Collection[str], *, is_complete: bool = True
) -> list[str]:
    """Return a sentence for each service that a cluster's configuration names and that does not exist.

    `is_complete` says whether all modules could be loaded; else the service may be in one that could not.
    """
    problems = Problems(configuration.path, configuration.text)
    settings = configuration.clusters[cluster]
    named: list[tuple[KeyPath, str | None]] = [
        (("channels", name, "service"), channel.service) for name, channel in settings.channels.items()
    ]
    named.append((("hook_service",), settings.hook_service))
    named += [(("channels", name, "hook_service"), channel.hook_service) for name, channel in settings.channels.items()]
    for name, outgoing in settings.outgoing.items():
        named += [
            (("outgoing", name, hook), getattr(outgoing, hook))
            for hook in ("on_subscribe", "on_connect", "on_message", "on_close")
        ]
    named += [(("subscriptions", name, "service"), one.service) for name, one in settings.subscriptions.items()]
    named += [(("endpoints", name, "service"), endpoint.service) for name, endpoint in settings.endpoints.items()]
    named += [(("topics", name, "hook_service"), topic.hook_service) for name, topic in settings.topics.items()]
    for where, service in named:
        if service is not None and service not in known:
            where_from = "" if is_complete else " in what could be loaded"
            message = f"there is no service {service!r}{where_from}{nearest(service, known)}"
            problems.add(("clusters", cluster, *where), message)
    return problems.sentences()
