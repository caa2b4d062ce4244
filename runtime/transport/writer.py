"""Writes what waits on a link, all of it at once, and then the close that was asked for."""

from __future__ import annotations

from math import inf

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.errors import LinkClosed
from runtime.transport.buffered import BufferedStream
from runtime.transport.ending import Ending
from runtime.transport.framing import Framer
from runtime.transport.inbox import Inbox
from runtime.transport.options import CLOSE_TIMEOUT, CloseCode, short_reason
from runtime.transport.outbox import Outbox
from runtime.transport.shortcut import data_frame
from runtime.wire.protocol import Frame
from runtime.wire.splitting import Splitter

__all__ = ["Writer"]


class Writer:
    """Takes what waits in the outbox and decides with that what was sent.

    Args:
        socket: The upgraded connection.
        stream: The stream under it, which has room or not.
        framer: Turns messages into frames.
        inbox: Takes what our own side is told of messages that cannot be framed.
        outbox: What waits.
        ending: Says which close was asked for, and is told when it is done.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        framer: Framer,
        inbox: Inbox,
        outbox: Outbox,
        ending: Ending,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._framer = framer
        self._inbox = inbox
        self._outbox = outbox
        self._ending = ending
        self.is_writing = False
        """Whether frames of what was taken are still to be handed to the stream."""

    async def run(self) -> None:
        """Send whatever waits; a close that was asked for comes after it.

        After the peer's last word nothing more is sent: what waits then can be withdrawn until the link has ended.
        """
        outbox, ending = self._outbox, self._ending
        while True:
            while not self._has_to_send:
                if ending.requested is not None:
                    await self._close(ending.requested)
                    return
                await self._wait_for_more()
            await self._stream.wait_room()
            if ending.peer_left:
                continue
            if self._stream.is_broken:
                return  # what waits can be withdrawn; the reader learns of the end
            self.is_writing = True
            try:
                if outbox.waiting:
                    frames = self._framer.frame(outbox.take())
                    self._deliver_own_answers()
                    for frame in frames:
                        await self._stream.wait_room()
                        self._send(frame)
                if outbox.parts is not None and outbox.parts.is_busy:
                    await self._send_part(outbox.parts)
            except (ConnectionClosed, trio.BrokenResourceError):
                return
            finally:
                self.is_writing = False
                outbox.note_parts()

    @property
    def _has_to_send(self) -> bool:
        """Tell whether there is something to send, and somebody who listens; a close awaits no parts."""
        if self._ending.peer_left:
            return False
        return not self._outbox.is_empty if self._ending.requested is None else bool(self._outbox.waiting)

    async def _send_part(self, parts: Splitter) -> None:
        await self._stream.wait_room()
        if (frame := parts.next_frame()) is not None:
            self._send(frame)

    def _send(self, frame: Frame) -> None:
        """Hand a message to the stream as one frame, which trio-websocket would do after a lock and a checkpoint."""
        if self._socket.closed is not None:
            raise ConnectionClosed(self._socket.closed)
        self._stream.append(data_frame(frame, is_client=self._socket.is_client))

    async def _wait_for_more(self) -> None:
        """Wait until something has changed; a peer that said goodbye and does not close is not waited for for ever."""
        if self._ending.gone_at == inf:
            await self._outbox.changed()
            return
        with trio.move_on_at(self._ending.gone_at) as patience:
            await self._outbox.changed()
        if patience.cancelled_caught:
            self._ending.request(LinkClosed(CloseCode.NORMAL, "", "remote"))

    def _deliver_own_answers(self) -> None:
        if self._framer.own_answers:
            self._inbox.extend(self._framer.own_answers, 0)
            self._framer.own_answers.clear()

    async def _close(self, end: LinkClosed) -> None:
        reason = short_reason(end.reason)
        self._ending.own_close = LinkClosed(end.code, reason, end.origin)
        try:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await self._socket.aclose(end.code, reason)
        finally:
            self._ending.own_close_done.set()
            self._ending.finish(self._ending.own_close)
