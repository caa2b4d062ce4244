"""What a channel is set to."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import field, frozen

from actors.settings.units import MIB

__all__ = ["ADMIN_CHANNEL", "ChannelSettings", "Compat"]

ADMIN_CHANNEL = "admin"
"""The name of the channel that carries administration."""


class Compat(Enum):
    """Which Zato release a channel's reply and message shapes follow."""

    ZATO_3_0 = "3.0"
    ZATO_3_2 = "3.2"

    @property
    def token_prefix(self) -> str:
        """How the tokens of sessions begin."""
        return "ws.token." if self is Compat.ZATO_3_0 else "zwsxt."


@frozen
class ChannelSettings:
    """A WebSocket address to listen on, and what its peers may do there."""

    address: str
    service: str
    security: str
    active: bool = True
    data_format: str = "json"  # the only one there is
    services_allowed: tuple[str, ...] = ()
    sequential: bool = False  # the requests of a session one after the other, as in Zato
    extra_properties: dict[str, Any] = field(factory=dict, repr=False)
    compat: Compat = Compat.ZATO_3_2
    unsub_on_wsx_close: bool | None = None  # None: true, or false with compat = "3.0"
    plain_text: bool = False
    allowed_origins: tuple[str, ...] = ()
    new_token_wait_time: float = 5.0
    token_ttl: float = 3600.0
    ping_interval: float | None = None  # None: 10 s, or 45 s on a compat channel
    ping_timeout: float = 5.0
    pings_missed_threshold: int | None = None  # None: 1, or 2 on a compat channel
    max_message_size: int = MIB
    max_sessions: int = 10_000
    max_handshakes: int = 64
    max_in_flight: int = 1000  # requests of a session under way, and as many to it
    hook_service: str | None = None  # hears of peers; None: the cluster's
    hook_timeout: float = 4.0  # that a peer waits for on_connected; Zato's clients wait 5 s for their session in all
    max_deliveries_in_flight: int = 2000  # messages a session, delivered and not answered
    max_delivery_bytes_in_flight: int = 8 * MIB
    is_audit_log_sent_active: bool = False  # whether the last messages of each session are kept, to be looked at
    is_audit_log_received_active: bool = False
    max_len_messages_sent: int = 50  # how many
    max_len_messages_received: int = 50
    max_bytes_per_message_sent: int = 500  # of each so many kB
    max_bytes_per_message_received: int = 500
