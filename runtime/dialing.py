"""What an outgoing connection dials with: a dialer for each of its addresses, and the wire that its remote needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from actors.connections.login import upgrade_headers
from actors.errors import DialFailed
from actors.ports import Dialer, Entropy
from actors.settings import OutgoingSettings, Remote, WireFormat
from runtime.transport import Address, LinkOptions, Network, WebSocketDialer
from runtime.wire import NATIVE_SUBPROTOCOL, NativeWire, PlainWire, Role, Wire, ZatoClientWire

__all__ = ["dialers_of"]


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

    def make_wire(subprotocol: str | None) -> Wire:
        if settings.remote is Remote.WEBSOCKET:
            return PlainWire(subprotocol)
        if subprotocol is None and settings.wire is WireFormat.NATIVE:
            part = "upgrade"
            raise DialFailed(part, f"the channel does not speak {NATIVE_SUBPROTOCOL}, and wire allows nothing else")
        if subprotocol is None:
            return ZatoClientWire(timestamp=timestamp)
        return NativeWire(Role.CLIENT, timestamp=timestamp, max_message_size=settings.max_message_size)

    dialer = partial(WebSocketDialer, entropy=entropy)
    if settings.remote is Remote.WEBSOCKET:
        dialer = partial(dialer, subprotocols=settings.subprotocols, headers=partial(upgrade_headers, settings))
    elif settings.wire is WireFormat.ZATO:
        dialer = partial(dialer, subprotocols=())
    addresses = (settings.address, *settings.other_addresses)
    return [dialer(network, Address.parse(one), make_wire, _options_of(settings)) for one in addresses]


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
