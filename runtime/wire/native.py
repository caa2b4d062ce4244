"""The native format, `isthmus.1`: a binary frame is a MessagePack array of messages.

A message is an array: the kind's name, then the fields of its Struct in `actors.messages` in their order; fields
at the end that have their defaults may be left out by newer or older peers. What is too large to hold up others goes
in parts, where the peer takes them: `runtime.wire.parts`; what is large may be compressed: `runtime.wire.compression`.
See docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from actors.messages import (
    CREDIT,
    NATIVE,
    Cancel,
    Deliver,
    Denied,
    Failure,
    Goodbye,
    Hello,
    Message,
    PublishTo,
    StreamEnd,
    StreamItems,
    Welcome,
)
from runtime.wire.assembly import Assembly
from runtime.wire.broken import BrokenFrame
from runtime.wire.compression import ZSTD, Compressed, Compressor
from runtime.wire.granted import SIZED, UNREADABLE, Granted, SizedMessage, whole
from runtime.wire.parts import PARTS, SPLIT_ABOVE, Drop, Part
from runtime.wire.protocol import Frame, Role, Violation
from runtime.wire.session import SessionState, State
from runtime.wire.splitting import Splitter

__all__ = ["NATIVE_SUBPROTOCOL", "NativeWire"]

NATIVE_SUBPROTOCOL = NATIVE

_PROTOCOL_ERROR = 1002
_INVALID_DATA = 1007
_MAX_ARRAY_HEADER = 5
_OF_FRAMES = (Part, Drop, Compressed)
_OPENING = (Hello, Welcome)

MAX_BATCH = 256 * 1024
"""Bytes of a frame of several messages: larger ones save nothing, and keep the peer from beginning with them."""

_encode = msgspec.msgpack.Encoder().encode
_DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(list[Message | Part | Drop | Compressed])
_COUNTING_DECODER: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(list[SizedMessage | Part | Drop | Compressed])

_SMALL = 512
"""Bytes of messages that are not looked at one by one where they have no more on the average."""


def _array_header(count: int) -> bytes:
    """Return the head of a MessagePack array; see the specification's "array format family"."""
    if count < 16:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    return b"\xdd" + count.to_bytes(4, "big")


def _is_light(frame: bytes) -> bool:
    """Tell whether the messages of a frame are small on the average, as far as its head says how many there are."""
    first = frame[0] if frame else 0
    count = first & 0x0F if first >> 4 == 0x9 else int.from_bytes(frame[1:3]) if first == 0xDC else 0
    return len(frame) <= _SMALL * count


def _stamp(message: Message, now: str) -> None:
    """Give a message that is about to go the time now, where it is to have one and nobody has given it one."""
    if getattr(message, "timestamp", None) == "":
        force_setattr(message, "timestamp", now)  # a copy of each costs as much as encoding it


