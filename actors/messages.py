"""What travels between clusters, one frozen Struct a kind of message.

Both wire formats carry these same messages: `runtime.wire.native` encodes them as they are, and
`runtime.wire.zato` turns them into Zato's JSON. What Zato's format cannot say (identity, time left, cancel, a
refusal with its reason) exists on native links only. This module owns the shapes; it knows nothing of bytes,
sockets, tokens or who may do what.

Every message has an `id` that is unique on its link, but for `Cancel`, `StreamItems`, `Credit`, `Confirm`, `Extend`
and `Goodbye`, which nothing answers.
`timestamp` is naive UTC in ISO 8601 with microseconds, or empty where the sender gave none.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

__all__ = [
    "CREDIT",
    "FEATURES",
    "NATIVE",
    "PUBSUB",
    "STREAMS",
    "Acknowledge",
    "AttributeValue",
    "Cancel",
    "Confirm",
    "Confirmed",
    "Credit",
    "CreditLimit",
    "Deliver",
    "Delivered",
    "Denied",
    "Extend",
    "Failure",
    "FailurePart",
    "Goodbye",
    "Hello",
    "Invoke",
    "Message",
    "OpenStream",
    "Publication",
    "PublishTo",
    "Refusal",
    "Refuse",
    "Reply",
    "StreamEnd",
    "StreamItems",
    "SubscribeTo",
    "UnsubscribeFrom",
    "Welcome",
]

NATIVE = "isthmus.1"
"""The wire format between two clusters of Isthmus, by the name of its WebSocket sub-protocol."""

STREAMS = "streams"
"""The feature of peers that answer `OpenStream`."""

PUBSUB = "pubsub"
"""The feature of peers that take `PublishTo`, `SubscribeTo` and `UnsubscribeFrom`, and answer with `Confirm`."""

CREDIT = "credit"
"""The feature of peers that send no more requests and deliveries than they were granted, and say what they grant."""

FEATURES = (STREAMS, PUBSUB, CREDIT)
"""What this release can do beyond the first of its format."""

Data: TypeAlias = Any
"""A user's own data: whatever JSON can say."""

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0.0)]
"""A duration that a peer names: never negative, and never what is no number."""

Amount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
"""A number of items or bytes that a peer names."""

AttributeValue: TypeAlias = str | int | bool
"""The value of a client's attribute."""


class _Base(msgspec.Struct, frozen=True, array_like=True):
    """What the kinds have in common: encoded as an array, the kind's name first."""


class CreditLimit(msgspec.Struct, frozen=True, array_like=True):
    """How much may be sent that is not answered yet: so many, and of so many bytes in all.

    What is sent last may go beyond the bytes.
    """

    count: Amount
    bytes: Amount


class Hello(_Base, frozen=True, array_like=True, tag="hello"):
    """A client asks for a session, or renews the one that it has.

    `client_id` and `client_name` are labels. The identity of a native peer is (the security definition that its
    credentials prove, `cluster`, `connection`); `server`, `incarnation` and `counter` tell its links apart. `features`
    are what the client can do beyond the first release of the format; with `credit`, `requests` is what it takes of
    the server's requests, and `deliveries` of those of each subscription.
    """

    id: str
    timestamp: str = ""
    username: str | None = None
    secret: str | None = None
    client_id: str = ""
    client_name: str = ""
    attrs: dict[str, AttributeValue] = {}
    cluster: str = ""
    connection: str = ""
    server: str = ""
    incarnation: str = ""
    counter: int = 0
    features: list[str] = []
    requests: CreditLimit | None = None
    deliveries: CreditLimit | None = None

    def __repr__(self) -> str:
        """Leave the secret out."""
        return f"Hello(id={self.id!r}, username={self.username!r}, client_id={self.client_id!r})"

    __str__ = __repr__


class Welcome(_Base, frozen=True, array_like=True, tag="welcome"):
    """The session exists; answers `Hello`. `token` is what Zato's clients repeat in each later message.

    `resumed` says that the peer had subscriptions before, which go on, and `missed` how many messages wait in them;
    `features` what the server can do beyond the first release of the format; with `credit`, `requests` is what it takes
    of the client's requests.
    """

    id: str
    in_reply_to: str
    timestamp: str = ""
    token: str = ""
    cluster: str = ""
    server: str = ""
    max_message_size: int = 0
    resumed: bool = False
    missed: int = 0
    features: list[str] = []
    requests: CreditLimit | None = None

    def __repr__(self) -> str:
        """Leave the token out."""
        return f"Welcome(id={self.id!r}, in_reply_to={self.in_reply_to!r}, cluster={self.cluster!r})"

    __str__ = __repr__


class Denied(_Base, frozen=True, array_like=True, tag="denied"):
    """There is no session (any more), or not with these credentials; the link ends after it."""

    id: str
    reason: str
    timestamp: str = ""
    status: int = 403


class Invoke(_Base, frozen=True, array_like=True, tag="invoke"):
    """A request. From a client, `data` is the input of the channel's service; from a server, of on_message.

    `timeout` is the time that is left for it, in seconds, where the wire can say it; `cid` the correlation id
    that the logs of both clusters show, `trace` the `traceparent` of W3C Trace Context, where somebody traces it.
    """

    id: str
    data: Data = None
    timestamp: str = ""
    timeout: Seconds | None = None
    cid: str = ""
    trace: str = ""


class OpenStream(Invoke, frozen=True, array_like=True, tag="stream"):
    """A request whose answer is a stream: items, then its end or a `Failure`; `Cancel` leaves it.

    `count` and `bytes` are how much the peer may send before it is given credit.
    """

    count: Amount = 0
    bytes: Amount = 0


