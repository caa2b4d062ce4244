"""A published message: what a publisher says of it, and what a topic makes of it."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
from attrs import evolve, frozen

from actors.call import PeerIdentity
from actors.errors import BadInput
from actors.settings import Compat

__all__ = ["NEVER", "Publish", "Stored", "SubscriptionRecord", "Waiting", "delivered"]

NEVER = 2_147_483_647
"""The expiration of messages that never expire, in seconds; Zato's value."""

_OPTIONS = frozenset(
    (
        "msg_id",
        "priority",
        "expiration",
        "correl_id",
        "in_reply_to",
        "ext_client_id",
        "mime_type",
        "has_gd",
    )
)


@frozen
class Publish:
    """A message on its way to its topic."""

    data: Any
    msg_id: str = ""
    priority: int = 5
    expiration: int = NEVER
    correl_id: str = ""
    in_reply_to: str = ""
    ext_client_id: str = ""
    mime_type: str = ""
    has_gd: bool | None = None

    @classmethod
    def of(cls, data: object, options: dict[str, Any], *, cid: str = "") -> Publish:
        """Check what a publisher says.

        Raises:
            BadInput: Naming the option and what was expected.
        """
        if unknown := sorted(options.keys() - _OPTIONS):
            msg = f"unknown publish option {unknown[0]!r}; there are {', '.join(sorted(_OPTIONS))}"
            raise BadInput(msg)
        if data is None or data == "":
            msg = "No data sent on input"
            raise BadInput(msg)
        given = {name: value for name, value in options.items() if value is not None}
        priority = given.get("priority", 5)
        if type(priority) is not int or not 1 <= priority <= 9:
            msg = f"priority: expected a whole number from 1 to 9, got {priority!r}"
            raise BadInput(msg)
        expiration = given.get("expiration", NEVER) or NEVER
        if type(expiration) is not int or expiration < 0:
            msg = f"expiration: expected seconds, a whole number above zero, got {expiration!r}"
            raise BadInput(msg)
        if not isinstance(given.get("has_gd", False), bool):
            msg = f"has_gd: expected true or false, got {given['has_gd']!r}"
            raise BadInput(msg)
        given["correl_id"] = given.get("correl_id") or cid
        return cls(data, **{**given, "priority": priority, "expiration": expiration})


@frozen
class Stored:
    """A message in its topic, at its place."""

    topic: str
    place: int
    msg_id: str
    data: Any
    size: int
    priority: int
    expiration: int
    has_gd: bool
    mime_type: str
    correl_id: str
    in_reply_to: str
    ext_client_id: str
    pub_time: datetime.datetime
    recv_time: datetime.datetime
    original_topic: str = ""
    reason: str = ""

    @classmethod
    def of(
        cls,
        publish: Publish,
        *,
        topic: str,
        place: int,
        msg_id: str,
        now: datetime.datetime,
        guaranteed: bool,
    ) -> Stored:
        """Give a published message its place in a topic."""
        is_text = isinstance(publish.data, str)
        body = publish.data.encode() if is_text else msgspec.json.encode(publish.data)
        return cls(
            topic=topic,
            place=place,
            msg_id=msg_id,
            data=publish.data,
            size=len(body),
            priority=publish.priority,
            expiration=publish.expiration,
            has_gd=guaranteed if publish.has_gd is None else publish.has_gd,
            mime_type=publish.mime_type or ("text/plain" if is_text else "application/json"),
            correl_id=publish.correl_id,
            in_reply_to=publish.in_reply_to,
            ext_client_id=publish.ext_client_id,
            pub_time=now,
            recv_time=now,
        )

    def buried(self, topic: str, reason: str, now: datetime.datetime) -> Stored:
        """Return the message as it goes to a dead-letter topic, where it does not expire."""
        return evolve(
            self,
            topic=topic,
            expiration=NEVER,
            original_topic=self.original_topic or self.topic,
            reason=reason,
            recv_time=now,
        )

    @property
    def expires_at(self) -> datetime.datetime:
        """When it expires, naive UTC."""
        return self.pub_time + datetime.timedelta(seconds=self.expiration)


@frozen
class SubscriptionRecord:
    """A subscription as it is kept: whose it is, and of which topic."""

    sub_key: str
    topic: str
    owner: PeerIdentity


@frozen
class Waiting:
    """A message that a subscription is not done with, and how often it may have been delivered before."""

    stored: Stored
    deliveries: int


def delivered(stored: Stored, sub_key: str, delivery_count: int, compat: Compat) -> dict[str, Any]:
    """Return the message as an on_message hook receives it.

    On a 3.0 channel these are just the twelve keys that Zato 3.0 sent, with milliseconds and a delivery count
    from zero; otherwise seconds, a count from one, and the keys that 3.2 added.
    """
    is_old = compat is Compat.ZATO_3_0
    message: dict[str, Any] = {
        "delivery_count": delivery_count - 1 if is_old else delivery_count,
        "msg_id": stored.msg_id,
        "expiration_time_iso": stored.expires_at.isoformat(timespec="microseconds"),
        "topic_name": stored.topic,
        "pub_time_iso": stored.pub_time.isoformat(timespec="microseconds"),
        "priority": stored.priority,
        "expiration": stored.expiration * 1000 if is_old else stored.expiration,
        "has_gd": stored.has_gd,
        "data": stored.data,
        "sub_key": sub_key,
        "mime_type": stored.mime_type,
        "size": stored.size,
    }
    if not is_old:
        message["recv_time_iso"] = stored.recv_time.isoformat(timespec="microseconds")
        for key in ("correl_id", "in_reply_to", "ext_client_id", "original_topic", "reason"):
            if value := getattr(stored, key):
                message[key] = value
    return message
