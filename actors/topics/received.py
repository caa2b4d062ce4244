"""What subscribers receive of published messages, as their hooks see it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Sequence
from typing import Any

from msgspec.structs import astuple

from actors.messages import Deliver, Delivered
from actors.settings import Compat
from actors.topics.publication import Published, all_published

__all__ = ["delivered", "iso_time", "messages_of"]


@functools.lru_cache(maxsize=256)
def iso_time(unix: float) -> str:
    """Return a point in time as messages carry it: naive UTC in ISO 8601 with microseconds.

    What is stored together has the same.
    """
    second, micro = divmod(round(unix * 1_000_000), 1_000_000)
    return f"{_iso_second(second)}.{micro:06d}"


@functools.lru_cache(maxsize=1024)
def _iso_second(unix: int) -> str:
    """Return a second; messages come many to a second."""
    try:
        moment = datetime.datetime.fromtimestamp(unix, datetime.UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.datetime.max
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


_OLD = Compat.ZATO_3_0.value
_OWN = 4
"""The first fields of `Published` are a message's own: its topic, id, data and size."""

_WHERE_SET = ("correl_id", "in_reply_to", "ext_client_id", "user_ctx", "original_topic", "reason")
"""What a message has a key for only where its publisher, or who buried it, said it."""


def delivered(message: Published, sub_key: str, delivery_count: int, compat: str) -> dict[str, Any]:
    """Return the message as an on_message hook receives it.

    On a 3.0 channel these are just the twelve keys that Zato 3.0 sent, with milliseconds and a delivery count
    from zero; otherwise seconds, a count from one, and the keys that 3.2 added.
    """
    is_old = compat == _OLD
    pub_time, recv_time, expiration = message.pub_time, message.recv_time, message.expiration
    published_at = iso_time(pub_time)
    result: dict[str, Any] = {
        "delivery_count": delivery_count - 1 if is_old else delivery_count,
        "msg_id": message.msg_id,
        "expiration_time_iso": iso_time(pub_time + expiration),
        "topic_name": message.topic,
        "pub_time_iso": published_at,
        "priority": message.priority,
        "expiration": expiration * 1000 if is_old else expiration,
        "has_gd": message.has_gd,
        "data": message.data,
        "sub_key": sub_key,
        "mime_type": message.mime_type,
        "size": message.size,
    }
    if is_old:
        return result
    result["recv_time_iso"] = published_at if recv_time == pub_time else iso_time(recv_time)
    for name in _WHERE_SET:
        if value := getattr(message, name):
            result[name] = value
    if message.ext_pub_time:
        result["ext_pub_time_iso"] = message.ext_pub_time
    if message.reply_to_sk:
        result["ctx"] = {"reply_to_sk": list(message.reply_to_sk)}
    return result


def _all_delivered(found: Sequence[Delivered], delivery: Deliver) -> list[dict[str, Any]]:
    """Return several messages as `delivered` does; most differ from the one before them in their first fields only."""
    result: list[dict[str, Any]] = []
    published = all_published([one.body for one in found])
    before_first = 1 if delivery.compat == _OLD else 0
    common: tuple[Any, ...] = ()
    model: dict[str, Any] = {}
    for one, message in zip(found, published, strict=True):
        fields = astuple(message)
        if fields[_OWN:] != common:
            model = delivered(message, delivery.sub_key, one.delivery_count, delivery.compat)
            result.append(model)
            common = () if message.user_ctx or message.reply_to_sk else fields[_OWN:]  # no two share what can change
            continue
        each = model.copy()
        each["topic_name"], each["msg_id"], each["data"], each["size"] = fields[:_OWN]
        each["delivery_count"] = one.delivery_count - before_first
        result.append(each)
    return result


def messages_of(delivery: Deliver) -> Any:
    """Return what on_message receives of a delivery: a list of message dicts, or a single one that is to be bare.

    Raises:
        msgspec.MsgspecError: When a message cannot be read.
    """
    native = [one for one in delivery.messages if isinstance(one, Delivered)]
    messages = _all_delivered(native, delivery)
    if len(native) < len(delivery.messages):
        mine = iter(messages)
        messages = [one if isinstance(one, dict) else next(mine) for one in delivery.messages]
    return messages[0] if delivery.is_bare and len(messages) == 1 else messages
