"""What a channel listens with: its address, limits, access lists, TLS, and the wires of its links."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from actors.audit import Audit
from actors.ports import Entropy
from actors.settings import ChannelSettings, Compat
from runtime.security.addresses import AccessList
from runtime.transport import Address, LinkOptions, Network, WebSocketListener
from runtime.transport.outbox import MAX_OUTBOX
from runtime.wire import NativeWire, Role, Wire, ZatoServerWire

__all__ = ["listener_of"]

_COMPAT_PING = (45.0, 2)
_NATIVE_PING = (10.0, 1)


def listener_of(
    name: str,
    settings: ChannelSettings,
    network: Network,
    *,
    entropy: Entropy,
    timestamp: Callable[[], str],
    audit: Audit,
) -> WebSocketListener:
    """Return the listener of a channel.

    Args:
        name: The channel's name.
        settings: The channel's settings.
        network: Binds the address.
        entropy: Ids.
        timestamp: Gives the time now, as messages carry it.
        audit: Told of those who are turned away.
    """

    def make_wire(subprotocol: str | None, is_local: bool) -> Wire:
        if subprotocol is None:
            return ZatoServerWire(
                timestamp=timestamp, now=trio.current_time, token_ttl=settings.token_ttl, compat=settings.compat
            )
        return NativeWire(
            Role.SERVER,
            timestamp=timestamp,
            max_message_size=settings.max_message_size,
            compresses=settings.compression.applies(is_local=is_local),
        )

    return WebSocketListener(
        network,
        Address.parse(settings.address),
        make_wire,
        _options_of(settings),
        entropy=entropy,
        channel=name,
        audit=audit,
        access=AccessList.of(settings.allowed_addresses, settings.denied_addresses, settings.trusted_proxies),
        allowed_origins=settings.allowed_origins,
        wire=settings.wire,
        max_handshakes=settings.max_handshakes,
        max_links=settings.max_sessions,
        max_links_per_address=settings.max_sessions_per_address,
    )


def _options_of(settings: ChannelSettings) -> LinkOptions:
    interval, threshold = _COMPAT_PING if settings.compat is Compat.ZATO_3_0 else _NATIVE_PING
    return LinkOptions(
        ping_interval=interval if settings.ping_interval is None else settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        pings_missed_threshold=settings.pings_missed_threshold or threshold,
        max_message_size=settings.max_message_size,
        max_messages_per_second=settings.max_messages_per_second or math.inf,
        max_bytes_per_second=settings.max_bytes_per_second or math.inf,
        handshake_timeout=settings.handshake_timeout,
        write_timeout=settings.socket_write_timeout,
        message_timeout=settings.message_timeout,
        max_unsent=max(settings.max_in_flight, MAX_OUTBOX),
    )
