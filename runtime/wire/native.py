"""The native format, `isthmus.1`: a binary frame is a MessagePack array of messages.

A message is an array: the kind's name, then the fields of its Struct in `actors.messages` in their order; fields
at the end that have their defaults may be left out by newer or older peers. See docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from actors.messages import NATIVE, Denied, Failure, Goodbye, Message
from runtime.wire.protocol import Frame, Role, Violation
from runtime.wire.session import SessionState

__all__ = ["NATIVE_SUBPROTOCOL", "NativeWire"]

NATIVE_SUBPROTOCOL = NATIVE

_PROTOCOL_ERROR = 1002
_INVALID_DATA = 1007
_MAX_ARRAY_HEADER = 5


def _array_header(count: int) -> bytes:
    """Return the head of a MessagePack array; see the specification's "array format family"."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _stamped(message: Message, now: str) -> Message:
    """Return the message with the time now, where it is to have one and nobody has given it one."""
    return replace(message, timestamp=now) if getattr(message, "timestamp", None) == "" else message


class NativeWire:
    """One end of a native link.

    Args:
        role: Which end.
        timestamp: Gives the time now, as messages carry it.
        max_message_size: The largest frame to send, in bytes.
    """

    name = NATIVE_SUBPROTOCOL

    def __init__(self, role: Role, *, timestamp: Callable[[], str], max_message_size: int) -> None:
        self._session = SessionState(role)
        self._timestamp = timestamp
        self._max_size = max_message_size
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(list[Message])

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give as few frames as the size limit allows; see `Wire.send`."""
        return self._send_at_once(messages) or self._send_one_by_one(messages)

    def _send_at_once(self, messages: Sequence[Message]) -> list[Frame]:
        """Encode a batch of ordinary messages that fit into one frame; else give none."""
        ordinary = self._session.ordinary
        if not self._session.is_open or not all(type(message) in ordinary for message in messages):
            return []
        now = self._timestamp()
        try:
            frame = self._encoder.encode([_stamped(message, now) for message in messages])
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            return []
        return [frame] if len(frame) <= self._max_size else []

    def _send_one_by_one(self, messages: Sequence[Message]) -> list[Frame]:
        before = self._session.state
        try:
            encoded = [self._encode(message) for message in messages]
        except BaseException:
            self._session.state = before
            raise
        frames: list[Frame] = []
        batch: list[bytes] = []
        size = _MAX_ARRAY_HEADER
        for body in encoded:
            if batch and size + len(body) > self._max_size:
                frames.append(_array_header(len(batch)) + b"".join(batch))
                batch, size = [], _MAX_ARRAY_HEADER
            batch.append(body)
            size += len(body)
        if batch:
            frames.append(_array_header(len(batch)) + b"".join(batch))
        return frames

    def _encode(self, message: Message) -> bytes:
        after = self._session.check_send(message)
        message = _stamped(message, self._timestamp())
        try:
            body = self._encoder.encode(message)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
            msg = f"{type(message).__name__} cannot be encoded: {error}"
            raise ValueError(msg) from error
        if len(body) + _MAX_ARRAY_HEADER > self._max_size:
            msg = f"{type(message).__name__} has {len(body)} bytes, more than the limit of {self._max_size}"
            raise ValueError(msg)
        self._session.state = after
        return body

    def ping_payload(self, unique: str) -> bytes:
        """Return what a ping carries; see `Wire.ping_payload`."""
        return unique.encode()

    def last_words(self, reason: str) -> list[Frame]:
        """Say nothing: the close frame says it; see `Wire.last_words`."""
        return []

    def pong_came(self) -> None:
        """Do nothing; see `Wire.pong_came`."""

    def is_peer_busy(self) -> bool:
        """Tell that nothing keeps the peer from answering; see `Wire.is_peer_busy`."""
        return False

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        if self._session.is_closed:
            return []  # what crosses our goodbye
        if isinstance(frame, str):
            return [self._violation("a native frame is binary, not text", _PROTOCOL_ERROR)]
        try:
            messages = self._decoder.decode(frame)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return [self._violation(f"the frame cannot be decoded: {error}", _INVALID_DATA)]
        result: list[Message | Violation] = []
        for message in messages:
            if reason := self._session.received(message):
                result.append(self._violation(reason, _PROTOCOL_ERROR))
                break
            result.append(message)
        return result

    def _violation(self, reason: str, code: int) -> Violation:
        answer: Message = Goodbye(code, reason)
        if self._session.role is Role.SERVER and not self._session.is_open:
            answer = Denied("", reason)
        elif self._session.is_open:
            answer = Failure("", "", 400, reason, "BadInput")
        return Violation(reason, answer, code)
