"""The outgoing connection's end of a link with a Zato channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from actors.messages import Acknowledge, Cancel, Deliver, Denied, Failure, Hello, Invoke, Message, Reply, Welcome
from runtime.wire.protocol import Frame, Role, Violation
from runtime.wire.session import SessionState, State
from runtime.wire.zato.busy import WorkInTurn
from runtime.wire.zato.cids import cid_of, own_id_of, with_cid
from runtime.wire.zato.frames import FORBIDDEN, Remembered, UnreadableError, encode, parse, ping_payload, text_of
from runtime.wire.zato.results import gateway_result

__all__ = ["ZatoClientWire"]

_OK, _UNKNOWN_STATUS = 200, 500


class ZatoClientWire:
    """The outgoing connection's end of a link with a Zato channel, or an Isthmus channel without the native format.

    Args:
        timestamp: Gives the time now, as messages carry it.
    """

    name = "zato"
    parts = None
    compression = None

    def __init__(self, *, timestamp: Callable[[], str]) -> None:
        self._session = SessionState(Role.CLIENT)
        self._timestamp = timestamp
        self._token: str | None = None
        self._client: dict[str, str] = {}
        self._gateway_calls = Remembered()
        self._work = WorkInTurn()

    def is_peer_busy(self) -> bool:
        """Tell whether the peer may be at a request, and so answer no ping: Zato handles one after the other."""
        return self._work.is_under_way

    def overdue(self, now: float, *, is_read: bool) -> Violation | None:
        """Tell that nothing is; see `Wire.overdue`."""
        return None

    def ping_payload(self, unique: str) -> bytes:
        """Return what a ping carries; see `Wire.ping_payload`."""
        return ping_payload(unique, self._timestamp())

    def pong_came(self) -> None:
        """Do nothing; see `Wire.pong_came`."""

    def last_words(self, reason: str) -> list[Frame]:
        """Say nothing: a client has no words for it; see `Wire.last_words`."""
        return []

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give a frame for each message that the format can say; see `Wire.send`."""
        before, now = (self._session.state, self._client), self._timestamp()
        frames = []
        try:
            for message in messages:
                self._session.state = self._session.check_send(message)
                frames.append(self._encode(message, now))
        except BaseException:
            self._session.state, self._client = before
            raise
        for message in messages:
            if isinstance(message, Invoke):
                self._work.sent(message.id)
                if isinstance(message.data, dict) and "service" in message.data:
                    self._gateway_calls.add(message.id)
            elif isinstance(message, Cancel):
                self._work.given_up(message.in_reply_to)
                self._gateway_calls.take(message.in_reply_to)
        return [frame for frame in frames if frame is not None]

    def _encode(self, message: Message, now: str) -> str | None:
        meta: dict[str, Any] = {
            "id": getattr(message, "id", ""),
            "timestamp": getattr(message, "timestamp", "") or now,
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
                return encode(meta, data={})
            case Invoke():
                meta |= {"id": with_cid(message.id, message.cid), "action": "invoke-service"}
                return encode(meta, data=message.data)
            case Reply() | Acknowledge():
                meta |= {"action": "client-response", "in_reply_to": message.in_reply_to}
                return encode(meta, data={"response": message.data})
            case Failure():
                meta |= {"action": "client-response", "in_reply_to": message.in_reply_to}
                return encode(meta, data={"response": None})
            case _:
                return None

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        if self._session.is_closed:
            return []  # what crosses our last word
        try:
            meta, data = parse(frame, needs_timestamp=False)
        except UnreadableError as error:
            return [self._unreadable(error)]
        message = self._message(meta, data)
        if reason := self._session.received(message):
            return [Violation(reason)]
        return [message]

    def _unreadable(self, error: UnreadableError) -> Violation:
        """Answer what seems to be a request, so that the server does not wait for its time-out."""
        reason, asked = str(error), error.message_id
        if asked and not error.is_answer and self._session.is_open:
            return Violation(reason, Failure(asked, asked, error.status, reason))
        return Violation(reason)

    def _message(self, meta: dict[str, Any], data: Any) -> Message:
        message_id, timestamp = meta["id"], text_of(meta.get("timestamp"))
        in_reply_to = own_id_of(text_of(meta.get("in_reply_to") or ""))
        self._work.heard(in_reply_to)
        if in_reply_to:
            return self._answer(meta, data, in_reply_to, timestamp)
        match meta.get("msg_type"):
            case "zwsx.merr":
                status = _status_of(meta, 403)
                return Denied(message_id, _error_of(meta, data) or FORBIDDEN, timestamp, status)
            case "zwsx.psrq":
                return _delivery_of(message_id, data, timestamp)
            case _:
                return Invoke(message_id, data, timestamp, cid=cid_of(message_id))

    def _answer(self, meta: dict[str, Any], data: Any, in_reply_to: str, timestamp: str) -> Message:
        message_id, status = meta["id"], _status_of(meta, _OK)
        is_gateway_call = self._gateway_calls.take(in_reply_to)
        if status != _OK:
            text = _error_of(meta, data) or f"status {status}"
            if self._session.state is State.GREETED:
                return Denied(message_id, text, timestamp, status)
            return Failure(message_id, in_reply_to, status, text, timestamp=timestamp)
        if meta.get("msg_type") == "zwsx.rspa" or self._session.state is State.GREETED:
            self._token = text_of(data.get("token")) if isinstance(data, dict) else ""
            return Welcome(message_id, in_reply_to, timestamp, self._token)
        return Reply(message_id, in_reply_to, gateway_result(data) if is_gateway_call else data, timestamp)


def _status_of(meta: dict[str, Any], default: int) -> int:
    """Return a message's status, which may be a number or text; one that means nothing is an error."""
    text = text_of(meta.get("status", default)).removesuffix(".0")
    status = int(text) if len(text) == len("200") and text.isdecimal() else _UNKNOWN_STATUS
    return status if 100 <= status <= 599 else _UNKNOWN_STATUS


def _error_of(meta: dict[str, Any], data: Any) -> str:
    return text_of(meta.get("error_message") or "") or text_of(data or "")


def _delivery_of(message_id: str, data: Any, timestamp: str) -> Deliver:
    """Return a delivery, in which Zato may repeat a message."""
    messages: dict[tuple[str, str], dict[str, Any]] = {}
    for index, one in enumerate(data if isinstance(data, list) else [data]):
        message = one if isinstance(one, dict) else {"data": one}
        msg_id = text_of(message.get("msg_id")) or f"number {index}"
        messages.setdefault((text_of(message.get("sub_key")), msg_id), message)
    (sub_key, _), *_rest = messages or [("", "")]
    return Deliver(message_id, sub_key, list(messages.values()), timestamp)
