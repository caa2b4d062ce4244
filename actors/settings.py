"""What a cluster's channels, outgoing connections, topics, endpoints and security definitions are set to.

Frozen data, the same whether it came from clusters.toml or from a test. `runtime.config` reads it; the actors
of the same names act on it. All times are seconds, all sizes bytes.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import asdict, field, frozen

from actors.secret import Secret
from actors.supervision import Backoff

__all__ = [
    "ADMIN_CHANNEL",
    "ActiveStatus",
    "ChannelSettings",
    "Compat",
    "DataFormat",
    "DeliverFrom",
    "DeliveryOptions",
    "DeliverySettings",
    "EndpointRole",
    "EndpointSettings",
    "OnFull",
    "OnNoSubs",
    "OutgoingSettings",
    "Remote",
    "SecuritySettings",
    "SubscriptionSettings",
    "TopicSettings",
]

MIB = 1024 * 1024

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


class Remote(Enum):
    """What an outgoing connection dials."""

    CLUSTER = "cluster"  # a channel of Isthmus or Zato
    WEBSOCKET = "websocket"  # any WebSocket server: frames go both ways, and there is no session


class DataFormat(Enum):
    """What frames are read as."""

    JSON = "json"


class OnNoSubs(Enum):
    """What becomes of a message published to a topic that nobody subscribes to."""

    ACCEPT = "accept"
    DROP = "drop"


class OnFull(Enum):
    """What becomes of messages when a subscription's queue is as deep as it may be."""

    DEAD_LETTER = "dead_letter"  # guaranteed: the oldest; memory messages are dropped then
    REJECT = "reject"  # the publisher is refused
    DROP = "drop"  # memory messages: the oldest, which is counted


class DeliverFrom(Enum):
    """Where a new subscription begins."""

    NOW = "now"
    BACKLOG = "backlog"  # what nobody was subscribed to, for the first one; now, for others
    BEGINNING = "beginning"  # all that the topic still keeps


class ActiveStatus(Enum):
    """What a subscription's queue does."""

    BOTH = "pub-sub"
    PUBLISH_ONLY = "pub-only"  # it takes messages and delivers none
    SUBSCRIBE_ONLY = "sub-only"  # it delivers what it has and takes nothing new
    DISABLED = "disabled"

    @property
    def takes(self) -> bool:
        """Tell whether published messages get into the queue."""
        return self in (ActiveStatus.BOTH, ActiveStatus.PUBLISH_ONLY)

    @property
    def delivers(self) -> bool:
        """Tell whether messages leave the queue."""
        return self in (ActiveStatus.BOTH, ActiveStatus.SUBSCRIBE_ONLY)


class EndpointRole(Enum):
    """Which of its patterns an endpoint may use."""

    PUBLISH_ONLY = "pub-only"
    SUBSCRIBE_ONLY = "sub-only"
    BOTH = "pub-sub"


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


@frozen
class DeliverySettings:
    """How the messages of a subscription are delivered: of a topic for all that subscribe to it, or of one of them."""

    delivery_batch_size: int = 500
    wrap_one_msg_in_list: bool = True
    delivery_max_retry: int = 16
    ack_timeout: float = 60.0
    wait_sock_err: float = 10.0  # before what was under way when a session ended goes to another one
    wait_non_sock_err: float = 3.0  # after a delivery that failed; doubles
    longest_pause: float = 600.0
    ordered: bool = False  # one session at a time; a message that waits for its next attempt holds up the others
    deliver_from: DeliverFrom = DeliverFrom.BACKLOG
    active_status: ActiveStatus = ActiveStatus.BOTH


@frozen
class DeliveryOptions:
    """What a subscriber sets of `DeliverySettings`; None leaves it to the topic."""

    delivery_batch_size: int | None = None
    wrap_one_msg_in_list: bool | None = None
    delivery_max_retry: int | None = None
    ack_timeout: float | None = None
    wait_sock_err: float | None = None
    wait_non_sock_err: float | None = None
    longest_pause: float | None = None
    ordered: bool | None = None
    deliver_from: DeliverFrom | None = None
    active_status: ActiveStatus | None = None

    @property
    def given(self) -> dict[str, Any]:
        """What is set, by name, as TOML and JSON say it."""
        return asdict(
            self,
            filter=lambda _field, value: value is not None,
            value_serializer=lambda _self, _field, value: value.value if isinstance(value, Enum) else value,
        )


@frozen
class OutgoingSettings:
    """A channel, or another WebSocket server, to dial and keep a link to."""

    address: str  # with a query string where the server wants one
    other_addresses: tuple[str, ...] = ()  # tried in turn after `address`
    active: bool = True
    remote: Remote = Remote.CLUSTER
    username: str | None = None
    password: Secret | None = field(default=None, repr=False)
    bearer_token: Secret | None = field(default=None, repr=False)  # websocket: in place of username and password
    headers: dict[str, Any] = field(factory=dict, repr=False)  # websocket: of the upgrade; texts or secrets
    subprotocols: tuple[str, ...] = ()  # websocket: to offer
    data_format: DataFormat | None = None  # websocket: what frames are read as; None: text or bytes, as they came
    attrs: dict[str, Any] = field(factory=dict)  # cluster: what the channel is told of this client
    subscribe: tuple[str, ...] = ()
    subscriptions: dict[str, DeliveryOptions] = field(factory=dict)
    on_subscribe: str | None = None  # gives a list of further topics to subscribe to
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
    socket_read_timeout: float | None = None  # nothing received, not even a pong; None: the heartbeat decides
    socket_write_timeout: float | None = None  # the peer takes no bytes of what waits for it; None: as long as it likes
    max_message_size: int = MIB
    max_waiting: int = 1000  # calls and frames that wait for a link
    max_in_flight: int = 1000  # requests of the server
    max_unhandled: int = 10_000  # messages that wait for on_message before the link is throttled
    max_throttled_time: float = 60.0

    @property
    def listed(self) -> dict[str, dict[str, Any]]:
        """The topics to subscribe to, and what is set of each subscription, by name."""
        return {topic: {} for topic in self.subscribe} | {
            topic: options.given for topic, options in self.subscriptions.items()
        }


@frozen
class TopicSettings:
    """A named stream of messages; with `*` or `**` in its name, what topics are made with when they are first used.

    Limits of 0 are none.
    """

    guaranteed: bool = False
    active: bool = True
    on_no_subs: OnNoSubs = OnNoSubs.ACCEPT
    is_api_sub_allowed: bool = True
    max_depth_gd: int = 1_000_000
    max_depth_non_gd: int = 1_000
    on_full: OnFull = OnFull.DEAD_LETTER
    limit_retention: float = 0.0
    limit_message_expiry: float = 0.0
    limit_sub_inactivity: float = 0.0
    max_message_size: int = 1_000_000
    publish_dedup_window: float = 24 * 3600.0
    max_publish_dedup_ids: int = 1_000_000
    hook_service: str | None = None
    delivery: DeliverySettings = field(factory=DeliverySettings)


@frozen
class SubscriptionSettings:
    """A service of this cluster that receives the messages of topics of this cluster."""

    service: str
    topics: tuple[str, ...]
    delivery: DeliveryOptions = field(factory=DeliveryOptions)


@frozen
class EndpointSettings:
    """Who may publish to, and subscribe to, which topics: patterns, matched whole."""

    channel: str | None = None
    security: str | None = None
    service: str | None = None
    role: EndpointRole = EndpointRole.BOTH
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
