"""A published message: what a publisher says of it, and what a store makes of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from attrs import field, frozen

from actors.errors import BadInput
from actors.services.call import PeerIdentity
from actors.topics.publish_options import NEVER, OPTIONS, ORDINARY

__all__ = [
    "NEVER",
    "ORDINARY",
    "Publish",
    "Published",
    "Stored",
    "SubscriptionRecord",
    "Taken",
    "all_published",
    "published_of",
]


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message on its way to its topic; `of` checks what a publisher says.

    `publisher` names the endpoint that may publish it and `pattern` that of its patterns which says so; both are
    empty for a cluster's own services without an endpoint. `trace` is the traceparent of its publishing.
    """

    data: Any
    size: int
    msg_id: str = ""
    priority: int = ORDINARY
    expiration: int = NEVER
    correl_id: str = ""
    in_reply_to: str = ""
    ext_client_id: str = ""
    ext_pub_time: str = ""
    mime_type: str = ""
    has_gd: bool | None = None
    reply_to_sk: tuple[str, ...] = ()
    deliver_to_sk: tuple[str, ...] = ()
    user_ctx: Any = None
    publisher: str = ""
    pattern: str = ""
    trace: str = ""

    @classmethod
    def of(
        cls,
        data: object,
        options: Mapping[str, Any],
        *,
        cid: str = "",
        publisher: str = "",
        pattern: str = "",
        trace: str = "",
    ) -> Publish:
        """Check what a publisher says.

        Args:
            data: Text, or what JSON can say.
            options: By name: msg_id, priority, expiration, correl_id, in_reply_to, ext_client_id, ext_pub_time,
                mime_type, has_gd, reply_to_sk, deliver_to_sk, user_ctx; None is as if not given.
            cid: The correlation id where `correl_id` is not given.
            publisher: The endpoint that may publish it.
            pattern: Which pattern of it says so.
            trace: The traceparent of its publishing.

        Raises:
            BadInput: Naming the option and what was expected.
        """
        if not options and not pattern and not trace:
            return cls(data, _size_of(data, "data"), correl_id=cid)
        given: dict[str, Any] = {}
        for name, value in options.items():
            if name not in OPTIONS:
                msg = f"unknown publish option {name!r}; there are {', '.join(sorted(OPTIONS))}"
                raise BadInput(msg)
            if value is not None:
                try:
                    given[name] = OPTIONS[name](value)
                except (TypeError, ValueError) as error:
                    msg = f"{name}: {error}"
                    raise BadInput(msg) from None
        if not given.get("correl_id"):
            given["correl_id"] = cid
        if "user_ctx" in given:
            _size_of(given["user_ctx"], "user_ctx")
        return cls(data, _size_of(data, "data"), publisher=publisher, pattern=pattern, trace=trace, **given)


def _size_of(data: object, what: str) -> int:
    """Return how many bytes the data has in UTF-8, or in JSON where it is no text."""
    if isinstance(data, str) and data and data.isascii():
        return len(data)
    if what == "data" and (data is None or data == ""):
        msg = "No data sent on input"
        raise BadInput(msg)
    try:
        if isinstance(data, str):
            return len(data.encode())
        size = len(msgspec.json.encode(data))
        msgspec.msgpack.encode(data)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"{what}: JSON cannot say it: {error}"
        raise BadInput(msg) from None
    return size


