"""What a peer shows to prove who it is, and what it is found to be."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

__all__ = ["NOT_AUTHORIZED", "Grant", "PeerCertificate", "Presented", "Refusal"]

NOT_AUTHORIZED = "You are not authorized to access this resource"
"""What a peer without the right credentials is told, in Zato's words."""


@frozen
class PeerCertificate:
    """A certificate that was verified: its common name and further names, and its SHA-256 in hexadecimal."""

    names: frozenset[str]
    fingerprint: str


@frozen
class Presented:
    """What a peer showed when it connected.

    Args:
        headers: Those of its upgrade, named in lower case.
        certificate: Its certificate.
        forwarded_for: Its address, where it came through a proxy that is trusted.
        local_user: On a Unix socket, the user of this machine that it runs as.
    """

    headers: Mapping[str, str] = field(factory=dict, repr=False)
    certificate: PeerCertificate | None = None
    forwarded_for: str = ""
    local_user: str = ""


@frozen
class Grant:
    """Who a peer is, and what it may do.

    Args:
        security: The security definition that its credentials prove; `none` on a channel without any.
        username: What services are told that it is called.
        services_allowed: Patterns of services; None where the definition says nothing of them.
        may_administrate: Whether it may invoke administrative services.
    """

    security: str
    username: str = ""
    services_allowed: tuple[str, ...] | None = None
    may_administrate: bool = False


@frozen
class Refusal:
    """A peer may not come in: why, for the log, and what it is told."""

    reason: str
    told: str = NOT_AUTHORIZED
