"""What a channel is set to."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from actors.settings.units import MIB
from actors.settings.wires import Compression, WireFormat

__all__ = ["ADMIN_CHANNEL", "ChannelSettings", "Compat"]

ADMIN_CHANNEL = "admin"
"""The name of the channel that carries administration."""


class Compat(Enum):
    """Which Zato release a channel's reply and message shapes follow."""

    # tokens begin with `ws.token.`, results of the gateway are bare, messages have the twelve keys of 3.0
    ZATO_3_0 = "3.0"
    ZATO_3_2 = "3.2"  # and later

    @property
    def token_prefix(self) -> str:
        """How the tokens of sessions begin."""
        return "ws.token." if self is Compat.ZATO_3_0 else "zwsxt."


@frozen
class ChannelSettings:
    """A WebSocket address to listen on, and what its peers may do there."""

    address: str  # where to listen, and the path that peers must ask for: `"ws://HOST:PORT/PATH"`
    service: str  # what is invoked for each request: a gateway, or any service
    # the security definition that peers log in with, several of them, or `"none"`, said in so many words
    security: str | tuple[str, ...]
    active: bool = True  # with `false` nothing listens: connections are refused
    data_format: str = "json"  # the only one there is
    # patterns of services that a gateway may invoke: `*` is one dotted level, `**` any; deny by default
    services_allowed: tuple[str, ...] = ()
    sequential: bool = False  # the requests of a session are handled one after the other, as in Zato; else side by side
    # values of your own, which services find in `self.caller`; with `StoreCtx = true` each connection is logged
    extra_properties: dict[str, Any] = field(factory=dict, repr=False)
    wire: WireFormat = WireFormat.AUTO  # which format is spoken
    # whether large frames go compressed; where strangers' data travels beside secrets over `wss://`, say `"off"`
    compression: Compression = Compression.AUTO
    compat: Compat = Compat.ZATO_3_2  # which Zato release the shapes of replies and messages follow
    # whether subscriptions of peers that cannot prove who they are end with their sessions; unset: `true`, or `false`
    # with `compat = "3.0"`
    unsub_on_wsx_close: bool | None = None
    tls_certificate: Path | None = None  # `wss://`: its certificate in PEM, with those between it and its authority
    tls_key: Path | None = None  # `wss://`: the private key of that, in PEM, not encrypted
    tls_client_ca: Path | None = None  # `wss://`: authorities, in PEM; peers need a certificate of one of these
    tls_client_certificate_optional: bool = False  # with `tls_client_ca`: whether peers may come without a certificate
    plain_text: bool = False  # allows `ws://` beyond this machine
    allowed_origins: tuple[str, ...] = ()  # origins of browsers that may connect, beside the address itself
    # addresses and networks that may connect, such as `"192.0.2.0/24"`; none: all may
    allowed_addresses: tuple[str, ...] = ()
    denied_addresses: tuple[str, ...] = ()  # addresses and networks that may not, whatever `allowed_addresses` says
    # addresses and networks of proxies whose header X-Forwarded-For is believed; nobody else's is
    trusted_proxies: tuple[str, ...] = ()
    handshake_timeout: float = 10.0  # seconds that TLS and the upgrade may take
    new_token_wait_time: float = 5.0  # seconds that a peer has to create its session
    token_ttl: float = 3600.0  # seconds that a token lives after it was last used, or a ping was last answered
    # seconds without any bytes before a ping; unset: 10, or 45 with `compat = "3.0"`
    ping_interval: float | None = None
    ping_timeout: float = 5.0  # seconds that the answer to a ping may take
    # how many missed answers end the link; unset: 1, or 2 with `compat = "3.0"`
    pings_missed_threshold: int | None = None
    # seconds in which a peer takes no bytes of what waits for it, that end its session
    socket_write_timeout: float = 60.0
    message_timeout: float = 120.0  # seconds that a message may take from its first byte to its last
    max_message_size: int = MIB  # bytes of one message
    max_sessions: int = 10_000  # peers at a time
    # peers at a time from one address, of IPv6 from one /64; behind `trusted_proxies` each client has its own
    max_sessions_per_address: int = 1000
    max_handshakes: int = 64  # peers that are logging in at a time, at most half of them from one address
    # log-ins that may fail within `failed_login_period`, of one address and of one user; then further ones are refused
    max_failed_logins: int = 20
    failed_login_period: float = 60.0  # seconds after which failed log-ins are forgotten
    # requests of a session under way, and as many to it; while as many answers (256 at least) wait for the peer to read
    # them, nothing more is read from it
    max_in_flight: int = 1000
    max_bytes_in_flight: int = 16 * MIB  # bytes of the requests of a session under way, on the native format
    # messages of a session in a second, and up to twice as many at once; further ones wait, and a session that has been
    # over the limit for 60 s is closed; 0: no limit
    max_messages_per_second: int = 200_000
    # bytes of these, uncompressed; beyond it the same; 0: no limit
    max_bytes_per_second: int = 256 * MIB
    remote_tracebacks: bool = False  # whether peers are told where in a service an error was raised; they see the code
    hook_service: str | None = None  # a service that hears of peers; unset: the cluster's
    # seconds that a peer waits for on_connected; Zato's clients wait 5 for their session in all
    hook_timeout: float = 4.0
    max_deliveries_in_flight: int = 2000  # messages that were delivered to a session and not answered yet
    max_delivery_bytes_in_flight: int = 8 * MIB  # bytes of these
    is_audit_log_sent_active: bool = False  # whether the last messages sent to each session are kept, to be looked at
    is_audit_log_received_active: bool = False  # whether the last messages received from each session are kept
    max_len_messages_sent: int = 50  # how many of those sent are kept
    max_len_messages_received: int = 50  # how many of those received are kept
    max_bytes_per_message_sent: int = 500  # kB kept of each message sent
    max_bytes_per_message_received: int = 500  # kB kept of each message received

    @property
    def definitions(self) -> tuple[str, ...]:
        """The names of its security definitions; none of a channel that says `security = "none"`."""
        named = (self.security,) if isinstance(self.security, str) else self.security
        return () if named == ("none",) else named
