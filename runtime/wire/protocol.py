"""What both wire formats offer to whoever moves the bytes.

A `Wire` is one end of one link: it turns frames into messages and messages into frames, and knows which of them
are allowed at this point of the session. It does no I/O and never waits; a peer that breaks the rules shows as
a `Violation` in what `receive` returns, never as an exception.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, TypeAlias

from attrs import frozen

from actors.messages import Message
from runtime.wire.compression import Compressor
from runtime.wire.splitting import Splitter

__all__ = ["Frame", "Role", "Violation", "Wire"]

Frame: TypeAlias = str | bytes


class Role(Enum):
    """Which end of the link this is: the client dialled, the server listens."""

    CLIENT = "client"
    SERVER = "server"


@frozen
class Violation:
    """The peer sent what it may not send.

    `answer` is what the format allows to tell it; a `close_code` ends the link, after the answer. `reason` is
    one sentence for the log, without any of the peer's secrets.
    """

    reason: str
    answer: Message | None = None
    close_code: int | None = None


class Wire(Protocol):
    """One end of one link, without I/O."""

    @property
    def name(self) -> str:
        """The format: `isthmus.1` or `zato`, or for plain frames the sub-protocol, if any."""
        ...

    @property
    def parts(self) -> Splitter | None:
        """What goes in parts, between the frames that `send` gives; None where the format knows no parts."""
        ...

    @property
    def compression(self) -> Compressor | None:
        """What inflates compressed frames, and knows how large they got; None where there are none."""
        ...

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one whole frame."""
        ...

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give the frames that carry the messages, in order.

        Messages that the format cannot say give no frame. Raises `ValueError` or `TypeError` for data that the
        format cannot encode, before any state changes.
        """
        ...

    def ping_payload(self, unique: str) -> bytes:
        """Give what a ping carries, at most 125 bytes; the peer sends it back. `unique` tells pings apart."""
        ...

    def last_words(self, reason: str) -> list[Frame]:
        """Give the frames, if any, that tell a peer which answers no pings why the link ends, before the close."""
        ...

    def pong_came(self) -> None:
        """Take note that the peer answered a ping."""
        ...

    def is_peer_busy(self) -> bool:
        """Tell whether the peer may answer no ping because of what it works on."""
        ...

    def overdue(self, now: float, *, is_read: bool) -> Violation | None:
        """Tell whether the peer has begun what it does not end; to be asked every few seconds.

        Args:
            now: The time, in seconds.
            is_read: Whether what the peer sends is being read; while it is not, nothing is overdue.
        """
        ...
