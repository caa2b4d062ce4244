"""Whether a link's peer lives, and ends what it began: pings after silence, and the patience that was set."""

from __future__ import annotations

import math

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.deadlines import Timer, deadlines
from actors.errors import LinkClosed
from actors.pulse import Latch
from runtime.transport.buffered import BufferedStream
from runtime.transport.ending import Ending
from runtime.transport.options import CloseCode, LinkOptions
from runtime.transport.patience import Patience, until_silent
from runtime.transport.pings import Pings
from runtime.transport.reader import Reader
from runtime.wire.protocol import Wire

__all__ = ["Heartbeat"]

_PARTING = 0.05
_LOOK_INTERVAL = 10.0
"""Seconds between two looks at whether the peer goes on with what it has begun, where pings are rarer than that."""

_log = structlog.get_logger(kind="link")


class Heartbeat:
    """Watches over one link.

    Args:
        socket: The upgraded connection.
        stream: The stream under it, which knows when bytes came.
        wire: Knows whether the peer is too busy to answer, and what it is told in the end.
        pings: Pings it.
        reader: While it is throttled, the peer's silence is our own doing; told what the peer has broken.
        ending: Told that the peer was given up.
        options: Intervals.
        peer: The peer's address, for the log.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        wire: Wire,
        pings: Pings,
        reader: Reader,
        ending: Ending,
        *,
        options: LinkOptions,
        peer: str,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._wire = wire
        self._pings = pings
        self._reader = reader
        self._ending = ending
        self._options = options
        self._patience = Patience(stream, options, lambda: reader.is_throttled)
        self._peer = peer
        self._missed = 0
        self._nursery: trio.Nursery | None = None
        self._deadlines = deadlines()
        self._next_look = Timer(None)

    async def is_alive(self) -> bool:
        """Ping the peer and tell whether anything came back; see `Link.is_alive`."""
        asked_at = trio.current_time()
        return await self._pings.ping() or self._stream.last_received_at > asked_at

    def begin(self, nursery: trio.Nursery) -> None:
        """Watch over the peer from now on, by a task in a nursery now and then."""
        self._nursery = nursery
        nursery.start_soon(self._look)
        if self._options.read_timeout < math.inf:
            nursery.start_soon(self._watch_silence)

    def end(self) -> None:
        """Watch no more."""
        self._nursery = None
        self._deadlines.cancel(self._next_look)

    def _look_in(self, seconds: float) -> None:
        self._next_look = self._deadlines.call_at(trio.current_time() + seconds, self._begin_look)

    def _begin_look(self) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._look)

    async def _look(self) -> None:
        """Ping after silence, any bytes received prove life; then look again later."""
        options = self._options
        while True:
            now = trio.current_time()
            if (violation := self._wire.overdue(now, is_read=not self._reader.is_throttled)) is not None:
                self._reader.answer(violation)
            if (over := self._patience.over(now)) is not None:
                _log.warning("out of patience", peer=self._peer, reason=over[1])
                await self._give_up(*over)
                return
            idle = now - self._stream.last_received_at
            if idle < options.ping_interval or self._reader.is_throttled:
                self._look_in(min(max(options.ping_interval - idle, 0.05), self._patience.left(now), _LOOK_INTERVAL))
                return
            if await self.is_alive():
                self._missed = 0
            elif self._ending.end is not None or self._ending.own_close is not None:
                return  # our own close ends pings, too
            elif not (self._reader.is_throttled or self._wire.is_peer_busy()):
                self._missed += 1
                if self._missed >= options.pings_missed_threshold:
                    _log.warning("pings missed", peer=self._peer, missed=self._missed)
                    await self._give_up(CloseCode.PINGS_MISSED, "Pings missed")
                    return

    async def _watch_silence(self) -> None:
        """Wait no longer for something to come than was set."""
        reason = await until_silent(
            self._stream,
            read_timeout=self._options.read_timeout,
            is_throttled=lambda: self._reader.is_throttled,
        )
        if self._ending.end is not None:
            return
        _log.warning("out of patience", peer=self._peer, reason=reason)
        await self._give_up(CloseCode.ABNORMAL, reason)

    async def _give_up(self, code: int, reason: str) -> None:
        """End the link of a peer that does not answer: a close frame where it can be sent at once, then nothing."""
        self._ending.parting = parting = Latch()
        self._ending.finish(LinkClosed(code, reason, "network"))
        try:
            with trio.move_on_after(_PARTING):
                try:
                    for frame in self._wire.last_words(reason):
                        await self._socket.send_message(frame)
                except ConnectionClosed:
                    pass  # the peer was faster
                await self._socket.aclose(code, reason)
            self._stream.abort(reason)
        finally:
            parting.set()
