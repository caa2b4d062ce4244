"""The JSON of Zato's frames, as both ends read and write it: no input raises anything but `UnreadableError`."""

from __future__ import annotations

import re
import sys
from collections import OrderedDict
from typing import Any

import msgspec

from actors.messages import AttributeValue
from runtime.wire.protocol import Frame
from runtime.wire.session import MAX_ID, MAX_LABEL

__all__ = [
    "FORBIDDEN",
    "INVALID_UTF8",
    "NO_CID",
    "NO_ID",
    "Remembered",
    "UnreadableError",
    "attributes_of",
    "encode",
    "label_of",
    "parse",
    "ping_payload",
    "text_of",
]

FORBIDDEN = "You are not authorized to access this resource"
INVALID_UTF8 = "Invalid UTF-8 bytes"
NO_ID, NO_CID = "<no-msg-id>", "<no-cid>"
"""What an error bears where the id of the message, or one of its own, is not known."""

_MOST_REMEMBERED = 10_000
_MOST_CHARACTERS = {
    "id": MAX_ID,
    "in_reply_to": MAX_ID,
    "timestamp": MAX_ID,
    "token": MAX_LABEL,
    "username": MAX_LABEL,
    "secret": MAX_LABEL,
    "client_id": MAX_LABEL,
}
"""Of texts that are kept, sent back, or compared."""
_UNLIMITED = sys.maxsize

_ID = re.compile(r'"id"\s*:\s*"([^"\\]{1,200})"')
_ANSWERED = re.compile(r'"in_reply_to"\s*:\s*"')
_META_WINDOW = 2000
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_TRUTH = {"true": True, "false": False}

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class Remembered(OrderedDict[str, None]):
    """Ids that something is outstanding for; the oldest are forgotten beyond a bound."""

    def add(self, key: str) -> None:
        """Remember an id."""
        self[key] = None
        if len(self) > _MOST_REMEMBERED:
            self.popitem(last=False)

    def take(self, key: str) -> bool:
        """Forget the id; tell whether it was known."""
        return self.pop(key, False) is None


class UnreadableError(Exception):
    """A frame that is no message.

    Args:
        reason: What is wrong with it.
        status: HTTP-like.
        message_id: Its id, where that could be read.
        is_answer: Whether it seems to answer a message, and so is not to be answered itself.
    """

    def __init__(self, reason: str, status: int = 400, message_id: str = "", *, is_answer: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.message_id = message_id
        self.is_answer = is_answer


def encode(meta: dict[str, Any], **rest: Any) -> str:
    """Return a frame.

    Raises:
        ValueError: When JSON cannot say the data.
    """
    try:
        return _encode_json({"meta": meta, **rest}).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"the data cannot be said in JSON: {error}"
        raise ValueError(msg) from error


def ping_payload(unique: str, timestamp: str) -> bytes:
    """Return what a ping carries: a message of Zato's, compact, since a control frame holds 125 bytes."""
    return _encode_json({"meta": {"id": unique, "timestamp": timestamp, "msg_type": "zwsx.rqc"}})


def parse(frame: Frame, *, needs_timestamp: bool) -> tuple[dict[str, Any], Any]:
    """Return meta and data of a frame; a binary frame is read as though it were text.

    Raises:
        UnreadableError: When the frame is no message.
    """
    try:
        raw = frame.encode() if isinstance(frame, str) else frame
        text = frame if isinstance(frame, str) else raw.decode()
    except UnicodeError:
        raise UnreadableError(INVALID_UTF8, 422) from None
    try:
        document = _decode_json(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _unreadable(f"The frame is not JSON: {error}", text) from None
    if not isinstance(document, dict):
        raise _unreadable(f"A message is a JSON object, not {type(document).__name__}", text)
    meta = document.get("meta")
    if not isinstance(meta, dict):
        raise _unreadable("The message has no meta object", text)
    message_id, is_answer = text_of(meta.get("id")), bool(meta.get("in_reply_to"))
    if not isinstance(meta.get("id"), str) or not message_id:
        reason = "meta.id is missing or no text"
        raise UnreadableError(reason, message_id=message_id, is_answer=is_answer)
    for key, value in meta.items():
        limit = _MOST_CHARACTERS.get(key, _UNLIMITED)
        if len(value if type(value) is str else text_of(value)) > limit:
            reason = f"meta.{key} has more than {limit} characters"
            raise UnreadableError(reason, message_id=message_id, is_answer=is_answer)
    if needs_timestamp and meta.get("timestamp") is None:
        reason = "meta.timestamp is missing"
        raise UnreadableError(reason, message_id=message_id, is_answer=is_answer)
    return meta, document.get("data")


def _unreadable(reason: str, text: str) -> UnreadableError:
    """Look for the id behind the last `meta` of what could not be read, or else behind the first."""
    for start in (text.rfind('"meta"'), text.find('"meta"')):
        if start >= 0 and (found := _ID.search(text, start, start + _META_WINDOW)) is not None:
            is_answer = _ANSWERED.search(text, start, start + _META_WINDOW) is not None
            return UnreadableError(reason, message_id=found[1], is_answer=is_answer)
    return UnreadableError(reason)


def text_of(value: object) -> str:
    """Return a value of meta as text: numbers as they are written, nothing for what has parts."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool | int | float) else ""


def label_of(value: object) -> str:
    """Return a client's name, an object flattened to `k: v; k: v`.

    Raises:
        UnreadableError: When it is too long to be kept.
    """
    if isinstance(value, dict):
        return _kept("client_name", "; ".join(f"{key}: {text_of(value[key])}" for key in sorted(value)))
    return _kept("client_name", text_of(value))


def attributes_of(value: object) -> dict[str, AttributeValue]:
    """Read a client's attributes: key=value, separated by newlines or semicolons; # begins a comment.

    Values that look like a whole number, or like true or false, are taken for that.

    Raises:
        UnreadableError: When they are too long to be kept.
    """
    result: dict[str, AttributeValue] = {}
    for line in _kept("attrs", text_of(value)).replace(";", "\n").splitlines():
        key, equals, text = line.partition("#")[0].partition("=")
        if equals and key.strip():
            result[key.strip()] = _value_of(text.strip())
    return result


def _value_of(text: str) -> AttributeValue:
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    return _TRUTH.get(text.lower(), text)


def _kept(key: str, text: str) -> str:
    if len(text) > MAX_LABEL:
        reason = f"meta.{key} has more than {MAX_LABEL} characters"
        raise UnreadableError(reason)
    return text
