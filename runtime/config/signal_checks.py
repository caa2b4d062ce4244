"""Checks of what clusters.toml says of logs, of what is told over HTTP, and of traces."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import urlsplit

from actors.secret import Secret, masked_address
from actors.settings import SecurityKind
from runtime.config.addresses import BoundAddresses, is_loopback
from runtime.config.problems import KeyPath, Problems, nearest
from runtime.config.schema import ClusterSettings
from runtime.config.secret_checks import check_secrets_within
from runtime.config.shown import shown
from runtime.config.signals import KINDS, AuditSettings, LogSettings, TraceSettings

__all__ = ["check_audit", "check_log", "check_monitoring", "check_traces", "host_and_port"]

_LEAST_AUDIT_SIZE = 64 * 1024


def check_log(settings: LogSettings, problems: Problems) -> None:
    """Note levels of parts that do not exist."""
    for part in settings.levels:
        kind, colon, name = part.partition(":")
        if kind not in KINDS:
            problems.add(("log", "levels", part), f"there is no part {kind!r}{nearest(kind, KINDS)}")
        elif colon and not name:
            problems.add(("log", "levels", part), "expected a kind, or a kind, a colon and a name")


def host_and_port(address: str) -> tuple[str, int]:
    """Take an address of HTTP apart.

    Raises:
        ValueError: When it is anything but a host and a port; the text names what was expected.
    """
    expected = f"expected http://HOST:PORT, got {masked_address(address)!r}"
    parts = urlsplit(address)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # such as a port beyond 65535
        raise ValueError(expected) from None
    rest = (parts.path.strip("/"), parts.query, parts.fragment, parts.username)
    if parts.scheme != "http" or not host or not port or any(rest):
        raise ValueError(expected)
    return host, port


def check_monitoring(cluster: ClusterSettings, where: KeyPath, problems: Problems, bound: BoundAddresses) -> None:
    """Note an address that is none or taken, and credentials that nobody could show or that are missing."""
    settings = cluster.monitoring
    if settings.security not in (None, "none"):
        definition = cluster.security.get(settings.security)
        if definition is None:
            known = nearest(settings.security, cluster.security)
            problems.add((*where, "security"), f"there is no security definition {settings.security!r}{known}")
        elif definition.type is SecurityKind.CERTIFICATE:
            problems.add((*where, "security"), "certificates are shown over TLS, which http:// is not")
    if settings.address is None:
        return
    try:
        host, port = host_and_port(settings.address)
    except ValueError as error:
        problems.add((*where, "address"), str(error))
        return
    if settings.security is None and not is_loopback(host):
        problems.add(
            (*where, "address"),
            'beyond this machine anybody could read it: name a security definition, or say security = "none"',
        )
    bound.add(host, port, where, problems)


def check_audit(settings: AuditSettings, where: KeyPath, problems: Problems) -> None:
    """Note files that would be put aside all the time."""
    if settings.max_size < _LEAST_AUDIT_SIZE:
        problems.add((*where, "max_size"), f"expected {_LEAST_AUDIT_SIZE} or more, got {settings.max_size}")


def check_traces(settings: TraceSettings, problems: Problems, *, are_sent: bool) -> None:
    """Note an endpoint that is none, or that nobody here could send to, and a ratio that cannot be.

    `are_sent` says whether a server is to be started, whose secrets must be there.
    """
    if not 0 <= settings.ratio <= 1:
        problems.add(("traces", "ratio"), f"expected a number from 0 to 1, got {settings.ratio:g}")
    for name, value in settings.headers.items():
        where = ("traces", "headers", name)
        if not isinstance(value, str | Secret):
            problems.add(where, f"expected a text or a secret, got {shown(value, where)}")
    if are_sent:
        check_secrets_within(settings.headers, ("traces", "headers"), problems)
    if settings.endpoint is None:
        return
    parts = urlsplit(settings.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        problems.add(
            ("traces", "endpoint"), f"expected http://HOST:PORT/v1/traces, got {masked_address(settings.endpoint)!r}"
        )
    elif find_spec("opentelemetry") is None:
        problems.add(("traces", "endpoint"), "traces need OpenTelemetry: pip install 'isthmus[traces]'")
