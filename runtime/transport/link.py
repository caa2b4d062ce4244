"""WebSocketLink: messages over a trio-websocket connection, on a stream that never makes a sender wait.

It owns the tasks of one link: a reader that never waits for user code, a writer that takes whatever waits and
decides what was sent, and a heartbeat. Which messages are allowed is the wire's business; dialling and
upgrading is that of `runtime.transport.dialer` and `listener`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog
import trio
from attrs import frozen
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.errors import LinkClosed
from actors.messages import Denied, Goodbye, Invoke, Message, Welcome
from actors.ports import Entropy
from runtime.transport.buffered import BufferedStream
from runtime.transport.framing import Framer, size_of
from runtime.transport.patience import until_out_of_patience
from runtime.transport.pings import Pings
from runtime.wire.protocol import Frame, Violation, Wire

__all__ = ["LinkOptions", "WebSocketLink"]

CLOSE_TIMEOUT = 2.0
GOODBYE_TIMEOUT = 10.0
"""Seconds after its goodbye in which a peer closes the link."""
_PARTING = 0.05
MAX_OUTBOX = 256
HIGH_INBOX_BYTES = 16 * 1024 * 1024
_MAX_REASON = 120
_NORMAL, _ABNORMAL, _POLICY_VIOLATION, _TOO_BIG, _PINGS_MISSED = 1000, 1006, 1008, 1009, 4002
PROTOCOL_ERRORS = (1002, 1007)
"""What the library says of a peer that breaks RFC 6455."""

_log = structlog.get_logger(kind="link")


@frozen
class LinkOptions:
    """The limits and intervals of a link: seconds and bytes."""

    ping_interval: float = 10.0
    ping_timeout: float = 5.0
    pings_missed_threshold: int = 1
    max_message_size: int = 1024 * 1024
    handshake_timeout: float = 10.0
    read_timeout: float = math.inf
    write_timeout: float = math.inf


def _aged(message: Message, queued_at: float) -> Message:
    """Return the message as it is to be framed now: a request has less time left than when it was queued."""
    if isinstance(message, Invoke) and message.timeout is not None:
        waited = trio.current_time() - queued_at
        if waited > 0:
            return msgspec.structs.replace(message, timeout=max(0.0, message.timeout - waited))
    return message


class WebSocketLink:
    """Implements `actors.ports.Link`. `run` must run as long as the link is used.

    Args:
        socket: The upgraded connection.
        stream: The stream under it.
        wire: Turns messages into frames and back.
        peer: The peer's address, to print.
        options: Limits and intervals.
        entropy: Unique payloads for pings.
    """

    def __init__(
        self,
        socket: WebSocketConnection,
        stream: BufferedStream,
        wire: Wire,
        *,
        peer: str,
        options: LinkOptions,
        entropy: Entropy,
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._wire = wire
        self._framer = Framer(wire, options.max_message_size, entropy, peer)
        self._peer = peer
        self._options = options
        self._inbox: deque[tuple[Message, int]] = deque()
        self._inbox_bytes = 0
        self._inbox_changed = trio.Event()
        self._outbox: deque[tuple[Message, float]] = deque()
        self._outbox_changed = trio.Event()
        self._is_writing = False
        self._is_closing = False
        self._peer_left = False
        self._gone_at = float("inf")
        self._has_session = False
        self._close_requested: LinkClosed | None = None
        self._pings = Pings(socket, wire, entropy, timeout=options.ping_timeout)
        self._own_close: LinkClosed | None = None
        self._own_close_done = trio.Event()
        self._is_cut_short = False
        self._end: LinkClosed | None = None

    @property
    def peer(self) -> str:
        """The peer's address, to print."""
        return self._peer

    @property
    def wire(self) -> str:
        """The wire format; see `Link.wire`."""
        return self._wire.name

    # What actors use

    async def receive(self) -> Sequence[Message]:
        """Return all messages that have come; see `Link.receive`."""
        while not self._inbox:
            if self._end is not None:
                raise LinkClosed(self._end.code, self._end.reason, self._end.origin)
            await self._inbox_changed.wait()
        messages = [message for message, _size in self._inbox]
        self._inbox.clear()
        self._inbox_bytes = 0
        self._notify_inbox()
        return messages

    async def send(self, message: Message) -> None:
        """Wait for room and queue the message; see `Link.send`."""
        while len(self._outbox) >= MAX_OUTBOX and self._end is None:
            await self._outbox_changed.wait()
        if self._end is not None:
            raise LinkClosed(self._end.code, self._end.reason, self._end.origin)
        self.send_nowait(message)

    @property
    def has_room(self) -> bool:
        """Tell whether `send` would not wait; see `Link.has_room`."""
        return self._end is None and len(self._outbox) < MAX_OUTBOX

    def send_nowait(self, message: Message) -> None:
        """Queue the message; see `Link.send_nowait`."""
        if self._end is None:
            self._outbox.append((message, trio.current_time()))
            self._notify_outbox()

    async def until_framed(self, message_id: str) -> None:
        """Wait until a frame has taken a queued message; see `Link.until_framed`."""
        while any(getattr(message, "id", None) == message_id for message, _queued_at in self._outbox):
            if self._end is not None:
                raise LinkClosed(self._end.code, self._end.reason, self._end.origin)
            await self._outbox_changed.wait()

    def withdraw(self, message_id: str) -> bool:
        """Take back a message that is in no frame yet; see `Link.withdraw`."""
        for place, (message, _queued_at) in enumerate(self._outbox):
            if getattr(message, "id", None) == message_id:
                del self._outbox[place]
                self._notify_outbox()
                return True
        return False

    async def is_alive(self) -> bool:
        """Ping the peer and tell whether anything came back; see `Link.is_alive`."""
        asked_at = trio.current_time()
        return await self._pings.ping() or self._stream.last_received_at > asked_at

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Flush, say goodbye and close, all within a bound; see `Link.aclose`."""
        if self._is_closing:
            return
        self._is_closing = True
        reason = reason.encode()[:_MAX_REASON].decode(errors="ignore")
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_TIMEOUT):
            while (self._is_writing or (self._outbox and not self._peer_left)) and self._end is None:
                await self._outbox_changed.wait()
            if self._end is None:
                await self._say_goodbye(code, reason)
            self._finish(LinkClosed(code, reason, "local"))
            if self._own_close is not None:
                await self._own_close_done.wait()
            await self._socket.aclose(code, reason)
            if self._is_cut_short:
                await self._stream.linger()
        self._finish(LinkClosed(code, reason, "local"))

    async def _say_goodbye(self, code: int, reason: str) -> None:
        try:
            for frame in self._wire.send([Goodbye(code, reason)]):
                await self._socket.send_message(frame)
        except (ConnectionClosed, ValueError):
            pass  # the link is gone, or there was no session to leave

    # What it does by itself

    async def run(self) -> None:
        """Read, write and watch over the link until it ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_for_ever)
            nursery.start_soon(self._watch_heartbeat)
            nursery.start_soon(self._watch_socket)
            await self._read_until_closed()
            if self._own_close is not None:
                await self._own_close_done.wait()
            nursery.cancel_scope.cancel()

    def _finish(self, end: LinkClosed) -> None:
        if self._end is None:
            self._end = end
            self._notify_inbox()
            self._notify_outbox()
            self._pings.end()

    def _notify_inbox(self) -> None:
        self._inbox_changed.set()
        self._inbox_changed = trio.Event()

    def _notify_outbox(self) -> None:
        self._outbox_changed.set()
        self._outbox_changed = trio.Event()

    @property
    def is_throttled(self) -> bool:
        """Tell whether so much is unread that the peer's frames are left in the socket."""
        return self._inbox_bytes >= HIGH_INBOX_BYTES

    async def _read_until_closed(self) -> None:
        try:
            while True:
                frame = await self._socket.get_message()
                size = size_of(frame)
                if size > self._options.max_message_size:
                    await self._close_soon(
                        _TOO_BIG, f"a message has {size} bytes, the limit is {self._options.max_message_size}"
                    )
                    continue
                self._take(frame, size)
                while self.is_throttled and self._end is None:
                    await self._inbox_changed.wait()
        except ConnectionClosed as error:
            if self._own_close is not None:
                self._finish(self._own_close)
                return
            closed = error.reason
            code = _ABNORMAL if closed is None else int(closed.code)
            reason = "" if closed is None else closed.reason or ""
            # to a close frame of the peer the library has answered with one by now
            is_verdict = code in PROTOCOL_ERRORS and not self._stream.has_sent_close
            if code == _TOO_BIG or is_verdict:
                _log.warning("protocol violation", reason=reason, peer=self._peer)
            origin = "network" if code == _ABNORMAL else "local" if is_verdict else "remote"
            if code == _TOO_BIG and reason == f"Exceeded maximum message size: {self._options.max_message_size} bytes":
                self._is_cut_short = True
                origin = "local"  # the library closed; the peer says this of nothing that we send, which is smaller
            self._finish(LinkClosed(code, reason or ("connection lost" if code == _ABNORMAL else ""), origin))

    def _take(self, frame: Frame, size: int) -> None:
        for item in self._wire.receive(frame):
            if isinstance(item, Violation):
                self._answer_violation(item)
            else:
                self._note_end(item)
                self._inbox.append((item, size))
                self._inbox_bytes += size
                size = 0
        self._notify_inbox()

    def _note_end(self, message: Message) -> None:
        """Take note of what ends the session: the link ends with it, whether the peer closes it or not."""
        match message:
            case Welcome():
                self._has_session = True
            case Denied() if self._has_session:
                self._peer_left = True
                self._request_close(LinkClosed(_POLICY_VIOLATION, message.reason, "remote"))
            case Goodbye():
                self._peer_left = True
                self._gone_at = trio.current_time() + GOODBYE_TIMEOUT
                self._notify_outbox()

    def _answer_violation(self, violation: Violation) -> None:
        _log.warning("protocol violation", reason=violation.reason, peer=self._peer)
        if violation.answer is not None:
            self.send_nowait(violation.answer)
        if violation.close_code is not None:
            self._request_close(LinkClosed(violation.close_code, violation.reason, "local"))

    def _request_close(self, end: LinkClosed) -> None:
        """Have the writer close the link when what waits is sent."""
        self._close_requested = end
        self._notify_outbox()

    async def _close_soon(self, code: int, reason: str) -> None:
        _log.warning("protocol violation", reason=reason, peer=self._peer)
        self._request_close(LinkClosed(code, reason, "local"))
        await trio.lowlevel.checkpoint()

    async def _write_for_ever(self) -> None:
        """Send whatever waits; a close that was asked for comes after it.

        After the peer's last word nothing more is sent: what waits then can be withdrawn until the link has ended.
        """
        while True:
            while not self._outbox or self._peer_left:
                if self._close_requested is not None:
                    await self._close_as_requested(self._close_requested)
                    return
                with trio.move_on_at(self._gone_at) as patience:
                    await self._outbox_changed.wait()
                if patience.cancelled_caught:
                    self._request_close(LinkClosed(_NORMAL, "", "remote"))
            await self._stream.wait_room()
            if self._peer_left:
                continue
            if self._stream.is_broken:
                return  # what waits can be withdrawn; the reader learns of the end
            batch = [_aged(message, queued_at) for message, queued_at in self._outbox]
            self._outbox.clear()
            self._is_writing = True
            self._notify_outbox()
            try:
                frames = self._framer.frame(batch)
                self._deliver_own_answers()
                for frame in frames:
                    await self._stream.wait_room()
                    await self._socket.send_message(frame)
            except ConnectionClosed:
                return
            finally:
                self._is_writing = False
                self._notify_outbox()

    def _deliver_own_answers(self) -> None:
        for answer in self._framer.own_answers:
            self._inbox.append((answer, 0))
        if self._framer.own_answers:
            self._framer.own_answers.clear()
            self._notify_inbox()

    async def _close_as_requested(self, end: LinkClosed) -> None:
        reason = end.reason.encode()[:_MAX_REASON].decode(errors="ignore")
        # the reader takes the end for this one, not for the peer's
        self._own_close = LinkClosed(end.code, reason, end.origin)
        try:
            with trio.move_on_after(CLOSE_TIMEOUT):
                await self._socket.aclose(end.code, reason)
        finally:
            self._own_close_done.set()
            self._finish(self._own_close)

    async def _watch_heartbeat(self) -> None:
        """Ping after silence; any bytes received prove life."""
        options = self._options
        missed = 0
        while True:
            idle = trio.current_time() - self._stream.last_received_at
            if idle < options.ping_interval or self.is_throttled:
                await trio.sleep(max(options.ping_interval - idle, 0.05))
                continue
            if await self.is_alive():
                missed = 0
            elif self._end is not None:
                return
            elif not (self.is_throttled or self._wire.is_peer_busy()):
                missed += 1
                if missed >= options.pings_missed_threshold:
                    _log.warning("pings missed", peer=self._peer, missed=missed)
                    await self._give_up(_PINGS_MISSED, "Pings missed")
                    return

    async def _watch_socket(self) -> None:
        options = self._options
        reason = await until_out_of_patience(
            self._stream,
            read_timeout=options.read_timeout,
            write_timeout=options.write_timeout,
            is_throttled=lambda: self.is_throttled,
        )
        _log.warning("out of patience", peer=self._peer, reason=reason)
        await self._give_up(_ABNORMAL, reason)

    async def _give_up(self, code: int, reason: str) -> None:
        """End the link of a peer that does not answer: a close frame where it can be sent at once, then nothing."""
        self._finish(LinkClosed(code, reason, "network"))
        with trio.move_on_after(_PARTING):
            try:
                for frame in self._wire.last_words(reason):
                    await self._socket.send_message(frame)
            except ConnectionClosed:
                pass  # the peer was faster
            await self._socket.aclose(code, reason)
        self._stream.abort(reason)
