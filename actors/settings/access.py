"""Who may come in, and what they may do with topics."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.secret import Secret

__all__ = ["EndpointRole", "EndpointSettings", "SecuritySettings"]


@frozen
class SecuritySettings:
    """Named credentials that a channel checks."""

    username: str
    password: Secret = field(repr=False)


class EndpointRole(Enum):
    """Which of its patterns an endpoint may use."""

    PUBLISH_ONLY = "pub-only"
    SUBSCRIBE_ONLY = "sub-only"
    BOTH = "pub-sub"


@frozen
class EndpointSettings:
    """Who may publish to, and subscribe to, which topics: patterns, matched whole."""

    channel: str | None = None
    security: str | None = None
    service: str | None = None
    role: EndpointRole = EndpointRole.BOTH
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
