"""Who may come in, and what they may do with topics."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.secret import Secret

__all__ = ["Algorithm", "EndpointRole", "EndpointSettings", "SecurityKind", "SecuritySettings"]


class SecurityKind(Enum):
    """What a peer shows to prove who it is."""

    BASIC = "basic"  # a user name and a password, in its session request or in the upgrade's header Authorization
    BEARER = "bearer"  # a token, in the header Authorization, or as the secret of a session request without user name
    API_KEY = "apikey"  # a key, in the header that `header` names, or as such a secret
    JWT = "jwt"  # a signed token with an end (RFC 7519), where a bearer token stands
    CERTIFICATE = "certificate"  # a client certificate, on a channel with `tls_client_ca`


class Algorithm(Enum):
    """How the tokens of a definition with `type = "jwt"` are signed."""

    HS256 = "HS256"  # with a secret that both sides know, of 32 bytes or more
    RS256 = "RS256"  # with a private key, whose public key is known here


@frozen
class SecuritySettings:
    """Named credentials that a channel checks."""

    username: str = ""  # the name that a peer logs in with; of other types than basic, what services are told it is
    # what goes with it, or its argon2 hash as `isthmus hash-password` prints it; two while it is changed
    password: Secret | tuple[Secret, ...] = field(default=(), repr=False)
    type: SecurityKind = SecurityKind.BASIC  # what is asked for
    token: Secret | tuple[Secret, ...] = field(default=(), repr=False)  # bearer: the token; two while it is changed
    # apikey: the key; jwt: the secret of HS256, or the public key of RS256 in PEM; two while it is changed
    key: Secret | tuple[Secret, ...] = field(default=(), repr=False)
    header: str = "X-API-Key"  # apikey: where the key stands
    algorithm: Algorithm = Algorithm.HS256  # jwt: how tokens are signed; any other is refused
    issuer: str | None = None  # jwt: what `iss` must be
    audience: str | None = None  # jwt: what `aud` must be, or have in it; unset: a token for somebody else is refused
    leeway: float = 10.0  # jwt: by how many seconds the clock of whoever issues tokens may differ
    # certificate: the common name, or a DNS name, e-mail address or URI among its further names
    certificate_name: str | None = None
    # certificate: its SHA-256 in hexadecimal, with or without colons; several while it is changed
    fingerprint: str | tuple[str, ...] = ()
    # patterns of services; where the channel has some, too, a service must be allowed by both
    services_allowed: tuple[str, ...] | None = None
    admin: bool = False  # whether its sessions may invoke administrative services, whatever `services_allowed` says

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Those of its type: what a peer shows must be one of them, or be signed by one."""
        kept = {SecurityKind.BASIC: self.password, SecurityKind.BEARER: self.token}.get(self.type, self.key)
        return (kept,) if isinstance(kept, Secret) else kept

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Those of certificates."""
        return (self.fingerprint,) if isinstance(self.fingerprint, str) else self.fingerprint


class EndpointRole(Enum):
    """Which of its patterns an endpoint may use."""

    PUBLISH_ONLY = "pub-only"  # those of `publish`
    SUBSCRIBE_ONLY = "sub-only"  # those of `subscribe`
    BOTH = "pub-sub"  # all


@frozen
class EndpointSettings:
    """Who may publish to, and subscribe to, which topics: patterns, matched whole."""

    channel: str | None = None  # whom it is for: the peers of this channel
    security: str | None = None  # or whoever logs in with this security definition, at any channel
    service: str | None = None  # or this service of the cluster itself, which may do nothing else then
    role: EndpointRole = EndpointRole.BOTH  # which of its patterns count
    # patterns of topics that may be published to: `*` is anything within a level, `**` across levels
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()  # patterns of topics that may be subscribed to
