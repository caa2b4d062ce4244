"""Whether a link's peer lives, and ends what it began: pings after silence, and the patience that was set."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.errors import LinkClosed
from runtime.transport.buffered import BufferedStream
from runtime.transport.ending import Ending
from runtime.transport.inbox import Inbox
from runtime.transport.options import CloseCode, LinkOptions
from runtime.transport.patience import until_out_of_patience
from runtime.transport.pings import Pings
from runtime.wire.protocol import Violation, Wire

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
        inbox: While it is full, the peer's silence is our own doing.
        ending: Told that the peer was given up.
        on_violation: Told what the peer has broken.
        options: Intervals.
        peer: The peer's address, for the log.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        wire: Wire,
        pings: Pings,
        inbox: Inbox,
        ending: Ending,
        on_violation: Callable[[Violation], None],
        *,
        options: LinkOptions,
        peer: str,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._wire = wire
        self._pings = pings
        self._inbox = inbox
        self._ending = ending
        self._on_violation = on_violation
        self._options = options
        self._peer = peer

    async def is_alive(self) -> bool:
        """Ping the peer and tell whether anything came back; see `Link.is_alive`."""
        asked_at = trio.current_time()
        return await self._pings.ping() or self._stream.last_received_at > asked_at

    async def watch_peer(self) -> None:
        """Ping after silence; any bytes received prove life."""
        options = self._options
        missed = 0
        while True:
            now = trio.current_time()
            if (violation := self._wire.overdue(now, is_read=not self._inbox.is_full)) is not None:
                self._on_violation(violation)
            idle = now - self._stream.last_received_at
            if idle < options.ping_interval or self._inbox.is_full:
                await trio.sleep(min(max(options.ping_interval - idle, 0.05), _LOOK_INTERVAL))
                continue
            if await self.is_alive():
                missed = 0
            elif self._ending.end is not None:
                return
            elif not (self._inbox.is_full or self._wire.is_peer_busy()):
                missed += 1
                if missed >= options.pings_missed_threshold:
                    _log.warning("pings missed", peer=self._peer, missed=missed)
                    await self._give_up(CloseCode.PINGS_MISSED, "Pings missed")
                    return

    @property
    def has_patience(self) -> bool:
        """Tell whether the socket is to be waited for only so long."""
        return min(self._options.read_timeout, self._options.write_timeout) < math.inf

    async def watch_socket(self) -> None:
        """Wait no longer for the socket than was set."""
        options = self._options
        reason = await until_out_of_patience(
            self._stream,
            read_timeout=options.read_timeout,
            write_timeout=options.write_timeout,
            is_throttled=lambda: self._inbox.is_full,
        )
        _log.warning("out of patience", peer=self._peer, reason=reason)
        await self._give_up(CloseCode.ABNORMAL, reason)

    async def _give_up(self, code: int, reason: str) -> None:
        """End the link of a peer that does not answer: a close frame where it can be sent at once, then nothing."""
        self._ending.finish(LinkClosed(code, reason, "network"))
        with trio.move_on_after(_PARTING):
            try:
                for frame in self._wire.last_words(reason):
                    await self._socket.send_message(frame)
            except ConnectionClosed:
                pass  # the peer was faster
            await self._socket.aclose(code, reason)
        self._stream.abort(reason)
