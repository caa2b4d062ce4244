"""What an outgoing connection is set to."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import field, frozen

from actors.secret import Secret
from actors.settings.delivery import DeliveryOptions
from actors.settings.units import MIB
from actors.supervision import Backoff

__all__ = ["DataFormat", "OutgoingSettings", "Remote"]


class Remote(Enum):
    """What an outgoing connection dials."""

    CLUSTER = "cluster"  # a channel of Isthmus or Zato
    WEBSOCKET = "websocket"  # any WebSocket server: frames go both ways, and there is no session


class DataFormat(Enum):
    """What frames are read as."""

    JSON = "json"


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
