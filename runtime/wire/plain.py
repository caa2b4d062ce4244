"""No format at all: the frames of a WebSocket server that is no channel, as they are.

There is no session and nothing is a violation. What an `Invoke` carries is the frame; nothing answers it. What is
said in frames is the business of `actors.connections.frames` and of hooks.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.messages import Invoke, Message
from runtime.wire.protocol import Frame, Violation

__all__ = ["PlainWire"]

DEFAULT_NAME = "websocket"
_MAX_BLANKS = 100


class PlainWire:
    """The client's end of a link with any WebSocket server.

    Args:
        subprotocol: What the server selected of what was offered, if anything.
    """

    parts = None
    compression = None

    def __init__(self, subprotocol: str | None) -> None:
        self.name = subprotocol or DEFAULT_NAME
        self._pings = 0

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        """Give the frame that each request is, and none for anything else; see `Wire.send`."""
        return [message.data for message in messages if type(message) is Invoke]

    def receive(self, frame: Frame) -> list[Message | Violation]:
        """Take in one frame; see `Wire.receive`."""
        return [Invoke("", frame)]

    def overdue(self, now: float, *, is_read: bool) -> Violation | None:
        """Tell that nothing is; see `Wire.overdue`."""
        return None

    def ping_payload(self, unique: str) -> bytes:
        """Return an empty JSON object, as Zato does, with blanks by which pings can be told apart."""
        blanks = self._pings % _MAX_BLANKS
        self._pings += 1
        return b"{}" + b" " * blanks

    def last_words(self, reason: str) -> list[Frame]:
        """Say nothing: the close frame says it; see `Wire.last_words`."""
        return []

    def pong_came(self) -> None:
        """Do nothing; see `Wire.pong_came`."""

    def is_peer_busy(self) -> bool:
        """Tell that nothing keeps the peer from answering; see `Wire.is_peer_busy`."""
        return False
