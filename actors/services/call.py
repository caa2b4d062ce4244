"""What reaches a service: a call, who makes it, and what a call across a link gives back."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from attrs import field, frozen

from actors.messages import AttributeValue
from actors.settings import Compat
from actors.streams.inlet import Inlet
from actors.streams.outlet import Outlet
from actors.topics.attachment import Attachment
from actors.topics.endpoint import Endpoint

__all__ = [
    "Call",
    "CallResponse",
    "Caller",
    "Origin",
    "PeerIdentity",
    "RemoteCall",
    "RemoteStream",
    "StreamCall",
    "TopicCall",
    "who_calls",
]


@frozen
class PeerIdentity:
    """Whose subscriptions are whose: the security definition, and the cluster and connection of a native peer.

    `cluster` and `connection` are empty for peers that cannot say them, Zato's own clients.
    """

    security: str
    cluster: str = ""
    connection: str = ""

    @property
    def is_lasting(self) -> bool:
        """Tell whether a later link can prove to be the same peer."""
        return bool(self.cluster and self.connection)

    def __str__(self) -> str:
        return f"{self.security} {self.cluster}/{self.connection}" if self.is_lasting else self.security


@frozen
class Caller:
    """The peer that a call came from, over which session of which channel.

    `attrs` is what the client said of itself when it logged in; `user_data` a dict of the services' own, which lives
    as long as the session; `extra_properties` those of the channel. `connection_time` is naive and in UTC.
    A service must match `services_allowed` and, unless that is None, `services_allowed_too`. `is_admin` says that the
    peer came by the admin socket, `may_administrate` that its security definition lets it invoke such services.
    `forwarded_for` is where the peer is, as a proxy says that the channel trusts; else empty.
    """

    session: str
    channel: str
    identity: PeerIdentity
    client_id: str = ""
    client_name: str = ""
    username: str = ""
    attrs: Mapping[str, AttributeValue] = field(factory=dict)
    user_data: dict[str, Any] = field(factory=dict, repr=False, eq=False)
    peer: str = ""
    connection_time: datetime.datetime | None = None
    forwarded_for: str = ""
    wire: str = ""
    compat: Compat = Compat.ZATO_3_2
    services_allowed: tuple[str, ...] = ()
    services_allowed_too: tuple[str, ...] | None = None
    endpoint: Endpoint | None = None
    attachment: Attachment | None = None
    unsub_on_wsx_close: bool = True
    extra_properties: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)
    is_admin: bool = False
    may_administrate: bool = False

    @property
    def pub_client_id(self) -> str:
        """The session's name within its channel, `ws.` and hexadecimal digits: what Zato calls a client by."""
        return self.session.rpartition("/")[2]

    @property
    def peer_host(self) -> str:
        """The peer's address without the port."""
        return self.peer.rpartition(":")[0] or self.peer

    @property
    def address(self) -> str:
        """Where the peer is, without a port: as a trusted proxy says, or else as the connection shows."""
        return self.forwarded_for or self.peer_host

    @property
    def peer_conn_info_pretty(self) -> str:
        """Who the peer is, to print."""
        name = self.client_name or self.client_id or self.identity.cluster or "unnamed"
        return f"{name} ({self.pub_client_id}) at {self.peer} on channel {self.channel}"

    @property
    def is_lasting(self) -> bool:
        """Tell whether its subscriptions outlive its session."""
        return self.identity.is_lasting or not (self.unsub_on_wsx_close or self.is_admin)


def who_calls(caller: Caller | None, own: str = "a service of the cluster") -> dict[str, Any]:
    """Return who a peer is and where, as the audit log has it; `own` is who calls where no peer does."""
    if caller is None:
        return {"who": own}
    facts = {"channel": caller.channel, "session": caller.session}
    if caller.forwarded_for:
        facts["proxy"] = caller.peer
    who, address = caller.username or caller.identity.security, caller.forwarded_for or caller.peer
    return {"who": who, "address": address, **facts}


@frozen
class Origin:
    """How a call was made within the cluster, as `self.channel` and its like tell the service.

    Args:
        type: What made it: `invoke`, `invoke-async`, `invoke-async-callback`, `scheduler` or `publish`.
        data_format: What the caller says the data is.
        transport: Over what the caller says it came.
        in_reply_to: The cid of the invocation that this one follows.
        expires_at: Until when it may begin, in Trio's time.
        environ: What the caller adds to the service's `environ` and `wsgi_environ`.
    """

    type: str = "invoke"
    data_format: str = "dict"
    transport: str = ""
    in_reply_to: str = ""
    expires_at: float = float("inf")
    environ: Mapping[str, Any] = field(factory=dict)


_INVOKED = Origin()


class Call(msgspec.Struct, frozen=True, eq=False):
    """A call of a service: its input, the caller where it came over a link, else how it was made.

    `trace` is the traceparent of what it follows, where somebody traces it.
    """

    data: Any = None
    caller: Caller | None = None
    origin: Origin = _INVOKED
    trace: str = ""

    def passed_on(self, data: Any) -> Call:
        """Return the same peer's call with another input."""
        return Call(data, self.caller, trace=self.trace)


class StreamCall(Call, kw_only=True, frozen=True, eq=False):
    """A call whose caller iterates: what the service yields goes into `outlet`, and the answer is the end."""

    outlet: Outlet

    def passed_on(self, data: Any) -> StreamCall:
        """Return the same peer's call with another input, and with the same way back."""
        return StreamCall(data, self.caller, trace=self.trace, outlet=self.outlet)


class TopicCall(Call, frozen=True, eq=False):
    """A peer's request about topics: its data is the message, which goes past the channel's service."""


class RemoteCall(msgspec.Struct, eq=False):
    """A call on its way through a link; whoever has the link notes here what became of it.

    `data` is what a channel of a cluster is sent, `frame` what any other WebSocket server is; None where the call means
    a service, which such a server has not.
    """

    data: Any
    frame: Any = None
    was_sent: bool = False
    trace: str = ""


class RemoteStream(RemoteCall, kw_only=True, eq=False):
    """A call on its way through a link whose items come back into `inlet`."""

    inlet: Inlet


class CallResponse(msgspec.Struct, frozen=True):
    """The answer of a remote service; where its data is a dict, it reads and prints as that dict."""

    id: str
    timestamp: str
    in_reply_to: str
    data: Any
    status: int = 200

    @property
    def is_ok(self) -> bool:
        """Tell whether the status is 200."""
        return self.status == 200

    def __repr__(self) -> str:
        return repr(self.data)

    def __getitem__(self, key: Any) -> Any:
        return self.data[key]

    def __contains__(self, key: object) -> bool:
        return key in self.data

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def get(self, key: str, default: Any = None) -> Any:
        """Return an element of the data, or `default`."""
        return self.data.get(key, default)

    def keys(self) -> Any:
        """Return the keys of the data."""
        return self.data.keys()
