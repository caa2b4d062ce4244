"""What is to be known of a channel by whoever connects to it; no secret is among it."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, field, frozen

from actors.builtin.gateway import PubSubGateway, ServiceGateway, WebSocketsGateway
from actors.secret import masked_address
from actors.settings import ChannelSettings, SecurityKind, SecuritySettings
from actors.topics.catalogue import Catalogue
from actors.topics.endpoint import Endpoint
from runtime.config.problems import nearest
from runtime.config.schema import ClusterSettings
from runtime.config.slug import slug
from runtime.transport import Address

__all__ = ["NoSuchPeer", "PeerFacts", "facts_of"]

_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_GATEWAYS = tuple(cls.name for cls in (WebSocketsGateway, PubSubGateway, ServiceGateway))
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class NoSuchPeer(Exception):
    """Nobody can connect like that; the message is a sentence."""


@frozen
class PeerFacts:
    """A channel as one of its peers sees it.

    Args:
        cluster: The cluster that it dials.
        channel: The channel's name.
        settings: What that is set to.
        address: What the peer dials.
        remarks: What is to be minded about that, each a sentence without its full stop.
        definition: The name of the security definition that it logs in with; empty where the channel has none.
        security: That definition.
        endpoint: What it may do with topics.
        topics: Those of the file that it may subscribe to.
        fingerprint: SHA-256 of the channel's certificate; empty without one, or where it cannot be read.
    """

    cluster: str
    channel: str
    settings: ChannelSettings
    address: str
    remarks: tuple[str, ...] = ()
    definition: str = ""
    security: SecuritySettings | None = None
    endpoint: Endpoint = field(factory=lambda: Endpoint(""))
    topics: tuple[str, ...] = ()
    fingerprint: str = ""

    @property
    def peer(self) -> str:
        """What the other side is called where nobody says so: definitions are named after whom they are for."""
        return self.definition or "peer"

    @property
    def kind(self) -> SecurityKind | None:
        """What it shows to prove who it is; None for nothing."""
        return None if self.security is None else self.security.type

    @property
    def needs_certificate(self) -> bool:
        """Whether it needs a certificate of its own, beside whatever else is asked for or as just that."""
        always = self.settings.tls_client_ca is not None and not self.settings.tls_client_certificate_optional
        return always or self.kind is SecurityKind.CERTIFICATE

    @property
    def has_gateway(self) -> bool:
        """Whether the channel invokes services by name, as far as that shows without loading them."""
        return self.settings.service in _GATEWAYS

    @property
    def variable(self) -> str:
        """The environment variable that may have the peer's secret."""
        what = {SecurityKind.BASIC: "PASSWORD", SecurityKind.API_KEY: "KEY"}.get(self.kind or SecurityKind.BASIC)
        return f"{slug(self.cluster, '_').upper()}_{what or 'TOKEN'}"

    @property
    def whose_secret(self) -> str:
        """Which secret the peer needs, and from whom it gets it: a sentence without its full stop."""
        security = self.security
        if security is not None and security.type is SecurityKind.JWT:
            claims = [f"iss {security.issuer!r}"] if security.issuer else []
            claims += [f"aud {security.audience!r}"] if security.audience else []
            parts = [f"signed with {security.algorithm.value}", *claims, "an end (exp)"]
            return f"The secret is a token for security definition {self.definition!r}: {', '.join(parts)}"
        return (
            f"The secret is that of security definition {self.definition!r}; the team of {self.cluster!r} hands it over"
        )

    @property
    def permissions(self) -> Sequence[str]:
        """What the peer may do, each a sentence without its full stop."""
        allowed = self.settings.services_allowed
        own = None if self.security is None else self.security.services_allowed
        patterns = [f"{', '.join(one) or 'no services'}" for one in (allowed, own) if one]
        what = f"its service is {self.settings.service}"
        services = f"{what}, which may invoke {', and of these '.join(patterns)}" if patterns else what
        found = [services]
        for verb, topics in (("publish to", self.endpoint.publish), ("subscribe to", self.endpoint.subscribe)):
            if topics:
                found.append(f"you may {verb} {', '.join(topics)}")
        return found


def facts_of(
    name: str, cluster: ClusterSettings, channel: str, *, definition: str | None = None, host: str | None = None
) -> PeerFacts:
    """Return what there is to know of a channel.

    Args:
        name: The cluster's name.
        cluster: What it is set to.
        channel: The channel's name.
        definition: Which of the channel's security definitions the peer logs in with; may be left out for one.
        host: The host as the peer knows it; else what the channel's address says, or this machine's name.

    Raises:
        NoSuchPeer: When there is no such channel or definition, or several of these.
    """
    settings = cluster.channels.get(channel)
    if settings is None:
        there = f"; there are: {', '.join(cluster.channels)}" if cluster.channels else ""
        msg = f"cluster {name!r} has no channel {channel!r}{nearest(channel, cluster.channels) or there}"
        raise NoSuchPeer(msg)
    named = _definition(settings, channel, definition)
    address, remarks = _dialled(settings, host)
    found = PeerFacts(name, channel, settings, address, remarks, fingerprint=_fingerprint(settings.tls_certificate))
    endpoint = _endpoint(cluster, channel, named)
    if endpoint is not None:
        subscribable = [one for one in Catalogue(cluster.topics).configured if endpoint.may_subscribe(one)]
        found = evolve(found, endpoint=endpoint, topics=tuple(subscribable))
    return evolve(found, definition=named, security=cluster.security[named]) if named else found


def _definition(settings: ChannelSettings, channel: str, asked: str | None) -> str:
    names = settings.definitions
    if asked is not None and asked not in names:
        there = f"; there are: {', '.join(names)}" if names else ""
        msg = f"channel {channel!r} has no security definition {asked!r}{nearest(asked, names) or there}"
        raise NoSuchPeer(msg)
    if asked is None and len(names) > 1:
        msg = f"channel {channel!r} has several security definitions; say which one: --security {' | '.join(names)}"
        raise NoSuchPeer(msg)
    return asked or next(iter(names), "")


def _dialled(settings: ChannelSettings, host: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the address to dial, and what is to be minded about it."""
    bound = Address.parse(settings.address)
    remarks = []
    if host is None and bound.host in _EVERYWHERE:
        host = socket.gethostname()
        remarks.append(f"{host} is what its machine calls itself; you may have to dial another name")
    elif host is None and bound.host in _LOOPBACK:
        remarks.append("the channel listens on its own machine only")
    if not settings.active:
        remarks.append("the channel is not active, so nothing listens there now")
    shown = masked_address(settings.address)
    if shown != settings.address:
        remarks.append("what is hidden in the address you have to be told")
    address = evolve(bound, host=host or bound.host)
    return str(address), tuple(remarks)


def _endpoint(cluster: ClusterSettings, channel: str, definition: str) -> Endpoint | None:
    """Return the endpoint of the channel, or else that of the security definition."""
    named = [(name, one) for name, one in cluster.endpoints.items() if one.channel == channel]
    named += [(name, one) for name, one in cluster.endpoints.items() if definition and one.security == definition]
    return Endpoint.of(*named[0]) if named else None


def _fingerprint(certificate: Path | None) -> str:
    try:
        first = None if certificate is None else _CERTIFICATE.search(certificate.read_text("ascii"))
        return "" if first is None else hashlib.sha256(ssl.PEM_cert_to_DER_cert(first[0])).hexdigest()
    except (OSError, ValueError):
        return ""
