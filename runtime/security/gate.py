"""Checks what peers show against the security definitions of a channel."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

import structlog
import trio
from attrs import frozen

from actors.channels.credentials import Grant, Presented, Refusal
from actors.messages import Hello
from actors.ports import Clock, Threads
from actors.secret import Secret
from actors.settings import ChannelSettings, SecurityKind, SecuritySettings
from runtime.security.attempts import Attempts
from runtime.security.passwords import PasswordChecker, is_hash, same
from runtime.security.tokens import claims_of

__all__ = ["SecurityGate"]

TOO_MANY = "too many log-ins have failed; try again later"

_log = structlog.get_logger(kind="security")


@frozen(repr=False)
class _Shown:
    """What a peer shows, taken apart."""

    username: str
    password: str | None
    bearer: str | None
    headers: Mapping[str, str]
    secret: str | None
    presented: Presented

    @classmethod
    def of(cls, hello: Hello, presented: Presented) -> _Shown:
        """Take apart what a peer said and what its upgrade bore; see RFC 7617 and RFC 6750."""
        username, password, bearer = hello.username or "", hello.secret, None
        scheme, _, rest = presented.headers.get("authorization", "").partition(" ")
        match scheme.lower():
            case "bearer":
                bearer = rest.strip()
            case "basic" if not username and not password:
                username, password = _pair(rest.strip())
        without_name = hello.secret if not hello.username else None
        return cls(username, password, bearer, presented.headers, without_name, presented)

    def tokens(self, header: str | None = None) -> Iterator[str]:
        """Give what stands where a token may: in a header, or in the session request of a peer that has no headers."""
        in_header = self.bearer if header is None else self.headers.get(header.lower())
        yield from (one for one in (in_header, self.secret) if one)


def _pair(credentials: str) -> tuple[str, str | None]:
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", None
    username, colon, password = text.partition(":")
    return username, password if colon else None


class SecurityGate:
    """Implements `actors.channels.channel.Gate`. Each definition is looked at, whatever the others say.

    Args:
        definitions: The channel's security definitions, by name.
        channel: How many log-ins may fail.
        threads: Where hashes are verified.
        clock: The time that tokens are valid at.
    """

    def __init__(
        self, definitions: Mapping[str, SecuritySettings], channel: ChannelSettings, *, threads: Threads, clock: Clock
    ) -> None:
        self._definitions = definitions
        self._clock = clock
        self._passwords = PasswordChecker(threads)
        self._attempts = Attempts(channel.max_failed_logins, channel.failed_login_period)

    def rights(self, security: str) -> Grant:
        """Tell what the peers of a definition may do; see `Gate.rights`."""
        definition = self._definitions.get(security)
        return Grant(security, services_allowed=()) if definition is None else _grant(security, definition, "")

    async def admit(self, hello: Hello, presented: Presented, host: str) -> Grant | Refusal:
        """Tell who a peer is; see `Gate.admit`."""
        shown = _Shown.of(hello, presented)
        if not self._attempts.begin(host, shown.username, trio.current_time()):
            return Refusal(TOO_MANY, TOO_MANY)
        grant, problem = await self._look(shown)
        if grant is None:
            return Refusal(problem)
        self._attempts.succeeded(host, shown.username, trio.current_time())
        return grant

    async def _look(self, shown: _Shown) -> tuple[Grant | None, str]:
        kept = {name: self._revealed(name, one.secrets) for name, one in self._definitions.items()}
        by_password = await self._by_password(shown, kept)
        grants = [by_password] if by_password else []
        problem = "username or password do not match" if shown.username else "its credentials do not match"
        for name, definition in self._definitions.items():
            found: str | None = None
            match definition.type:
                case SecurityKind.BEARER | SecurityKind.API_KEY:
                    header = definition.header if definition.type is SecurityKind.API_KEY else None
                    shows = [same(token, one) for token in shown.tokens(header) for one in kept[name]]
                    found = definition.username or name if any(shows) else None
                case SecurityKind.JWT:
                    found, problem = self._by_jwt(name, shown, kept[name], problem)
                case SecurityKind.CERTIFICATE:
                    found = _by_certificate(shown.presented, definition)
            if found is not None:
                grants.append(_grant(name, definition, found))
        return (grants[0] if grants else None), problem

    async def _by_password(self, shown: _Shown, kept: Mapping[str, list[str]]) -> Grant | None:
        """Check a password: with as many hashes as the definition with the most of them, whoever it is said to be."""
        basic = {name: one for name, one in self._definitions.items() if one.type is SecurityKind.BASIC}
        if not basic or shown.password is None:
            return None
        named = [name for name, one in basic.items() if same(shown.username, one.username)]
        decoys = max(([one for one in kept[name] if is_hash(one)] for name in basic), key=len)
        own = [one for name in named for one in kept[name]]
        is_right = await self._passwords.matches(shown.password, own, decoys)
        return _grant(named[0], basic[named[0]], shown.username) if named and is_right else None

    def _by_jwt(self, name: str, shown: _Shown, keys: list[str], problem: str) -> tuple[str | None, str]:
        definition = self._definitions[name]
        for token in shown.tokens():
            claims = claims_of(token, keys, definition, self._clock.utc_now())
            if not isinstance(claims, str):
                return definition.username or str(claims.get("sub") or name), problem
            problem = claims
        return None, problem

    def _revealed(self, name: str, secrets: tuple[Secret, ...]) -> list[str]:
        """Return the secrets that can be read now: they may be files that are just being replaced."""
        found: list[str] = []
        for secret in secrets:
            try:
                value = secret.reveal()
            except (OSError, LookupError, UnicodeDecodeError) as error:
                _log.error("a secret cannot be read", security=name, secret=secret.source, error=str(error))
                continue
            if value:  # an empty one would let anybody in
                found.append(value)
        return found


def _grant(name: str, definition: SecuritySettings, username: str) -> Grant:
    return Grant(name, username, definition.services_allowed, definition.admin)


def _by_certificate(presented: Presented, definition: SecuritySettings) -> str | None:
    """Return what a peer with the right certificate is called."""
    shown = presented.certificate
    if shown is None:
        return None
    pinned = {one.replace(":", "").lower() for one in definition.fingerprints}
    if pinned and shown.fingerprint not in pinned:
        return None
    if definition.certificate_name is not None and definition.certificate_name not in shown.names:
        return None
    return definition.username or definition.certificate_name or shown.fingerprint
