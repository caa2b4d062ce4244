"""Checks of TLS and proxies, of channels and of outgoing connections."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from actors.settings import ChannelSettings, OutgoingSettings, SecurityKind
from runtime.config.problems import KeyPath, Problems
from runtime.config.schema import ClusterSettings
from runtime.dialing import client_tls, server_tls

__all__ = ["FINGERPRINT", "check_channel_tls", "check_outgoing_tls", "check_tls_files"]

FINGERPRINT = re.compile(r"[0-9a-fA-F]{2}(:?[0-9a-fA-F]{2}){31}")
_CHANNEL_KEYS = ("tls_certificate", "tls_key", "tls_client_ca")
_OUTGOING_KEYS = ("tls_ca", "tls_certificate", "tls_key", "tls_fingerprint", "unsafe_tls_any_host")


def check_channel_tls(settings: ChannelSettings, cluster: ClusterSettings, where: KeyPath, problems: Problems) -> None:
    """Note what is wrong with a channel's TLS, its files aside."""
    is_secure = settings.address is not None and settings.address.startswith("wss:")
    for key in _CHANNEL_KEYS:
        if getattr(settings, key) is not None and not is_secure:
            problems.add((*where, key), "only a channel whose address begins with wss:// has this")
    for key in ("tls_certificate", "tls_key"):
        if is_secure and getattr(settings, key) is None and not problems.has_any(where, key):
            problems.add(where, f"the key {key!r} is missing: a wss:// channel needs a certificate and its key")
    if settings.tls_client_certificate_optional and settings.tls_client_ca is None:
        problems.add(
            (*where, "tls_client_certificate_optional"), "peers are asked for certificates with tls_client_ca only"
        )
    for name in settings.definitions if settings.security is not None else ():
        definition = cluster.security.get(name)
        if definition and definition.type is SecurityKind.CERTIFICATE and settings.tls_client_ca is None:
            problems.add((*where, "security"), f"{name!r} asks for a certificate, which needs tls_client_ca")


def check_outgoing_tls(settings: OutgoingSettings, where: KeyPath, problems: Problems) -> None:
    """Note what is wrong with a connection's TLS and proxy, its files aside."""
    addresses = (settings.address or "", *settings.other_addresses)
    for key in _OUTGOING_KEYS:
        if getattr(settings, key) and not any(one.startswith("wss:") for one in addresses):
            problems.add((*where, key), "only a connection to an address that begins with wss:// has this")
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        problems.add(where, "tls_certificate and tls_key go together")
    for fingerprint in settings.tls_fingerprints:
        if FINGERPRINT.fullmatch(fingerprint) is None:
            problems.add(
                (*where, "tls_fingerprint"), f"expected the 64 hexadecimal digits of a SHA-256, got {fingerprint!r}"
            )
    if (settings.proxy_username is None) != (settings.proxy_password is None):
        problems.add(where, "proxy_username and proxy_password go together")
    if settings.proxy is None:
        if settings.proxy_username is not None:
            problems.add((*where, "proxy_username"), "there is no proxy")
        return
    try:
        parts = urlsplit(settings.proxy)
        is_right = parts.scheme == "http" and parts.hostname and parts.port and "@" not in parts.netloc
    except ValueError:
        is_right = False
    if not is_right:
        problems.add(
            (*where, "proxy"), "expected http://HOST:PORT, with proxy_username and proxy_password where it wants them"
        )


def check_tls_files(cluster: ClusterSettings, where: KeyPath, problems: Problems) -> None:
    """Note certificates and keys that cannot be used."""
    for name, channel in cluster.channels.items():
        tls = server_tls(channel)
        try:
            if tls is not None:
                tls.context()
        except OSError as error:
            problems.add((*where, "channels", name, "tls_certificate"), f"TLS: {error.strerror or error}")
    for name, outgoing in cluster.outgoing.items():
        if outgoing.tls_ca is None and outgoing.tls_certificate is None:
            continue
        try:
            client_tls(outgoing).make()
        except (OSError, ValueError) as error:
            key = "tls_ca" if outgoing.tls_ca else "tls_certificate"
            reason = getattr(error, "strerror", None) or str(error)
            problems.add((*where, "outgoing", name, key), f"TLS: {reason}")
