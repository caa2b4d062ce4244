"""What a cluster's channels, outgoing connections, topics, endpoints and security definitions are set to.

Frozen data, the same whether it came from clusters.toml or from a test. `runtime.config` reads it; the actors
of the same names act on it. All times are seconds, all sizes bytes.
"""

from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from actors.secret import Secret
from actors.supervision import Backoff

__all__ = [
    "ChannelSettings",
    "Compat",
    "DeliverySettings",
    "EndpointSettings",
    "OnNoSubs",
    "OutgoingSettings",
    "Remote",
    "SecuritySettings",
    "TopicSettings",
]

MIB = 1024 * 1024


class Compat(Enum):
    """Which Zato release a channel's reply and message shapes follow."""

    ZATO_3_0 = "3.0"
    ZATO_3_2 = "3.2"


class Remote(Enum):
    """What an outgoing connection dials."""

    CLUSTER = "cluster"


class OnNoSubs(Enum):
    """What becomes of a message published to a topic that nobody subscribes to."""

    ACCEPT = "accept"
    DROP = "drop"


@frozen
class SecuritySettings:
    """Named credentials that a channel checks."""

    username: str
    password: Secret = field(repr=False)


@frozen
class ChannelSettings:
    """A WebSocket address to listen on, and what its peers may do there."""

    address: str
    service: str
    security: str
    active: bool = True
    services_allowed: tuple[str, ...] = ()
    compat: Compat = Compat.ZATO_3_2
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
    max_in_flight: int = 1000


@frozen
class OutgoingSettings:
    """A channel to dial and keep a link to."""

    address: str
    other_addresses: tuple[str, ...] = ()  # tried in turn after `address`
    active: bool = True
    remote: Remote = Remote.CLUSTER
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)
    subscribe: tuple[str, ...] = ()
    on_connect: str | None = None
    on_message: str | None = None
    on_close: str | None = None
    hook_timeout: float = 60.0
    timeout: float = 5.0  # of the connection's own calls
    dial_timeout: float = 10.0
    has_auto_reconnect: bool = True
    max_connect_attempts: int = 1_234_567_890  # in a row, without a link between them
    backoff: Backoff = field(factory=Backoff)
    ping_interval: float = 10.0
    ping_timeout: float = 5.0
    pings_missed_threshold: int = 1
    max_message_size: int = MIB
    max_waiting: int = 1000  # calls that wait for a link
    max_in_flight: int = 1000  # requests of the server
    max_unhandled: int = 10_000  # messages that wait for on_message before the link is throttled
    max_throttled_time: float = 60.0


@frozen
class DeliverySettings:
    """How the messages of subscriptions are delivered."""

    delivery_batch_size: int = 500
    delivery_max_retry: int = 16
    ack_timeout: float = 60.0
    first_pause: float = 1.0  # after a delivery that failed; doubles
    longest_pause: float = 600.0
    ordered: bool = False  # a message that waits for its next attempt holds up the others


@frozen
class TopicSettings:
    """A named stream of messages."""

    guaranteed: bool = False
    active: bool = True
    on_no_subs: OnNoSubs = OnNoSubs.ACCEPT
    delivery: DeliverySettings = field(factory=DeliverySettings)


@frozen
class EndpointSettings:
    """Who may publish to, and subscribe to, which topics: patterns, matched whole."""

    channel: str | None = None
    security: str | None = None
    service: str | None = None
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
