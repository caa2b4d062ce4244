"""Who may come in, and what they may do with topics."""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.secret import Secret

__all__ = ["EndpointRole", "EndpointSettings", "SecuritySettings"]


@frozen
class SecuritySettings:
    """Named credentials that a channel checks."""

    username: str  # the name that a peer logs in with
    password: Secret = field(repr=False)  # what goes with it


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