class NativeWire:
    """One end of a native link.

    Args:
        role: Which end.
        timestamp: Gives the time now, as messages carry it.
        max_message_size: The largest frame to send, in bytes.
        compresses: Whether frames may go compressed, where the peer agrees.
    """

    name = NATIVE_SUBPROTOCOL

    def __init__(
        self, role: Role, *, timestamp: Callable[[], str], max_message_size: int, compresses: bool = False
    ) -> None:
        self._session = SessionState(role)
        self._timestamp = timestamp
        self._max_size = max_message_size
        self._max_batch = min(MAX_BATCH, max_message_size)
        self._assembly = Assembly(max_message_size)
        self._takes_parts = False
        self._pack: Callable[[bytes], bytes] | None = None
        self._hello: Hello | None = None
        self._granted: Granted | None = None
        self.parts = Splitter()
        self.compression = Compressor(max_message_size) if compresses else None

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give as few frames as the limits allow, and have what is large go in parts; see `Wire.send`."""
        frame = self._encode_at_once(messages)
        if frame is None:
            return self._send_one_by_one(messages)
        is_whole = len(frame) <= SPLIT_ABOVE or len(frame) <= min(self._max_batch, _SMALL * len(messages))
        if is_whole or (len(messages) == 1 and not self._takes_parts):
            return [frame] if self._pack is None else [self._pack(frame)]
        if len(messages) > 1:
            return self._send_one_by_one(messages)
        self._send_in_parts(messages[0], frame)
        return []

    def _encode_at_once(self, messages: Sequence[Message]) -> bytes | None:
        """Encode a batch of ordinary messages that fit into one frame; else give None."""
        ordinary = self._session.ordinary
        if not self._session.is_open or not all(type(message) in ordinary for message in messages):
            return None
        if self.parts.is_busy and any(self.parts.has_lane(_lane_of(message)) for message in messages):
            return None
        now = self._timestamp()
        for message in messages:
            _stamp(message, now)
        try:
            frame = _encode(messages)
        except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
            return None
        if len(frame) > self._max_size:
            return None
        if self._granted is not None:
            self._granted.sent(messages)
        return frame

    def _send_one_by_one(self, messages: Sequence[Message]) -> list[Frame]:
        before = self._session.state
        try:
            encoded = [self._encode(message) for message in messages]
        except BaseException:
            self._session.state = before
            raise
        if self._session.is_closed:
            self.parts.clear()  # what comes after a goodbye is ignored
        if before is not State.OPEN:
            for message in messages:
                self._agree(message, is_own=True)
        if self._granted is not None:
            self._granted.sent(messages)
        frames = self._join(self._without_large(messages, encoded) if self._takes_parts else encoded)
        if self._pack is None or any(isinstance(message, _OPENING) for message in messages):
            return [*frames]  # credentials are not compressed
        return [self._pack(frame) for frame in frames]

    def _without_large(self, messages: Sequence[Message], encoded: list[bytes]) -> list[bytes]:
        """Have what is large, or must stay behind what is, go in parts; return the rest."""
        rest: list[bytes] = []
        for message, body in zip(messages, encoded, strict=True):
            is_large = len(body) > SPLIT_ABOVE and not isinstance(message, _OPENING)
            if is_large or self.parts.has_lane(_lane_of(message)):
                self._send_in_parts(message, _array_header(1) + body)
            else:
                rest.append(body)
        return rest

    def _send_in_parts(self, message: Message, frame: bytes) -> None:
        message_id, answers = getattr(message, "id", ""), getattr(message, "in_reply_to", "")
        self.parts.add(frame, message_id=message_id, answers=answers, lane=_lane_of(message))

    def _join(self, encoded: list[bytes]) -> list[bytes]:
        frames: list[bytes] = []
        batch: list[bytes] = []
        size = _MAX_ARRAY_HEADER
        for body in encoded:
            if batch and size + len(body) > self._max_batch:
                frames.append(_array_header(len(batch)) + b"".join(batch))
                batch, size = [], _MAX_ARRAY_HEADER
            batch.append(body)
            size += len(body)
        if batch:
            frames.append(_array_header(len(batch)) + b"".join(batch))
        return frames

    @property
    def _features(self) -> tuple[str, ...]:
        return (PARTS,) if self.compression is None else (PARTS, ZSTD)

    def _encode(self, message: Message) -> bytes:
        after = self._session.check_send(message)
        _stamp(message, self._timestamp())
        if isinstance(message, _OPENING):
            message = replace(message, features=[*message.features, *self._features])
        try:
            body = _encode(message)
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
        return self._take(frame)

    def _take(self, frame: bytes, within: type | None = None) -> list[Message | Violation]:
        is_sized = self._granted is not None and not _is_light(frame)
        try:
            messages = (_COUNTING_DECODER if is_sized else _DECODER).decode(frame)
        except UNREADABLE as error:
            return [self._violation(f"the frame cannot be decoded: {error}", _INVALID_DATA)]
        if messages and isinstance(messages[0], _OF_FRAMES):
            return self._take_of_frame(messages[0], within, is_alone=len(messages) == 1)
        result: list[Message | Violation] = []
        session, has_session = self._session, self._session.is_open
        for found in messages:  # parts elsewhere are nothing that a session allows
            message: Message = found
            if is_sized and type(found) in SIZED:
                try:
                    message = whole(found)
                except UNREADABLE as error:
                    result.append(self._violation(f"the frame cannot be decoded: {error}", _INVALID_DATA))
                    break
            reason = session.received(message)
            if self._granted is not None and reason is None:
                reason = self._granted.received(message, found if is_sized else None)
            if reason is not None:
                result.append(self._violation(reason, _PROTOCOL_ERROR))
                break
            if not has_session:
                self._agree(message, is_own=False)
            result.append(message)
        if self.parts.is_busy:
            self._drop_answers(result)
        return result

    def _agree(self, message: Message, *, is_own: bool) -> None:
        """Take note of what both ends say at the beginning that they can do."""
        if not isinstance(message, _OPENING):
            return
        if not is_own:
            self._takes_parts = PARTS in message.features
            if self.compression is not None and ZSTD in message.features:
                self._pack = self.parts.pack = self.compression.pack
        if isinstance(message, Hello):
            self._hello = message
        elif self._hello is not None:
            hello, self._hello = self._hello, None
            if CREDIT in hello.features and CREDIT in message.features:
                self._grant(message if is_own else hello)

    def _grant(self, own: Hello | Welcome) -> None:
        """Count from now on what the peer sends of what this end has said that it takes."""
        if own.requests is not None:
            self._granted = Granted(own.requests, own.deliveries if isinstance(own, Hello) else None)

    def _drop_answers(self, received: list[Message | Violation]) -> None:
        """Send no more of what answers a request that nobody waits for any more."""
        for message in received:
            if isinstance(message, Cancel):
                self.parts.withdraw_answers(message.in_reply_to)

    def _take_of_frame(
        self, item: Part | Drop | Compressed, within: type | None, *, is_alone: bool
    ) -> list[Message | Violation]:
        """Take what is no message but has to do with frames; `within` is what gave the frame that it is in."""
        kind = type(item).__struct_config__.tag
        if not self._session.is_open:
            reason = f"a {self._session.peer.value} may not send a {kind} while {self._session.state.value}"
            return [self._violation(reason, _PROTOCOL_ERROR)]
        if not is_alone or within is Part or within is type(item):
            reason = f"a {kind} is alone in its frame, which is not itself in parts or a {kind}"
            return [self._violation(reason, _PROTOCOL_ERROR)]
        try:
            if isinstance(item, Compressed):
                return self._take(self._unpacked(item), Compressed)
            frame = self._assembly.take(item)
        except BrokenFrame as error:
            self._assembly.clear()
            return [self._violation(str(error), error.code)]
        return [] if frame is None else self._take(frame, Part)

    def _unpacked(self, item: Compressed) -> bytes:
        if self.compression is None:
            msg = "compressed frames were not agreed on"
            raise BrokenFrame(msg)
        return self.compression.unpack(item)

    def overdue(self, now: float, *, is_read: bool) -> Violation | None:
        """Tell of a frame in parts whose next part does not come; see `Wire.overdue`."""
        if reason := self._assembly.overdue(now, is_read=is_read):
            self._assembly.clear()
            return self._violation(reason, _PROTOCOL_ERROR)
        return None

    def _violation(self, reason: str, code: int) -> Violation:
        answer: Message = Goodbye(code, reason)
        if self._session.role is Role.SERVER and not self._session.is_open:
            answer = Denied("", reason)
        elif self._session.is_open:
            answer = Failure("", "", 400, reason, "BadInput")
        return Violation(reason, answer, code)


def _lane_of(message: Message) -> str:
    """Return what the message must keep its place among; empty where it may overtake any other."""
    if isinstance(message, Deliver):
        return message.sub_key
    if isinstance(message, PublishTo):
        return message.topic
    return message.in_reply_to if isinstance(message, StreamItems | StreamEnd | Failure) else ""
