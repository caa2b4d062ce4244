"""Frames the messages of a link within its size limit, and finds who is to be told of those that cannot be framed."""

from __future__ import annotations

import msgspec
import structlog

from actors.messages import Acknowledge, Cancel, Confirm, Deliver, Failure, Invoke, Message, Refuse, Reply, StreamItems
from actors.ports import Entropy
from runtime.wire.protocol import Frame, Wire

__all__ = ["Framer", "size_of"]

_log = structlog.get_logger(kind="link")


def size_of(frame: Frame) -> int:
    """Return a frame's bytes; a text frame has more of them than characters."""
    return len(frame.encode()) if isinstance(frame, str) else len(frame)


def _fits(frame: Frame, max_size: int) -> bool:
    """Tell whether a frame has no more bytes than that; a character has at most four."""
    return len(frame) * 4 <= max_size or size_of(frame) <= max_size


class Framer:
    """Turns batches of messages into frames.

    Args:
        wire: The link's wire.
        max_size: The largest frame, in bytes.
        entropy: Ids of answers.
        peer: The peer's address, for the log.
    """

    def __init__(self, wire: Wire, max_size: int, entropy: Entropy, peer: str) -> None:
        self._wire = wire
        self._max_size = max_size
        self._entropy = entropy
        self._peer = peer
        self.own_answers: list[Message] = []
        """What our own side is to be told of messages that could not be framed, as though the peer had said it."""

    def frame(self, batch: list[Message]) -> list[Frame]:
        """Frame a batch; a message that cannot be said is answered for, and costs the others nothing."""
        try:
            frames = self._wire.send(batch)
            if all(_fits(frame, self._max_size) for frame in frames):
                return frames
        except (ValueError, TypeError):
            pass
        return [frame for message in batch for frame in self._frame_alone(message)]

    def _frame_alone(self, message: Message) -> list[Frame]:
        try:
            frames = self._wire.send([message])
        except (ValueError, TypeError) as error:
            return self._answer_for(message, str(error))
        if all(_fits(frame, self._max_size) for frame in frames):
            return frames
        return self._answer_for(message, f"{type(message).__name__} has more than {self._max_size} bytes")

    def _answer_for(self, message: Message, reason: str) -> list[Frame]:
        """Tell whoever waits that a message could not be sent: the peer, or our own side."""
        _log.warning("message not sent", reason=reason, peer=self._peer)
        match message:
            case Reply():
                text = f"The result cannot be sent: {reason}"
                return self._frame_instead(Failure(message.id, message.in_reply_to, 500, text))
            case Failure():
                text = f"The error cannot be sent: {reason}"
                return self._frame_instead(Failure(message.id, message.in_reply_to, message.status, text, message.kind))
            case Acknowledge(data=data) if data is not None:
                return self._frame_instead(msgspec.structs.replace(message, data=None))  # the result is left out
            case StreamItems(in_reply_to=request_id):
                self.own_answers.append(Cancel(request_id))
                text = f"An item of the stream cannot be sent: {reason}"
                return self._frame_instead(Failure(self._entropy.hex_id(), request_id, 500, text, "RemoteError"))
            case Confirm(confirmed=[one]):
                text = f"The ids of what was published cannot be sent: {reason}"
                return self._frame_instead(Failure(self._entropy.hex_id(), one.in_reply_to, 500, text))
            case Confirm(confirmed=confirmed):
                return [frame for one in confirmed for frame in self._frame_alone(Confirm([one]))]
            case Invoke():
                self.own_answers.append(Failure(self._entropy.hex_id(), message.id, 400, reason, "BadInput"))
            case Deliver():
                self.own_answers.append(Refuse(self._entropy.hex_id(), message.id, reason))
        return []

    def _frame_instead(self, message: Message) -> list[Frame]:
        """Frame what the peer is told instead; nothing where the session does not allow that either."""
        try:
            return self._wire.send([message])
        except ValueError:
            return []