class Published(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What subscribers are told of a message; encoded once and stored and sent as it is. Times are Unix times."""

    topic: str
    msg_id: str
    data: Any
    size: int
    priority: int
    expiration: int
    has_gd: bool
    mime_type: str
    pub_time: float
    recv_time: float
    correl_id: str = ""
    in_reply_to: str = ""
    ext_client_id: str = ""
    ext_pub_time: str = ""
    reply_to_sk: tuple[str, ...] = ()
    user_ctx: Any = None
    original_topic: str = ""
    reason: str = ""
    trace: str = ""

    @classmethod
    def of(
        cls, publish: Publish, *, topic: str, msg_id: str, now: float, guaranteed: bool, max_expiration: float
    ) -> Published:
        """Make of a publish what subscribers get; `max_expiration` is the topic's limit in seconds, 0 for none."""
        [one] = cls.all_of(
            [publish], [msg_id], topic=topic, now=now, guaranteed=guaranteed, max_expiration=max_expiration
        )
        return one

    @classmethod
    def all_of(
        cls,
        publishes: Sequence[Publish],
        ids: Sequence[str],
        *,
        topic: str,
        now: float,
        guaranteed: bool,
        max_expiration: float,
    ) -> list[Published]:
        """Make of what is published together what subscribers get."""
        longest = math.ceil(max_expiration) if max_expiration else NEVER
        return [
            cls(
                topic,
                msg_id,
                publish.data,
                publish.size,
                publish.priority,
                publish.expiration if publish.expiration < longest or not max_expiration else longest,
                guaranteed,
                publish.mime_type or ("text/plain" if isinstance(publish.data, str) else "application/json"),
                now,
                now,
                publish.correl_id,
                publish.in_reply_to,
                publish.ext_client_id,
                publish.ext_pub_time,
                publish.reply_to_sk,
                publish.user_ctx,
                "",
                "",
                publish.trace,
            )
            for publish, msg_id in zip(publishes, ids, strict=True)
        ]

    def buried(self, topic: str, reason: str, now: float) -> Published:
        """Return the message as it goes to a dead-letter topic, where it does not expire."""
        return msgspec.structs.replace(
            self,
            topic=topic,
            expiration=NEVER,
            original_topic=self.original_topic or self.topic,
            reason=reason,
            recv_time=now,
        )

    @property
    def expires_at(self) -> float:
        """When it expires, in Unix time."""
        return math.inf if self.expiration >= NEVER else self.pub_time + self.expiration


_decode = msgspec.msgpack.Decoder(Published).decode
_decode_all = msgspec.msgpack.Decoder(list[Published]).decode


def published_of(body: bytes | memoryview | msgspec.Raw) -> Published:
    """Decode what was stored or sent.

    Raises:
        msgspec.MsgspecError: When it is no published message.
    """
    return _decode(body)


def all_published(bodies: Sequence[bytes | msgspec.Raw]) -> list[Published]:
    """Decode several in one go, as the items of a MessagePack array; see the specification's "array format family".

    Raises:
        msgspec.MsgspecError: When one of them is no published message.
    """
    return _decode_all(b"".join([b"\xdd", len(bodies).to_bytes(4, "big"), *bodies]))


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A message at its place in its topic, with what delivering it needs; `body` is an encoded `Published`.

    `deliver_to` names the only subscriptions that get it, where there are any; subscribers are not told.
    """

    place: int
    priority: int
    msg_id: str
    body: bytes
    expires_at: float = math.inf
    is_guaranteed: bool = True
    deliver_to: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands in a queue: urgent ones first, then by place."""
        return -self.priority, self.place


@frozen
class SubscriptionRecord:
    """A subscription as it is kept: whose it is, of which topic, and how it wants its messages.

    Args:
        sub_key: Its name, a secret between the cluster and the subscriber.
        topic: The topic's name.
        owner: Whose it is.
        options: What the subscriber set of `actors.settings.DeliverySettings`, by name, as TOML and JSON say it.
        pattern: Which pattern of the owner's endpoint allowed it.
        client: What the subscriber calls itself.
        is_lasting: Whether it outlives its last session.
        overrides: What operators set of the same, whatever the subscriber says.
    """

    sub_key: str
    topic: str
    owner: PeerIdentity
    options: Mapping[str, Any] = field(factory=dict)
    pattern: str = ""
    client: str = ""
    is_lasting: bool = True
    overrides: Mapping[str, Any] = field(factory=dict)

    @property
    def effective(self) -> Mapping[str, Any]:
        """What is set by either."""
        return {**self.options, **self.overrides} if self.overrides else self.options


class Taken(msgspec.Struct, frozen=True):
    """Messages that a subscription has taken, in their order.

    By place, `deliveries` says how often those that may have been delivered before were, and `failures` how often those
    that failed alone did.
    """

    messages: Sequence[Stored]
    deliveries: Mapping[int, int] = {}
    failures: Mapping[int, int] = {}
