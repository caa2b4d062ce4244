"""Zato's format: a text frame is one JSON object with `meta` and, mostly, `data`.

The shapes, names and quirks are facts observed with Zato 3.0 and 3.2 and their clients; docs/protocol.md lists
them. This module owns the JSON of both roles and the token of a session; gateways' wrapping of results on the
server's side is the gateway services' business.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from actors.messages import (
    Acknowledge,
    Cancel,
    Deliver,
    Denied,
    Failure,
    Hello,
    Invoke,
    Message,
    Reply,
    Welcome,
)
from actors.publication import messages_of
from runtime.wire.protocol import Frame, Role, Violation
from runtime.wire.session import SessionState, State

__all__ = ["ZatoClientWire", "ZatoServerWire"]

_FORBIDDEN = "You are not authorized to access this resource"
_INVALID_UTF8 = "Invalid UTF-8 bytes"
_NO_ID = "<no-msg-id>"
_POLICY_VIOLATION = 1008
_REMEMBERED = 10_000
_KEPT_TOKENS = 100

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class _Remembered(OrderedDict[str, None]):
    """Ids that something is outstanding for; the oldest are forgotten beyond a bound."""

    def add(self, key: str) -> None:
        self[key] = None
        if len(self) > _REMEMBERED:
            self.popitem(last=False)

    def take(self, key: str) -> bool:
        """Forget the id; tell whether it was known."""
        return self.pop(key, False) is None


def _text(meta: dict[str, Any], **rest: Any) -> str:
    try:
        return _encode_json({"meta": meta, **rest}).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"the data cannot be said in JSON: {error}"
        raise ValueError(msg) from error


class _UnreadableError(Exception):
    """A frame that is no message: the reason, the status and, where it could be read, the id."""

    def __init__(self, reason: str, status: int = 400, message_id: str = _NO_ID) -> None:
        super().__init__(reason)
        self.status = status
        self.message_id = message_id


def _parse(frame: Frame) -> tuple[dict[str, Any], Any]:
    """Return meta and data of a frame, or raise `_UnreadableError`."""
    raw: bytes
    try:
        raw = frame.encode() if isinstance(frame, str) else frame
        raw.decode()
    except UnicodeError:
        raise _UnreadableError(_INVALID_UTF8, 422) from None
    try:
        document = _decode_json(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        reason = f"The frame is not JSON: {error}"
        raise _UnreadableError(reason) from None
    if not isinstance(document, dict):
        reason = f"A message is a JSON object, not {type(document).__name__}"
        raise _UnreadableError(reason)
    meta = document.get("meta")
    if not isinstance(meta, dict):
        reason = "The message has no meta object"
        raise _UnreadableError(reason)
    message_id = meta.get("id")
    if not isinstance(message_id, str) or not message_id:
        reason = "meta.id is missing or no text"
        raise _UnreadableError(reason)
    if not meta.get("timestamp"):
        reason = "meta.timestamp is missing"
        raise _UnreadableError(reason, message_id=message_id)
    return meta, document.get("data")


def _label(value: object) -> str:
    """Return a client's name, an object flattened to `k: v; k: v`."""
    if isinstance(value, dict):
        return "; ".join(f"{key}: {value[key]}" for key in sorted(value))
    return "" if value is None else str(value)


def _attrs(value: object) -> dict[str, str]:
    """Read a client's attributes: key=value, separated by newlines or semicolons; # begins a comment."""
    result: dict[str, str] = {}
    for line in str(value or "").replace(";", "\n").splitlines():
        key, equals, text = line.partition("#")[0].partition("=")
        if equals and key.strip():
            result[key.strip()] = text.strip()
    return result


