"""Reads a link's frames for as long as it lives, and tells how it ended. It never waits for user code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.errors import LinkClosed
from actors.messages import Message
from runtime.transport.buffered import BufferedStream
from runtime.transport.ending import LAST_WORDS, Ending
from runtime.transport.framing import size_of
from runtime.transport.inbox import Inbox
from runtime.transport.options import PROTOCOL_ERRORS, CloseCode
from runtime.transport.outbox import Outbox
from runtime.transport.shortcut import Shortcut
from runtime.wire.protocol import Frame, Violation, Wire

__all__ = ["Reader"]

_log = structlog.get_logger(kind="link")


class Reader:
    """Puts what comes into the inbox, and stops reading while that is full, or too much waits for the peer.

    Args:
        socket: The upgraded connection.
        stream: The stream under it.
        shortcut: Gives ordinary frames past the library.
        wire: Turns frames into messages.
        inbox: Takes them, and knows whether it wants more.
        accept: Hands them to the inbox, at once or in time.
        outbox: Takes what the peer is told of a violation.
        ending: Told how the link ended.
        max_size: The largest frame, in bytes.
        peer: The peer's address, for the log.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        shortcut: Shortcut,
        wire: Wire,
        inbox: Inbox,
        outbox: Outbox,
        ending: Ending,
        *,
        accept: Callable[[Sequence[Message], int], None],
        max_size: int,
        peer: str,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._shortcut = shortcut
        self._wire = wire
        self._compression = wire.compression
        self._inbox = inbox
        self._accept = accept
        self._outbox = outbox
        self._ending = ending
        self._max_size = max_size
        self._peer = peer
        self._bytes = 0
        self.is_cut_short = False
        """Whether the library closed the link in the middle of too large a message."""

    def begin(self) -> None:
        """Take what comes past the library from now on."""
        self._stream.until_wanted = self._until_wanted
        self._shortcut.take = self._take_whole

    async def run(self) -> None:
        """Read what goes the library's way, until the link has ended; needed when there is any, and at the end."""
        try:
            while True:
                frame = await self._socket.get_message()
                self._shortcut.message_read()
                size = size_of(frame)
                if size > self._max_size:
                    await self._refuse(f"a message has {size} bytes, the limit is {self._max_size}")
                    continue
                self._take(frame, size)
                await self._until_wanted()
        except ConnectionClosed as error:
            self._ending.finish(self._ending.own_close or self._end_of(error))

    @property
    def is_throttled(self) -> bool:
        """Tell whether the peer's frames are left in the socket: too much is unread, here or there."""
        return self._inbox.is_full or self._outbox.is_full

    async def _until_wanted(self) -> None:
        while self.is_throttled and self._ending.end is None:
            await (self._inbox if self._inbox.is_full else self._outbox).changed()

    def _take_whole(self, frame: Frame, size: int) -> None:
        """Take a frame that did not go through the library, which gives none after our own close either."""
        if self._ending.end is None and self._ending.own_close is None:
            self._take(frame, size)

    def _take(self, frame: Frame, size: int) -> None:
        messages: list[Message] = []
        for item in self._wire.receive(frame):
            if isinstance(item, Violation):
                self.answer(item)
            else:
                if type(item) in LAST_WORDS:
                    self._ending.note(item)
                messages.append(item)
        self._bytes += size if self._compression is None else size + self._compression.take_excess()
        self._outbox.is_light = len(messages) == 1
        if messages:
            self._accept(messages, self._bytes)
            self._bytes = 0  # those of parts count with what comes next, and in the end once each

    def answer(self, violation: Violation) -> None:
        """Tell the peer what it broke, and have the link closed where that is so bad."""
        _log.warning("protocol violation", reason=violation.reason, peer=self._peer)
        if violation.answer is not None and self._ending.end is None:
            self._outbox.append(violation.answer)
        if violation.close_code is not None:
            self._ending.request(LinkClosed(violation.close_code, violation.reason, "local"))

    async def _refuse(self, reason: str) -> None:
        _log.warning("protocol violation", reason=reason, peer=self._peer)
        self._ending.request(LinkClosed(CloseCode.TOO_BIG, reason, "local"))
        await trio.lowlevel.checkpoint()

    def _end_of(self, error: ConnectionClosed) -> LinkClosed:
        """Return how the link ended, and who ended it."""
        closed = error.reason
        code = CloseCode.ABNORMAL if closed is None else int(closed.code)
        reason = "" if closed is None else closed.reason or ""
        # to a close frame of the peer the library has answered with one by now
        is_verdict = code in PROTOCOL_ERRORS and not self._stream.has_sent_close
        if code == CloseCode.TOO_BIG or is_verdict:
            _log.warning("protocol violation", reason=reason, peer=self._peer)
        is_abnormal = code == CloseCode.ABNORMAL
        origin = "network" if is_abnormal else "local" if is_verdict else "remote"
        if code == CloseCode.TOO_BIG and reason == f"Exceeded maximum message size: {self._max_size} bytes":
            self.is_cut_short = True
            origin = "local"  # the library closed; the peer says this of nothing that we send, which is smaller
        return LinkClosed(code, reason or ("connection lost" if is_abnormal else ""), origin)
