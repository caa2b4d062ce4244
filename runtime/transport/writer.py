"""Writes what waits on a link, all of it at once, and then the close that was asked for.

Where nothing is in the way, whoever sends writes itself: no task has to be woken for it (see `Outbox`).
"""

from __future__ import annotations

from math import inf

import trio
from trio_websocket import WebSocketConnection

from actors.errors import LinkClosed
from actors.lazy import Lazy
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

_JOINED = 64 * 1024
"""Bytes of frames that are handed to the stream together."""


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
        self._frames: list[Frame] = []
        outbox.write_now = self._write_now
        outbox.writer = Lazy(self._run)

    @property
    def has_frames(self) -> bool:
        """Tell whether frames of what was taken are still to be handed to the stream."""
        return bool(self._frames)

    async def _run(self) -> None:
        """Send whatever waits; a close that was asked for comes after it.

        After the peer's last word nothing more is sent: what waits then can be withdrawn until the link has ended.
        """
        outbox, ending = self._outbox, self._ending
        try:
            while ending.end is None:
                if not self._has_to_send:
                    if ending.requested is not None:
                        await self._close(ending.requested)
                        return
                    await self._wait_for_more()
                    continue
                await self._stream.wait_room()
                if ending.peer_left:
                    continue
                if self._is_broken:
                    return  # what waits can be withdrawn; the reader learns of the end
                outbox.is_light = self._write() < 2
                self._deliver_own_answers()
                if outbox.parts is not None and outbox.parts.is_busy:
                    await self._send_part(outbox.parts)
                outbox.note_parts()
        except trio.BrokenResourceError:
            return
        finally:
            self._frames.clear()
            outbox.note_parts()

    @property
    def _has_to_send(self) -> bool:
        """Tell whether there is something to send, and somebody who listens; a close awaits no parts."""
        if self._ending.peer_left:
            return False
        is_empty = not self._outbox.waiting if self._ending.requested is not None else self._outbox.is_empty
        return not is_empty or bool(self._frames or self._framer.own_answers)

    @property
    def _is_broken(self) -> bool:
        return self._stream.is_broken or self._socket.closed is not None

    def _write_now(self) -> bool:
        """Write what waits, unless something is in the way; tell whether nothing of it is left to the task."""
        ending = self._ending
        if self._frames or ending.is_near or self._is_broken or not self._stream.has_room:
            return False
        try:
            self._write()
        except trio.BrokenResourceError:
            return False
        return not (self._frames or self._framer.own_answers) and self._outbox.is_empty

    def _write(self) -> int:
        """Take what waits, and hand frames to the stream as long as that has room; return how much was taken."""
        taken = 0
        if not self._frames and self._outbox.waiting:
            batch = self._outbox.take()
            taken = len(batch)
            self._frames.extend(self._framer.frame(batch))
        while self._frames and self._stream.has_room:
            self._stream.append(self._next_frames())
        return taken

    def _next_frames(self) -> bytes:
        """Return the next messages, each as one frame; trio-websocket would make it after a lock and a checkpoint."""
        is_client = self._socket.is_client
        joined = data_frame(self._frames.pop(0), is_client=is_client)
        while self._frames and len(joined) < _JOINED:
            joined += data_frame(self._frames.pop(0), is_client=is_client)
        return joined

    async def _send_part(self, parts: Splitter) -> None:
        await self._stream.wait_room()
        if (frame := parts.next_frame()) is not None and not self._is_broken:
            self._stream.append(data_frame(frame, is_client=self._socket.is_client))
        await trio.lowlevel.checkpoint()  # it need not have waited for room

    async def _wait_for_more(self) -> None:
        """Wait until something has changed; a peer that said goodbye and does not close is not waited for for ever."""
        if self._ending.gone_at == inf:
            await self._outbox.wanted()
            return
        with trio.move_on_at(self._ending.gone_at) as patience:
            await self._outbox.wanted()
        if patience.cancelled_caught:
            self._ending.request(LinkClosed(CloseCode.NORMAL, "", "remote"))

    def _deliver_own_answers(self) -> None:
        if self._framer.own_answers:
            self._inbox.extend(self._framer.own_answers, 0)
            self._framer.own_answers.clear()

    async def _close(self, end: LinkClosed) -> None:
        reason = short_reason(end.reason)
        self._ending.own_close = LinkClosed(end.code, reason, end.origin)
        self._ending.need_reader()  # which ends when the close frame is sent
        try:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await self._socket.aclose(end.code, reason)
        finally:
            self._ending.own_close_done.set()
            self._ending.finish(self._ending.own_close)
