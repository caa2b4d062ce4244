"""WebSocketLink: messages over a trio-websocket connection, on a stream that never makes a sender wait.

It owns the queues of one link and the tasks between them and the socket: a reader, a writer and a heartbeat, each
in a file of its own. Which messages are allowed is the wire's business; dialling and upgrading is that of
`runtime.transport.dialer` and `listener`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.errors import LinkClosed
from actors.messages import Goodbye, Message
from actors.ports import Entropy
from actors.pulse import Latch
from runtime.transport.buffered import BufferedStream
from runtime.transport.ending import Ending
from runtime.transport.framing import Framer
from runtime.transport.heartbeat import Heartbeat
from runtime.transport.inbox import Inbox
from runtime.transport.options import CLOSE_TIMEOUT, LinkOptions, short_reason
from runtime.transport.outbox import Outbox
from runtime.transport.pacer import Pacer
from runtime.transport.pings import Pings
from runtime.transport.reader import Reader
from runtime.transport.shortcut import Shortcut
from runtime.transport.writer import Writer
from runtime.wire.protocol import Wire

__all__ = ["WebSocketLink"]


class WebSocketLink:
    """Implements `actors.ports.Link`. It is used between `begin` and `end`.

    Args:
        socket: The upgraded connection.
        stream: The stream under it.
        shortcut: Gives ordinary frames past the library.
        wire: Turns messages into frames and back.
        peer: The peer's address, to print.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        shortcut: Shortcut,
        wire: Wire,
        *,
        peer: str,
        options: LinkOptions,
        entropy: Entropy,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._wire = wire
        self._peer = peer
        self._closing: Latch | None = None
        self._inbox = inbox = Inbox()
        self._outbox = outbox = Outbox(wire.parts, options.max_unsent)
        pings = Pings(socket, wire, entropy, timeout=options.ping_timeout)
        self._ending = ending = Ending(inbox, outbox, pings)
        max_size = options.max_message_size
        self._pacer = Pacer(options, inbox, ending, peer=peer) if options.rates else None
        accept = inbox.extend if self._pacer is None else self._pacer.extend
        self._reader = Reader(
            socket, stream, shortcut, wire, inbox, outbox, ending, accept=accept, max_size=max_size, peer=peer
        )
        self._writer = Writer(socket, stream, Framer(wire, max_size, entropy, peer), inbox, outbox, ending)
        self._heartbeat = Heartbeat(socket, stream, wire, pings, self._reader, ending, options=options, peer=peer)

    @property
    def peer(self) -> str:
        """The peer's address, to print."""
        return self._peer

    @property
    def wire(self) -> str:
        """The wire format; see `Link.wire`."""
        return self._wire.name

    @property
    def is_throttled(self) -> bool:
        """Tell whether so much is unread that the peer's frames are left in the socket."""
        return self._inbox.is_full

    async def receive(self) -> Sequence[Message]:
        """Return all messages that have come; see `Link.receive`."""
        while not self._inbox.waiting:
            self._check_end()
            await self._inbox.changed()
        return self._inbox.take()

    def take_at_once(self, taker: Callable[[Sequence[Message]], bool] | None) -> None:
        """Say what takes messages as they come; see `Link.take_at_once`."""
        self._inbox.taker = taker

    async def send(self, message: Message) -> None:
        """Wait for room and queue the message; see `Link.send`."""
        while len(self._outbox.waiting) >= self._outbox.room and self._ending.end is None:
            await self._outbox.changed()
        self._check_end()
        self._outbox.append(message)

    @property
    def has_room(self) -> bool:
        """Tell whether `send` would not wait; see `Link.has_room`."""
        return self._ending.end is None and len(self._outbox.waiting) < self._outbox.room

    def send_nowait(self, message: Message, others: float = inf) -> None:
        """Queue the message; see `Link.send_nowait`."""
        if self._ending.end is None:
            self._outbox.append(message, others)

    def _check_end(self) -> None:
        end = self._ending.end
        if end is not None:
            raise LinkClosed(end.code, end.reason, end.origin)

    async def until_framed(self, message_id: str) -> None:
        """Wait until a frame has taken a queued message; see `Link.until_framed`."""
        while self._outbox.holds(message_id):
            self._check_end()
            await self._outbox.changed()

    def withdraw(self, message_id: str) -> bool:
        """Take back a message that is in no frame yet, or not with all its parts; see `Link.withdraw`."""
        return self._outbox.withdraw(message_id)

    async def is_alive(self) -> bool:
        """Ping the peer and tell whether anything came back; see `Link.is_alive`."""
        return await self._heartbeat.is_alive()

    def begin(self, nursery: trio.Nursery, need_reader: Callable[[], object]) -> None:
        """Take what comes, write, and watch over the peer, by tasks in a nursery where any are needed.

        `need_reader` has `read` run in one of them.
        """
        self._ending.need_reader = need_reader
        self._reader.begin()
        self._outbox.writer.may_run_in(nursery)
        self._heartbeat.begin(nursery)
        if self._pacer is not None:
            self._pacer.start = nursery.start_soon

    async def read(self) -> None:
        """Read what goes the library's way, until the link has ended; needed when there is any, and at the end."""
        await self._reader.run()
        if self._pacer is not None and self._ending.own_close is None:
            self._pacer.hand_over_rest()

    def end(self) -> None:
        """Begin no task any more."""
        self._outbox.writer.may_run_in(None)
        self._heartbeat.end()
        if self._pacer is not None:
            self._pacer.start = None

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Flush, say goodbye and close, all within a bound; see `Link.aclose`."""
        if self._closing is None:
            self._closing = Latch()
            try:
                await self._close(code, short_reason(reason))
            finally:
                self._closing.set()
        elif not self._closing.is_set():
            with trio.CancelScope(shield=True):  # whoever closes has a bound; the stream is to stay until then
                await self._closing.wait()

    async def _close(self, code: int, reason: str) -> None:
        ending = self._ending
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_TIMEOUT):
            while self._has_to_write and ending.end is None:
                await self._outbox.changed()
            if ending.end is None:
                await self._say_goodbye(code, reason)
            ending.finish(LinkClosed(code, reason, "local"))
            if ending.own_close is not None:
                await ending.own_close_done.wait()
            if ending.parting is not None:
                await ending.parting.wait()
            await self._socket.aclose(code, reason)
            if self._reader.is_cut_short:
                await self._stream.linger()
        ending.finish(LinkClosed(code, reason, "local"))

    @property
    def _has_to_write(self) -> bool:
        return not self._ending.peer_left and (self._writer.has_frames or not self._outbox.is_empty)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        try:
            for frame in self._wire.send([Goodbye(code, reason)]):
                await self._socket.send_message(frame)
        except (ConnectionClosed, ValueError):
            pass  # the link is gone, or there was no session to leave
