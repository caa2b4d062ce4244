"""What a publisher may say of a message beside its data, and how each of these options is read."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["MAX_MSG_ID", "NEVER", "OPTIONS", "ORDINARY"]

NEVER = 2_147_483_647
"""The expiration of messages that never expire, in seconds; Zato's value."""

MAX_MSG_ID = 200
LOWEST, ORDINARY, HIGHEST = 1, 5, 9


def _text(value: object) -> str:
    if not isinstance(value, str):
        msg = f"expected text, got {value!r}"
        raise TypeError(msg)
    return value


def _msg_id(value: object) -> str:
    text = _text(value)
    if len(text) > MAX_MSG_ID or not text.isprintable():
        msg = f"expected up to {MAX_MSG_ID} printable characters, got {text[:40]!r}"
        raise ValueError(msg)
    return text


def _priority(value: object) -> int:
    if type(value) is not int or not LOWEST <= value <= HIGHEST:
        msg = f"expected a whole number from {LOWEST} to {HIGHEST}, got {value!r}"
        raise ValueError(msg)
    return value


def _expiration(value: object) -> int:
    if type(value) is not int or value < 0:
        msg = f"expected seconds, a whole number above zero, got {value!r}"
        raise ValueError(msg)
    return min(value, NEVER) or NEVER


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"expected true or false, got {value!r}"
        raise TypeError(msg)
    return value


def _time(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    try:
        datetime.datetime.fromisoformat(_text(value))
    except ValueError:
        msg = f"expected a point in time such as 2026-01-31T12:00:00, got {value!r}"
        raise ValueError(msg) from None
    return str(value)


def _keys(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(key for key in (part.strip() for part in value.split(",")) if key)
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        msg = f"expected a list of sub_keys, got {value!r}"
        raise ValueError(msg)
    return tuple(value)


def _anything(value: object) -> object:
    return value


OPTIONS: Mapping[str, Callable[[object], Any]] = {
    "msg_id": _msg_id,
    "priority": _priority,
    "expiration": _expiration,
    "correl_id": _text,
    "in_reply_to": _text,
    "ext_client_id": _text,
    "ext_pub_time": _time,
    "mime_type": _text,
    "has_gd": _flag,
    "reply_to_sk": _keys,
    "deliver_to_sk": _keys,
    "user_ctx": _anything,
}
"""What a publisher may say beside the data, and how it is read; the error says what was expected."""
