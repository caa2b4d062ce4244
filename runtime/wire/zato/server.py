"""The channel's end of a link with a Zato client: its frames, and the token of its session.

Gateways' wrapping of results is the gateway services' business.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Any

from actors.messages import Acknowledge, Deliver, Denied, Failure, Hello, Invoke, Message, Reply, Welcome
from actors.settings import Compat
from actors.topics.received import messages_of
from runtime.wire.protocol import Frame, Role, Violation
from runtime.wire.session import SessionState
from runtime.wire.zato.cids import cid_of, own_id_of, with_cid
from runtime.wire.zato.frames import (
    FORBIDDEN,
    INVALID_UTF8,
    NO_CID,
    NO_ID,
    Remembered,
    UnreadableError,
    attributes_of,
    encode,
    label_of,
    parse,
    ping_payload,
    text_of,
)

__all__ = ["ZatoServerWire"]

_POLICY_VIOLATION = 1008
_NOT_UTF8 = 4001
_KEPT_TOKENS = 100
_RESPONSES = (None, "", "client-response")
"""Actions of responses; a message without an action is one, too."""


def _text_of(failure: Failure) -> str:
    """Return the text of an error; of a group those of its parts, since the format has one text for all of it."""
    if not failure.parts:
        return failure.message
    return f"{failure.message}: {'; '.join(part.message for part in failure.parts)}"


class ZatoServerWire:
    """The channel's end of a link with a Zato client or outgoing connection.

    Args:
        timestamp: Gives the time now, as messages carry it.
        now: Seconds on a clock that never jumps, for the token's expiry.
        token_ttl: Seconds that a token lives after its last use.
        compat: The release of Zato that the peer is to take this end for.
    """

    name = "zato"
    parts = None
    compression = None

    def __init__(
        self,
        *,
        timestamp: Callable[[], str],
        now: Callable[[], float],
        token_ttl: float,
        compat: Compat = Compat.ZATO_3_2,
    ) -> None:
        self._session = SessionState(Role.SERVER)
        self._timestamp = timestamp
        self._now = now
        self._token_ttl = token_ttl
        self._compat = compat
        self._tokens: list[str] = []
        self._expires_at = 0.0
        self._deliveries = Remembered()
        self._requests = Remembered()
        self._is_over = False

    def extend_token(self) -> None:
        """Let the token live on: it was used, or the peer answered a ping."""
        self._expires_at = self._now() + self._token_ttl

    def pong_came(self) -> None:
        """Let the token live on; see `Wire.pong_came`."""
        self.extend_token()

    def is_peer_busy(self) -> bool:
        """Tell that nothing keeps the peer from answering; see `Wire.is_peer_busy`."""
        return False

    def overdue(self, now: float, *, is_read: bool) -> Violation | None:
        """Tell that nothing is; see `Wire.overdue`."""
        return None

    def ping_payload(self, unique: str) -> bytes:
        """Return what a ping carries; see `Wire.ping_payload`."""
        return ping_payload(unique, self._timestamp())

    def last_words(self, reason: str) -> list[Frame]:
        """Tell a peer of Zato 3.0, which knows no close codes, why the link ends; see `Wire.last_words`."""
        if self._compat is not Compat.ZATO_3_0 or not self._session.is_open:
            return []
        self._session.close()
        return [self._denied(Denied(NO_CID, reason), self._timestamp())]

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give a frame for each message that the format can say; see `Wire.send`."""
        state, now = self._session.state, self._timestamp()
        try:
            frames = []
            for message in messages:
                self._session.state = self._session.check_send(message)
                frames.append(self._encode(message, now))
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

    def _meta(self, message: Message, now: str) -> dict[str, Any]:
        return {"id": getattr(message, "id", ""), "timestamp": getattr(message, "timestamp", "") or now}

    def _encode(self, message: Message, now: str) -> str | None:
        meta = self._meta(message, now)
        match message:
            case Welcome():
                meta |= {"msg_type": "zwsx.rspa", "in_reply_to": message.in_reply_to, "status": 200}
                return encode(meta, data={"token": message.token})
            case Reply():
                meta |= {"msg_type": "zwsx.rspok", "in_reply_to": message.in_reply_to, "status": 200}
                return encode(meta, data=message.data)
            case Failure():
                meta |= {
                    "msg_type": "zwsx.rsperr",
                    "in_reply_to": message.in_reply_to,
                    "status": message.status,
                    "error_message": _text_of(message),
                }
                return encode(meta, data={"cid": message.id})
            case Denied():
                return self._denied(message, now)
            case Invoke():
                meta |= {"id": with_cid(message.id, message.cid), "msg_type": "zwsx.rqc"}
                return encode(meta, data=message.data)
            case Deliver():
                messages = messages_of(message)
                return encode(meta | {"msg_type": "zwsx.psrq"} | _context_of(messages), data=messages)
            case _:
                return None

    def _denied(self, message: Denied, now: str) -> str:
        return encode(
            self._meta(message, now) | {"msg_type": "zwsx.merr", "status": message.status}, data=message.reason
        )

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        if self._is_over or self._session.is_closed:
            return []  # what crosses our last word
        try:
            meta, data = parse(frame, needs_timestamp=True)
            if meta.get("action") == "create-session":
                return [self._hello(meta)]
        except UnreadableError as error:
            return [self._unreadable(error)]
        if not self._has_token(meta):
            self._is_over = True
            return [Violation("no session, or no valid token", Denied(meta["id"], FORBIDDEN), _POLICY_VIOLATION)]
        self.extend_token()
        return [self._message(meta, data)]

    def _unreadable(self, error: UnreadableError) -> Violation:
        """Tell what is wrong; without a session that is also the end."""
        reason = str(error)
        answer = Failure(NO_CID, error.message_id or NO_ID, error.status, reason)
        if self._session.is_open:
            return Violation(reason, answer)
        self._is_over = True
        if reason == INVALID_UTF8:
            return Violation(reason, None, _NOT_UTF8)
        return Violation(reason, answer if error.message_id else Denied(NO_CID, FORBIDDEN), _POLICY_VIOLATION)

    def _hello(self, meta: dict[str, Any]) -> Message | Violation:
        username, secret = meta.get("username"), meta.get("secret")
        try:
            hello = Hello(
                id=meta["id"],
                timestamp=text_of(meta["timestamp"]),
                username=None if username is None else text_of(username),
                secret=None if secret is None else text_of(secret),
                client_id=text_of(meta.get("client_id")),
                client_name=label_of(meta.get("client_name")),
                attrs=attributes_of(meta.get("attrs")),
            )
        except UnreadableError as error:
            error.message_id = meta["id"]
            raise
        if reason := self._session.received(hello):
            return Violation(reason, Failure(NO_CID, hello.id, 400, reason))
        return hello

    def _has_token(self, meta: dict[str, Any]) -> bool:
        if not self._session.is_open:
            return False
        token = meta.get("token")
        if not token:
            # real clients answer a push before they have picked up their token
            answered = own_id_of(text_of(meta.get("in_reply_to")))
            return meta.get("action") in _RESPONSES and (answered in self._deliveries or answered in self._requests)
        given = text_of(token).encode()
        for place, known in enumerate(self._tokens):
            if hmac.compare_digest(given, known.encode()):
                # a renewal crosses messages with the token before it, which is over once the new one is used
                del self._tokens[:place]
                return self._now() < self._expires_at
        return False

    def _message(self, meta: dict[str, Any], data: Any) -> Message:
        message_id, timestamp = meta["id"], text_of(meta["timestamp"])
        if meta.get("action") in _RESPONSES:
            in_reply_to = own_id_of(text_of(meta.get("in_reply_to")))
            if isinstance(data, dict) and "response" in data:
                data = data["response"]
            if self._deliveries.take(in_reply_to):
                return Acknowledge(message_id, in_reply_to, timestamp, data)
            self._requests.take(in_reply_to)
            return Reply(message_id, in_reply_to, data, timestamp)
        return Invoke(message_id, data, timestamp, cid=cid_of(message_id))


def _context_of(messages: Any) -> dict[str, Any]:
    """Return the `ctx` of a delivery's meta: which subscriptions its messages are to be answered to, if any."""
    keys: dict[str, None] = {}
    for one in messages if isinstance(messages, list) else [messages]:
        context = one.get("ctx") if isinstance(one, dict) else None
        if isinstance(context, dict):
            keys |= dict.fromkeys(context.get("reply_to_sk") or ())
    return {"ctx": {"reply_to_sk": list(keys)}} if keys else {}