class StreamItems(_Base, frozen=True, array_like=True, tag="items"):
    """The next items of the stream `in_reply_to`, in order."""

    in_reply_to: str
    items: list[msgspec.Raw]


class StreamEnd(_Base, frozen=True, array_like=True, tag="end"):
    """The stream `in_reply_to` has ended, and all of its items have been sent."""

    id: str
    in_reply_to: str
    timestamp: str = ""


class Credit(_Base, frozen=True, array_like=True, tag="credit"):
    """The receiver takes so much more of what `subject` names: of a stream, the id of its request."""

    subject: str
    count: Amount
    bytes: Amount


class Publication(msgspec.Struct, frozen=True, array_like=True):
    """One message that is to be published: its data, and by name what its publisher says beside it."""

    data: Data
    options: dict[str, Any] = {}


class PublishTo(Invoke, frozen=True, array_like=True, tag="publish"):
    """A request to publish the messages of `data` to a topic, stored together; confirmed with their ids."""

    data: list[Publication] = []
    topic: str = ""


class SubscribeTo(Invoke, frozen=True, array_like=True, tag="subscribe"):
    """A request to subscribe to the topics of `data`, to all or to none; confirmed with their sub_keys.

    `options` are what the subscriber says beside that, by name.
    """

    data: list[str] = []
    options: dict[str, Any] = {}


class UnsubscribeFrom(Invoke, frozen=True, array_like=True, tag="unsubscribe"):
    """A request to end the subscription to the topic `data`, whose `sub_key` may be empty for all of the peer's."""

    data: str = ""
    sub_key: str = ""


class Confirmed(msgspec.Struct, frozen=True, array_like=True):
    """One request about topics is done: the ids of what was published, None where a hook skipped it, or sub_keys."""

    in_reply_to: str
    ids: list[str | None] = []


class Confirm(_Base, frozen=True, array_like=True, tag="confirm"):
    """The requests about topics that are done, any number of them; one that failed is answered by a `Failure`."""

    confirmed: list[Confirmed]
    timestamp: str = ""


class Reply(_Base, frozen=True, array_like=True, tag="reply"):
    """The result of an `Invoke`."""

    id: str
    in_reply_to: str
    data: Data = None
    timestamp: str = ""


class FailurePart(msgspec.Struct, frozen=True, array_like=True):
    """One error of a group: what a `Failure` says of it, and its own parts where it is a group again."""

    status: int
    message: str
    kind: str = ""
    details: Data = None
    parts: list[FailurePart] = []


class Failure(_Base, frozen=True, array_like=True, tag="failure"):
    """An `Invoke`, or bytes that could not be understood, ended with an error.

    `status` is HTTP-like, `kind` the name of the error's class where the wire can say it, `details` the user's own
    data. Of a group, `parts` are its errors. `traceback` is empty unless the sender is configured to tell.
    """

    id: str
    in_reply_to: str
    status: int
    message: str
    kind: str = ""
    timestamp: str = ""
    details: Data = None
    parts: list[FailurePart] = []
    traceback: str = ""


class Cancel(_Base, frozen=True, array_like=True, tag="cancel"):
    """Nobody waits any more for the answer to `in_reply_to`; its handler is to be cancelled."""

    in_reply_to: str


class Delivered(msgspec.Struct, frozen=True, array_like=True):
    """A message within a `Deliver`: how often it may have been delivered, this time included, and what was published.

    `body` is an `actors.topics.publication.Published` as it was encoded once, when it was published.
    """

    delivery_count: int
    body: msgspec.Raw


class Deliver(_Base, frozen=True, array_like=True, tag="deliver"):
    """Messages of one subscription, in order.

    A peer that does not speak the native format sends dicts, as on_message receives them. `ack_timeout` says after
    how many seconds the sender gives up waiting for an answer or an `Extend`, 0 where it does not say; `compat` the
    release of Zato whose shape on_message is to get; `is_bare` that it gets a single message without a list.
    """

    id: str
    sub_key: str
    messages: list[Delivered | dict[str, Any]]
    timestamp: str = ""
    ack_timeout: Seconds = 0.0
    compat: str = ""
    is_bare: bool = False


class Acknowledge(_Base, frozen=True, array_like=True, tag="acknowledge"):
    """All messages of the delivery `in_reply_to` were handled; `data` is what the handler returned."""

    id: str
    in_reply_to: str
    timestamp: str = ""
    data: Data = None


class Refusal(msgspec.Struct, frozen=True, array_like=True):
    """One message of a delivery was not handled: why, and in how many seconds it is wanted again, if that was said."""

    msg_id: str
    reason: str = ""
    redeliver_after: Seconds | None = None


class Refuse(_Base, frozen=True, array_like=True, tag="refuse"):
    """Messages of the delivery `in_reply_to` were not handled: those of `messages`, or all where it names none."""

    id: str
    in_reply_to: str
    reason: str = ""
    timestamp: str = ""
    messages: list[Refusal] = []


class Extend(_Base, frozen=True, array_like=True, tag="extend"):
    """The deliveries `in_reply_to` are still being handled; their senders go on waiting."""

    in_reply_to: list[str]


class Goodbye(_Base, frozen=True, array_like=True, tag="goodbye"):
    """The sender closes the link, by intention; the close frame that follows has the same code and reason."""

    code: int
    reason: str = ""


Message: TypeAlias = (
    Hello
    | Welcome
    | Denied
    | Invoke
    | OpenStream
    | PublishTo
    | SubscribeTo
    | UnsubscribeFrom
    | Confirm
    | StreamItems
    | StreamEnd
    | Credit
    | Reply
    | Failure
    | Cancel
    | Deliver
    | Acknowledge
    | Refuse
    | Extend
    | Goodbye
)
