"""Checks of security definitions, and of who is let in at channels."""

from __future__ import annotations

import re

import attrs

from actors.secret import Secret
from actors.settings import ChannelSettings, SecurityKind, SecuritySettings
from runtime.config.problems import KeyPath, Problems, nearest
from runtime.config.schema import ClusterSettings
from runtime.config.tls import FINGERPRINT
from runtime.security.addresses import network_from
from runtime.security.passwords import hash_problem, is_hash
from runtime.security.tokens import key_problem

__all__ = ["check_addresses_of", "check_definition", "check_definition_secrets", "check_security_of"]

_KEYS = {
    SecurityKind.BASIC: ("username", "password"),
    SecurityKind.BEARER: ("token",),
    SecurityKind.API_KEY: ("key", "header"),
    SecurityKind.JWT: ("key", "algorithm", "issuer", "audience", "leeway"),
    SecurityKind.CERTIFICATE: ("certificate_name", "fingerprint"),
}
_NEEDED = {
    SecurityKind.BASIC: ("username", "password"),
    SecurityKind.BEARER: ("token",),
    SecurityKind.API_KEY: ("key",),
    SecurityKind.JWT: ("key",),
}
_FOR_ALL = ("username", "type", "services_allowed", "admin")
_MOST = 2
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2


def check_definition(settings: SecuritySettings, where: KeyPath, problems: Problems) -> None:
    """Note what is wrong with a security definition, its secrets' values aside."""
    kind = settings.type
    for one in attrs.fields(SecuritySettings):
        if getattr(settings, one.name) != one.default and one.name not in (*_FOR_ALL, *_KEYS[kind]):
            problems.add((*where, one.name), f"a definition with type = {kind.value!r} has no such key")
    for key in _NEEDED.get(kind, ()):
        if getattr(settings, key) in ("", ()) and not problems.has_any(where, key):
            problems.add(where, f"the key {key!r} is missing")
    if len(settings.secrets) > _MOST:
        key = _NEEDED[kind][-1]
        problems.add((*where, key), f"expected one, or two while it is changed, got {len(settings.secrets)}")
    if _HEADER.fullmatch(settings.header) is None:
        problems.add((*where, "header"), f"{settings.header!r} cannot be the name of a header")
    if kind is SecurityKind.CERTIFICATE and not (settings.certificate_name or settings.fingerprint):
        problems.add(where, "expected a certificate_name, a fingerprint, or both: who is meant?")
    for fingerprint in settings.fingerprints:
        if FINGERPRINT.fullmatch(fingerprint) is None:
            problems.add(
                (*where, "fingerprint"), f"expected the 64 hexadecimal digits of a SHA-256, got {fingerprint!r}"
            )


def check_definition_secrets(settings: SecuritySettings, where: KeyPath, problems: Problems) -> None:
    """Note values that cannot serve; whether there are any is known already."""
    if not settings.secrets or settings.type not in _NEEDED:
        return
    path = (*where, _NEEDED[settings.type][-1])
    for secret in settings.secrets:
        value = _value(secret)
        problem = None
        if value and settings.type is SecurityKind.BASIC and is_hash(value):
            problem = hash_problem(value)
        elif value and settings.type is SecurityKind.JWT:
            problem = key_problem(value, settings.algorithm)
        if problem is not None:
            problems.add(path, f"the secret {secret.source!r}: {problem}")


def _value(secret: Secret) -> str:
    try:
        return secret.reveal()
    except (OSError, LookupError, UnicodeDecodeError):
        return ""


def check_security_of(channel: ChannelSettings, cluster: ClusterSettings, where: KeyPath, problems: Problems) -> None:
    """Note what is wrong with which security definitions a channel names."""
    if channel.security is None:  # it is missing, which is noted already
        return
    path = (*where, "security")
    names = (channel.security,) if isinstance(channel.security, str) else channel.security
    if not names:
        problems.add(path, 'expected a security definition, or "none"')
    if "none" in names and len(names) > 1:
        problems.add(path, 'either "none" or security definitions, not both')
    for name in names:
        if name not in ("none", *cluster.security):
            problems.add(path, f"there is no security definition {name!r}{nearest(name, cluster.security)}")
    users = [one.username for name in names if (one := cluster.security.get(name)) and one.type is SecurityKind.BASIC]
    for user in sorted({one for one in users if users.count(one) > 1}):
        problems.add(path, f"several of these definitions have the username {user!r}: nobody could tell which is meant")


def check_addresses_of(channel: ChannelSettings, where: KeyPath, problems: Problems) -> None:
    """Note what is no network in the address lists of a channel."""
    for key in ("allowed_addresses", "denied_addresses", "trusted_proxies"):
        for place, text in enumerate(getattr(channel, key)):
            try:
                network_from(text)
            except ValueError as error:
                problems.add((*where, key, place), str(error))
