"""The stream that trio-websocket is given: sending never waits; what does not go at once is left to one task.

trio-websocket sends under one lock, pongs of its reader included. Were a send to wait for the socket, two ends
that both send large frames would each wait for the other to read, for ever; and a cancelled send would leave half
a frame behind. So `send_all` sends what goes at once (`runtime.transport.direct`) and appends the rest to a buffer; the
writer's task joins what has gathered there into one write; and whoever sends messages waits for room before a message
is framed. What cannot wait, pongs, may go over the high mark up to a hard limit, beyond which the stream breaks.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable

import trio

from actors.lazy import Lazy
from actors.pulse import Latch, Pulse
from runtime.transport.direct import direct_way
from runtime.transport.shortcut import Shortcut

__all__ = ["BufferedStream"]

HIGH_WATER = 64 * 1024
CONTROL_ROOM = 256 * 1024
CHUNK = 64 * 1024
FLUSH_TIMEOUT = 2.0
_CLOSE_FRAME = b"\x88"


class BufferedStream(trio.abc.Stream):
    """A stream with an outgoing buffer. Its `writer` must be allowed to run as long as it is used.

    Args:
        transport: Where the bytes go.
        max_frame: The largest frame that will be appended at once, in bytes.
        shortcut: Takes ordinary frames out of what is received.
    """

    def __init__(self, transport: trio.abc.Stream, *, max_frame: int, shortcut: Shortcut | None = None) -> None:
        self._transport = transport
        self._direct = direct_way(transport)
        self._shortcut = shortcut
        self.until_wanted: Callable[[], Awaitable[None]] | None = None
        """Waits until more is to be received."""
        self._hard_limit = HIGH_WATER + max_frame + CONTROL_ROOM
        self._buffer = bytearray()
        self._in_flight = 0
        self.writer = Lazy(self._write)
        """The task that writes what does not go at once, which a link over which little goes does without."""
        self._to_write = Pulse()
        self._written = Pulse()
        self._broken: str | None = None
        self._closing: Latch | None = None
        self._is_closed = False
        self._is_receiving = False
        self.has_sent_close = False
        """Whether a close frame is among what was appended: the library appends each frame by itself."""
        self.farewell: Callable[[], bytes] = bytes
        """Gives what is still to be said when the stream is closed."""
        self._taken_at = trio.current_time()
        self.last_received_at = trio.current_time()
        self.ended = Latch()
        """Set when nothing more will be received."""
        self.on_failed: Callable[[], object] = lambda: None
        """Called when nothing more can be sent, which the library takes for the end when it wants to send something."""

    @property
    def has_room(self) -> bool:
        """Tell whether a message may be framed now."""
        return len(self._buffer) + self._in_flight < HIGH_WATER

    @property
    def is_broken(self) -> bool:
        """Tell whether nothing can be sent any more because the transport or the peer failed."""
        return self._broken is not None

    @property
    def stalled_for(self) -> float:
        """Return for how many seconds the transport has been at the same bytes, at most `CHUNK` of them."""
        return trio.current_time() - self._taken_at if self._in_flight else 0.0

    @property
    def unfinished_message(self) -> int:
        """Return the number of the message that has come in part, another one for each; 0 where there is none."""
        return 0 if self._shortcut is None else self._shortcut.unfinished

    async def wait_room(self) -> None:
        """Wait until a message may be framed; return at once when the stream is broken or closed."""
        while not self.has_room and self._broken is None and not self._is_closed:
            await self._written.wait()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send at once what goes, and append the rest; never waits, and so cannot be cancelled half-way."""
        if self._is_closed:
            self.on_failed()
            msg = "the stream is closed"
            raise trio.ClosedResourceError(msg)
        if self._broken is not None:
            raise trio.BrokenResourceError(self._broken)
        self.has_sent_close = self.has_sent_close or data[:1] == _CLOSE_FRAME
        self.append(bytes(data))

    def append(self, data: bytes | bytearray) -> None:
        """Send what goes at once, and append the rest; raises `BrokenResourceError` where too much waits already."""
        if self._direct is not None and not (self._buffer or self._in_flight or self._broken is not None):
            sent = self._direct.send_nowait(data)
            if sent == len(data):
                return
            data = data[sent:]
        self._buffer += data
        if len(self._buffer) + self._in_flight > self._hard_limit:
            self._break("the peer does not read, and too much waits for it")
            raise trio.BrokenResourceError(self._broken)
        self._to_write.notify()
        self.writer.need()

    async def wait_send_all_might_not_block(self) -> None:
        """Return at once: sending never blocks."""
        await trio.lowlevel.checkpoint()

    async def _write(self) -> None:
        """Write what is in the buffer, joining what has gathered, until cancelled or broken."""
        while self._broken is None:
            if not self._buffer:
                await self._to_write.wait()
                continue
            data, self._buffer = self._buffer, bytearray()
            self._in_flight = len(data)
            try:
                with memoryview(data) as waiting:
                    for start in range(0, len(data), CHUNK):
                        self._taken_at = trio.current_time()
                        await self._transport.send_all(waiting[start : start + CHUNK])
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                self._break(str(error))
            finally:
                self._in_flight = 0
            self._written.notify()

    async def _wait_written(self) -> None:
        """Wait until nothing is left to write, or nothing can be written any more."""
        while (self._buffer or self._in_flight) and self._broken is None:
            await self._written.wait()

    def _break(self, reason: str) -> None:
        self._broken = reason
        self.on_failed()
        self._buffer.clear()
        self._written.notify()
        self._to_write.notify()
        self.ended.set()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive, and note when; return what no shortcut has taken, and nothing at the end."""
        while True:
            if self.until_wanted is not None:
                await self.until_wanted()
            if self._broken is not None:
                raise trio.BrokenResourceError(self._broken)
            self._is_receiving = True
            try:
                data = await (self._direct or self._transport).receive_some(max_bytes)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self.ended.set()
                raise
            finally:
                self._is_receiving = False
            if not data:
                self.ended.set()
                return data
            self.last_received_at = trio.current_time()
            if self._shortcut is None:
                return data
            data = self._shortcut.sort(data)
            if data:
                return data
            del data  # this waits long for what comes next, and the frame is not to be kept meanwhile

    def abort(self, reason: str) -> None:
        """Give up on the peer: what has not been sent is never sent, and closing waits for nothing."""
        if self._broken is None:
            self._break(reason)
            transport = getattr(self._transport, "transport_stream", self._transport)
            if isinstance(transport, trio.SocketStream):
                no_linger = struct.pack("ii", 1, 0)  # the system drops what it holds, and resets the connection
                transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)

    async def drop_rest(self) -> None:
        """Receive and drop what still comes, until the end."""
        try:
            while await self.receive_some(HIGH_WATER):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def linger(self) -> None:
        """Write what is in the buffer, then wait for the end of what the peer sends; somebody must receive it.

        Closing while bytes are unread resets the connection, and the peer may lose what was written last.
        """
        await self._wait_written()
        if isinstance(self._transport, trio.abc.HalfCloseableStream):
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._transport.send_eof()
        await self.ended.wait()

    async def aclose(self) -> None:
        """Say what is still to be said, flush within a bound, then close the transport. Idempotent."""
        if self._closing is not None:
            await self._closing.wait()
            return
        self._closing = Latch()
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + FLUSH_TIMEOUT):
                await self._say_farewell()
                await self._wait_written()
        finally:
            self._is_closed = True
            self._written.notify()
            self._closing.set()
            await trio.aclose_forcefully(self._transport)

    async def _say_farewell(self) -> None:
        """Have the last words arrive: whoever closes may be the one that has received until now."""
        words = self.farewell()
        if not words:
            return
        try:
            await self.send_all(words)
        except trio.BrokenResourceError:
            return
        async with trio.open_nursery() as nursery:
            if not self._is_receiving:
                nursery.start_soon(self.drop_rest)
            await self.linger()