class ZatoServerWire:
    """The channel's end of a link with a Zato client or outgoing connection.

    Args:
        timestamp: Gives the time now, as messages carry it.
        now: Seconds on a clock that never jumps, for the token's expiry.
        token_ttl: Seconds that a token lives after its last use.
    """

    name = "zato"

    def __init__(self, *, timestamp: Callable[[], str], now: Callable[[], float], token_ttl: float) -> None:
        self._session = SessionState(Role.SERVER)
        self._timestamp = timestamp
        self._now = now
        self._token_ttl = token_ttl
        self._tokens: list[str] = []
        self._expires_at = 0.0
        self._deliveries = _Remembered()
        self._requests = _Remembered()

    def extend_token(self) -> None:
        """Let the token live on: the peer answered a ping."""
        self._expires_at = self._now() + self._token_ttl

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give a frame for each message that the format can say; see `Wire.send`."""
        state = self._session.state
        try:
            frames = []
            for message in messages:
                self._session.state = self._session.check_send(message)
                frames.append(self._encode(message))
        except BaseException:
            self._session.state = state
            raise
        for message in messages:
            if isinstance(message, Welcome):
                self._tokens.append(message.token)
                del self._tokens[:-_KEPT_TOKENS]
                self.extend_token()
            elif isinstance(message, Deliver):
                self._deliveries.add(message.id)
            elif isinstance(message, Invoke):
                self._requests.add(message.id)
        return [frame for frame in frames if frame is not None]

    def _encode(self, message: Message) -> str | None:
        meta: dict[str, Any] = {
            "id": getattr(message, "id", ""),
            "timestamp": getattr(message, "timestamp", "") or self._timestamp(),
        }
        match message:
            case Welcome():
                meta |= {"msg_type": "zwsx.rspa", "in_reply_to": message.in_reply_to, "status": 200}
                return _text(meta, data={"token": message.token})
            case Reply():
                meta |= {"msg_type": "zwsx.rspok", "in_reply_to": message.in_reply_to, "status": 200}
                return _text(meta, data=message.data)
            case Failure():
                meta |= {
                    "msg_type": "zwsx.rsperr",
                    "in_reply_to": message.in_reply_to,
                    "status": message.status,
                    "error_message": message.message,
                }
                return _text(meta, data={"cid": message.id})
            case Denied():
                meta |= {"msg_type": "zwsx.merr", "status": message.status}
                return _text(meta, data=message.reason)
            case Invoke():
                return _text(meta | {"msg_type": "zwsx.rqc"}, data=message.data)
            case Deliver():
                return _text(meta | {"msg_type": "zwsx.psrq"}, data=messages_of(message))
            case _:
                return None

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        if self._session.is_closed:
            return []  # what crosses our last word
        try:
            meta, data = _parse(frame)
        except _UnreadableError as error:
            return [self._unreadable(error)]
        if meta.get("action") == "create-session":
            return [self._hello(meta)]
        if not self._has_token(meta):
            self._session.close()
            return [Violation("no session, or no valid token", Denied(meta["id"], _FORBIDDEN), _POLICY_VIOLATION)]
        self.extend_token()
        return [self._message(meta, data)]

    def _unreadable(self, error: _UnreadableError) -> Violation:
        reason = str(error)
        if self._session.is_open:
            return Violation(reason, Failure(_NO_ID, error.message_id, error.status, reason))
        if error.status == 422:
            return Violation(reason, None, 4001)
        return Violation(reason, Denied(_NO_ID, _FORBIDDEN), _POLICY_VIOLATION)

    def _hello(self, meta: dict[str, Any]) -> Message | Violation:
        username, secret = meta.get("username"), meta.get("secret")
        hello = Hello(
            id=meta["id"],
            timestamp=str(meta["timestamp"]),
            username=None if username is None else str(username),
            secret=None if secret is None else str(secret),
            client_id=str(meta.get("client_id") or ""),
            client_name=_label(meta.get("client_name")),
            attrs=_attrs(meta.get("attrs")),
        )
        if reason := self._session.received(hello):
            return Violation(reason, Failure(_NO_ID, hello.id, 400, reason))
        return hello

    def _has_token(self, meta: dict[str, Any]) -> bool:
        if not self._session.is_open:
            return False
        token = meta.get("token")
        if not token:
            # real clients answer a push before they have picked up their token
            answered = str(meta.get("in_reply_to") or "")
            is_response = meta.get("action") == "client-response"
            return is_response and (answered in self._deliveries or answered in self._requests)
        given = str(token).encode(errors="replace")
        for place, known in enumerate(self._tokens):
            if hmac.compare_digest(given, known.encode()):
                # a renewal crosses messages with the token before it, which is over once the new one is used
                del self._tokens[:place]
                return self._now() < self._expires_at
        return False

    def _message(self, meta: dict[str, Any], data: Any) -> Message | Violation:
        message_id, timestamp = meta["id"], str(meta["timestamp"])
        if meta.get("action") in (None, "", "client-response"):
            in_reply_to = str(meta.get("in_reply_to") or "")
            if self._deliveries.take(in_reply_to):
                return Acknowledge(message_id, in_reply_to, timestamp)
            self._requests.take(in_reply_to)
            if isinstance(data, dict) and "response" in data:
                data = data["response"]
            return Reply(message_id, in_reply_to, data, timestamp)
        return Invoke(message_id, data, timestamp, cid=message_id)


class ZatoClientWire:
    """The outgoing connection's end of a link with a Zato channel, or an Isthmus channel without the native format.

    Args:
        timestamp: Gives the time now, as messages carry it.
    """

    name = "zato"

    def __init__(self, *, timestamp: Callable[[], str]) -> None:
        self._session = SessionState(Role.CLIENT)
        self._timestamp = timestamp
        self._token: str | None = None
        self._client: dict[str, str] = {}
        self._gateway_calls = _Remembered()

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give a frame for each message that the format can say; see `Wire.send`."""
        before = self._session.state, self._client
        frames = []
        try:
            for message in messages:
                self._session.state = self._session.check_send(message)
                frames.append(self._encode(message))
        except BaseException:
            self._session.state, self._client = before
            raise
        for message in messages:
            if isinstance(message, Invoke) and isinstance(message.data, dict) and "service" in message.data:
                self._gateway_calls.add(message.id)
            elif isinstance(message, Cancel):
                self._gateway_calls.take(message.in_reply_to)
        return [frame for frame in frames if frame is not None]

    def _encode(self, message: Message) -> str | None:
        meta: dict[str, Any] = {
            "id": getattr(message, "id", ""),
            "timestamp": getattr(message, "timestamp", "") or self._timestamp(),
            "token": self._token,
            **self._client,
        }
        match message:
            case Hello():
                self._client = {"client_id": message.client_id, "client_name": message.client_name}
                meta |= {
                    "action": "create-session",
                    "username": message.username,
                    "secret": message.secret,
                    "attrs": "\n".join(f"{key}={value}" for key, value in message.attrs.items()),
                    **self._client,
                }
                return _text(meta, data={})
            case Invoke():
                return _text(meta | {"action": "invoke-service"}, data=message.data)
            case Reply():
                meta |= {"action": "client-response", "in_reply_to": message.in_reply_to}
                return _text(meta, data={"response": message.data})
            case Failure() | Acknowledge():
                meta |= {"action": "client-response", "in_reply_to": message.in_reply_to}
                return _text(meta, data={"response": None})
            case _:
                return None

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        if self._session.is_closed:
            return []  # what crosses our last word
        try:
            meta, data = _parse(frame)
        except _UnreadableError as error:
            return [Violation(str(error))]
        message = self._message(meta, data)
        if reason := self._session.received(message):
            return [Violation(reason)]
        return [message]

    def _message(self, meta: dict[str, Any], data: Any) -> Message:
        message_id, timestamp = meta["id"], str(meta["timestamp"])
        in_reply_to = meta.get("in_reply_to")
        if in_reply_to:
            return self._answer(meta, data, str(in_reply_to), timestamp)
        match meta.get("msg_type"):
            case "zwsx.merr":
                status = meta.get("status")
                reason = str(meta.get("error_message") or data or _FORBIDDEN)
                return Denied(message_id, reason, timestamp, status if isinstance(status, int) else 403)
            case "zwsx.psrq":
                return self._delivery(message_id, data, timestamp)
            case _:
                return Invoke(message_id, data, timestamp, cid=message_id)

    def _answer(self, meta: dict[str, Any], data: Any, in_reply_to: str, timestamp: str) -> Message:
        message_id, status = meta["id"], meta.get("status", 200)
        is_gateway_call = self._gateway_calls.take(in_reply_to)
        if status != 200:
            status = status if isinstance(status, int) else 500
            text = str(meta.get("error_message") or data or f"status {status}")
            if self._session.state is State.GREETED:
                return Denied(message_id, text, timestamp, status)
            return Failure(message_id, in_reply_to, status, text, timestamp=timestamp)
        if meta.get("msg_type") == "zwsx.rspa" or self._session.state is State.GREETED:
            token = data.get("token") if isinstance(data, dict) else None
            self._token = str(token or "")
            return Welcome(message_id, in_reply_to, timestamp, self._token)
        return Reply(message_id, in_reply_to, _gateway_result(data) if is_gateway_call else data, timestamp)

    def _delivery(self, message_id: str, data: Any, timestamp: str) -> Deliver:
        messages: OrderedDict[str, dict[str, Any]] = OrderedDict()
        for index, one in enumerate(data if isinstance(data, list) else [data]):
            message = one if isinstance(one, dict) else {"data": one}
            messages.setdefault(str(message.get("msg_id", index)), message)
        first = next(iter(messages.values()), {})
        return Deliver(message_id, str(first.get("sub_key", "")), list(messages.values()), timestamp)


def _gateway_result(data: Any) -> Any:
    """Take a gateway's result out of whichever of the four shapes it came in."""
    if isinstance(data, dict) and len(data) == 1:
        if "zato_gateway_response" in data:
            return data["zato_gateway_response"]
        if "response" in data:
            inner = data["response"]
            if isinstance(inner, dict) and len(inner) == 1 and "zato_gateway_response" in inner:
                return inner["zato_gateway_response"]
            return inner
    return data
