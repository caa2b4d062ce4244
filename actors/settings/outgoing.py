"""What an outgoing connection is set to."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any

from attrs import field, frozen

from actors.secret import Secret
from actors.settings.delivery import DeliveryOptions
from actors.settings.units import MIB
from actors.settings.wires import Compression, WireFormat
from actors.supervision import Backoff

__all__ = ["DataFormat", "OutgoingSettings", "Remote"]


class Remote(Enum):
    """What an outgoing connection dials."""

    CLUSTER = "cluster"  # a channel of Isthmus or Zato
    WEBSOCKET = "websocket"  # any WebSocket server: frames go both ways, and there is no session


class DataFormat(Enum):
    """What frames are read as."""

    JSON = "json"  # data


@frozen
class OutgoingSettings:
    """A channel, or another WebSocket server, to dial and keep a link to."""

    address: str  # the channel to dial: `"ws://HOST:PORT/PATH"`, with a query string where the server wants one
    other_addresses: tuple[str, ...] = ()  # tried in turn after `address`
    active: bool = True  # with `false` nothing is dialled
    required: bool = False  # whether the server is ready, as `/readyz` says it, only while it has this link
    remote: Remote = Remote.CLUSTER  # what is dialled
    wire: WireFormat = WireFormat.AUTO  # `remote = "cluster"`: which format is spoken
    # `remote = "cluster"`: whether large frames go compressed; where strangers' data travels beside secrets over
    # `wss://`, say `"off"`
    compression: Compression = Compression.AUTO
    username: str | None = None  # whom it logs in as
    password: Secret | None = field(default=None, repr=False)  # what goes with it
    # a token for the upgrade, in place of username and password
    bearer_token: Secret | None = field(default=None, repr=False)
    # of the upgrade; texts or secrets, such as the key that a channel asks for
    headers: dict[str, Any] = field(factory=dict, repr=False)
    tls_ca: Path | None = None  # `wss://`: authorities to trust, in PEM; unset: the system's
    tls_certificate: Path | None = None  # `wss://`: a certificate to show, in PEM
    tls_key: Path | None = None  # `wss://`: the private key of that, in PEM, not encrypted
    # `wss://`: SHA-256 of the remote's certificate in hexadecimal, checked beside the rest; several while it is changed
    tls_fingerprint: str | tuple[str, ...] = ()
    unsafe_tls_any_host: bool = False  # `wss://`: takes certificates of other hosts, so that any of them may listen in
    proxy: str | None = None  # an HTTP proxy to dial through: `"http://HOST:PORT"`
    proxy_username: str | None = None  # whom the proxy knows
    proxy_password: Secret | None = field(default=None, repr=False)  # what goes with it
    subprotocols: tuple[str, ...] = ()  # `remote = "websocket"`: to offer
    # `remote = "websocket"`: what frames are read as; unset: text or bytes, as they came
    data_format: DataFormat | None = None
    attrs: dict[str, Any] = field(factory=dict)  # `remote = "cluster"`: what the channel is told of this client
    subscribe: tuple[str, ...] = ()  # `remote = "cluster"`: topics to subscribe to
    # `remote = "cluster"`: topics to subscribe to, each with options of its own
    subscriptions: dict[str, DeliveryOptions] = field(factory=dict)
    on_subscribe: str | None = None  # a service that gives a list of further topics to subscribe to
    on_connect: str | None = None  # a service that is invoked when there is a session
    # a service that is given messages and other requests of the remote; its error means not acknowledged
    on_message: str | None = None
    on_close: str | None = None  # a service that is invoked when a session has ended
    hook_timeout: float = 60.0  # seconds that a hook may take
    timeout: float = 5.0  # seconds that a call may take where it does not say so itself
    dial_timeout: float = 10.0  # seconds that one attempt to connect may take
    has_auto_reconnect: bool = True  # whether a link that ended is brought back
    max_connect_attempts: int = 1_234_567_890  # attempts in a row, without a link between them
    backoff: Backoff = field(factory=Backoff)  # the waits between attempts
    ping_interval: float = 10.0  # seconds without any bytes before a ping
    ping_timeout: float = 5.0  # seconds that the answer to a ping may take
    pings_missed_threshold: int = 1  # how many missed answers end the link
    # seconds with nothing received, not even a pong, that end the link; unset: the heartbeat decides
    socket_read_timeout: float | None = None
    # seconds in which the peer takes no bytes of what waits for it, that end the link; unset: as long as it likes
    socket_write_timeout: float | None = None
    max_message_size: int = MIB  # bytes of one message
    max_waiting: int = 1000  # calls and frames that wait for a link
    max_in_flight: int = 1000  # requests of the remote under way
    max_bytes_in_flight: int = 16 * MIB  # `remote = "cluster"`: bytes of these, on the native format
    # `remote = "cluster"`: messages of a subscription that on_message has not handled, on the native format
    max_deliveries_in_flight: int = 2000
    max_delivery_bytes_in_flight: int = 8 * MIB  # `remote = "cluster"`: bytes of these
    remote_tracebacks: bool = False  # whether the remote is told where in on_message an error was raised
    max_unhandled: int = 10_000  # messages that wait for on_message before the link is throttled
    max_throttled_time: float = 60.0  # seconds that a link may be throttled

    @property
    def tls_fingerprints(self) -> tuple[str, ...]:
        """Those of the remote's certificate."""
        return (self.tls_fingerprint,) if isinstance(self.tls_fingerprint, str) else self.tls_fingerprint

    @property
    def listed(self) -> dict[str, dict[str, Any]]:
        """The topics to subscribe to, and what is set of each subscription, by name."""
        return {topic: {} for topic in self.subscribe} | {
            topic: options.given for topic, options in self.subscriptions.items()
        }
