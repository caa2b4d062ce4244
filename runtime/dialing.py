"""What an outgoing connection dials with: a dialer for each of its addresses, TLS, a proxy, the wire of its remote."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from urllib.parse import urlsplit

from actors.connections.login import revealed, upgrade_headers
from actors.errors import DialFailed
from actors.ports import Dialer, Entropy
from actors.settings import ChannelSettings, OutgoingSettings, Remote, WireFormat
from runtime.transport import Address, LinkOptions, Network, WebSocketDialer
from runtime.transport.proxy import ProxyNetwork
from runtime.transport.tls import ClientTls, ServerTls, TlsNetwork
from runtime.wire import NATIVE_SUBPROTOCOL, NativeWire, PlainWire, Role, Wire, ZatoClientWire

__all__ = ["client_tls", "dialers_of", "listening_network", "server_tls"]


def dialers_of(
    settings: OutgoingSettings, network: Network, *, entropy: Entropy, timestamp: Callable[[], str]
) -> Sequence[Dialer]:
    """Return the dialers of a connection, in the order of its addresses.

    Args:
        settings: The connection's settings.
        network: Opens streams.
        entropy: Ids.
        timestamp: Gives the time now, as messages carry it.
    """

    def make_wire(subprotocol: str | None, is_local: bool) -> Wire:
        if settings.remote is Remote.WEBSOCKET:
            return PlainWire(subprotocol)
        if subprotocol is None and settings.wire is WireFormat.NATIVE:
            part = "upgrade"
            raise DialFailed(part, f"the channel does not speak {NATIVE_SUBPROTOCOL}, and wire allows nothing else")
        if subprotocol is None:
            return ZatoClientWire(timestamp=timestamp)
        return NativeWire(
            Role.CLIENT,
            timestamp=timestamp,
            max_message_size=settings.max_message_size,
            compresses=settings.compression.applies(is_local=is_local),
        )

    dialer = partial(WebSocketDialer, entropy=entropy, headers=partial(upgrade_headers, settings))
    network = _dialled_through(settings, network)
    if settings.remote is Remote.WEBSOCKET:
        dialer = partial(dialer, subprotocols=settings.subprotocols)
    elif settings.wire is WireFormat.ZATO:
        dialer = partial(dialer, subprotocols=())
    addresses = (settings.address, *settings.other_addresses)
    return [dialer(network, Address.parse(one), make_wire, _options_of(settings)) for one in addresses]


def server_tls(settings: ChannelSettings) -> ServerTls | None:
    """Return what a channel proves itself with; None where it says nothing of that."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    is_optional = settings.tls_client_certificate_optional
    return ServerTls(settings.tls_certificate, settings.tls_key, settings.tls_client_ca, is_optional)


def client_tls(settings: OutgoingSettings) -> ClientTls:
    """Return whom a connection trusts, and what it proves itself with."""
    return ClientTls(
        settings.tls_ca,
        settings.tls_certificate,
        settings.tls_key,
        settings.tls_fingerprints,
        settings.unsafe_tls_any_host,
    )


def listening_network(settings: ChannelSettings, network: Network) -> Network:
    """Return the network that a channel listens on: with TLS where its address says so."""
    return TlsNetwork(network, server=server_tls(settings))


def _dialled_through(settings: OutgoingSettings, network: Network) -> Network:
    if settings.proxy is not None:
        network = ProxyNetwork(network, _proxy_address(settings.proxy), partial(_proxy_credentials, settings))
    return TlsNetwork(network, client=client_tls(settings))


def _proxy_address(text: str) -> Address:
    parts = urlsplit(text)
    return Address("ws", parts.hostname or "", parts.port or 80, "/")


def _proxy_credentials(settings: OutgoingSettings) -> tuple[str, str] | None:
    if settings.proxy_username is None or settings.proxy_password is None:
        return None
    return settings.proxy_username, revealed(settings.proxy_password, "the proxy_password", "proxy")


def _options_of(settings: OutgoingSettings) -> LinkOptions:
    return LinkOptions(
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        pings_missed_threshold=settings.pings_missed_threshold,
        max_message_size=settings.max_message_size,
        handshake_timeout=settings.dial_timeout,
        read_timeout=math.inf if settings.socket_read_timeout is None else settings.socket_read_timeout,
        write_timeout=math.inf if settings.socket_write_timeout is None else settings.socket_write_timeout,
    )
