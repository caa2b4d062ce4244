"""Frames of a WebSocket server that speaks no format of ours: what a service sends, and what on_message gets.

A frame is text or bytes. What is sent is one frame each; what comes is handed to on_message one after the other, in
the order in which it came, since nothing tells which frames belong together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import msgspec
import trio
from attrs import frozen

from actors.connections.hooks import MessageReceived
from actors.envelope import Envelope
from actors.errors import BadInput, LinkClosed, LinkLost
from actors.messages import Invoke
from actors.ports import Entropy, Link
from actors.pulse import Pulse
from actors.services.call import RemoteCall
from actors.settings import DataFormat

__all__ = ["FrameLane", "FrameSender", "data_of", "frame_of"]

MAX_BYTES = 16 * 1024 * 1024
"""How many bytes of frames may wait for on_message before no more are read."""

_JSON_TYPES = (dict, list, tuple)


def frame_of(data: object) -> str | bytes:
    """Return the frame that carries what a service sends: text and bytes as they are, dicts and lists as JSON text.

    Raises:
        BadInput: When it is anything else, or JSON cannot say it.
    """
    if isinstance(data, str):
        try:
            data.encode()
        except UnicodeEncodeError as error:
            msg = f"a text frame cannot say it: {error}"
            raise BadInput(msg) from None
        return data
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, _JSON_TYPES):
        msg = f"a frame is text, bytes, or a dict or list to be sent as JSON; not {type(data).__name__}"
        raise BadInput(msg)
    try:
        return msgspec.json.encode(data).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        msg = f"the frame cannot be said in JSON: {error}"
        raise BadInput(msg) from None


def data_of(frame: str | bytes, data_format: DataFormat | None) -> object:
    """Return what on_message gets of a frame.

    Raises:
        BadInput: When the frame is not what `data_format` says.
    """
    if data_format is None:
        return frame
    try:
        return msgspec.json.decode(frame)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        msg = f"the frame is not JSON: {error}"
        raise BadInput(msg) from None


def size_in_bytes(frame: str | bytes) -> int:
    """Return a frame's bytes; text has more of them than characters."""
    return len(frame.encode()) if isinstance(frame, str) else len(frame)


@frozen
class FrameSender:
    """Sends frames, one after the other; each is settled when the link has framed it.

    Args:
        connection: The connection's name, for errors.
        max_size: The largest frame, in bytes.
        entropy: Ids.
    """

    connection: str
    max_size: int
    entropy: Entropy

    async def send(self, link: Link, envelope: Envelope) -> None:
        """Send a frame over a link and settle its slot: with None, or with why it was not sent.

        One that is abandoned before the link has framed it has not been sent and never is.
        """
        slot = envelope.reply
        try:
            with trio.CancelScope() as waiting:
                if slot is not None:
                    slot.on_abandoned(waiting.cancel)
                await self._send(link, envelope.payload)
                if slot is not None:
                    slot.answer(None)
        except (BadInput, LinkLost) as error:
            if slot is not None:
                slot.fail(error)

    async def _send(self, link: Link, call: RemoteCall) -> None:
        if call.frame is None:
            msg = f"{self.connection!r} dials a WebSocket server, which has no services: send it a frame"
            raise BadInput(msg)
        frame = frame_of(call.frame)
        size = size_in_bytes(frame)
        if size > self.max_size:
            msg = f"the frame has {size} bytes, more than the limit of {self.max_size} (max_message_size)"
            raise BadInput(msg)
        message = Invoke(self.entropy.hex_id(), frame)
        try:
            await link.send(message)
            await link.until_framed(message.id)
        except LinkClosed as closed:
            msg = f"{self.connection!r}: link lost before the frame was sent: {closed}"
            raise LinkLost(msg, sent=False) from None
        except trio.Cancelled:
            link.withdraw(message.id)
            raise


class FrameLane:
    """What came of one link and waits for on_message, in order.

    Args:
        handle: Runs on_message for one of them.
    """

    def __init__(self, handle: Callable[[MessageReceived], Awaitable[object]]) -> None:
        self._handle = handle
        self._waiting: deque[tuple[MessageReceived, int]] | None = None  # most links never have any
        self._bytes = 0
        self._changed = Pulse()

    def __len__(self) -> int:
        return len(self._waiting or ())

    @property
    def is_full(self) -> bool:
        """Tell whether so many bytes wait that no more should be read."""
        return self._bytes >= MAX_BYTES

    @property
    def is_half_empty(self) -> bool:
        """Tell whether reading may go on."""
        return self._bytes <= MAX_BYTES // 2

    def take(self, event: MessageReceived, size: int) -> None:
        """Have an event wait for its turn; `size` is that of its frame."""
        self._waiting = self._waiting or deque()
        self._waiting.append((event, size))
        self._bytes += size
        self._changed.notify()

    async def run(self) -> None:
        """Handle them one after the other, for ever."""
        while True:
            while not self._waiting:
                await self._changed.wait()
            event, size = self._waiting[0]
            await self._handle(event)
            self._waiting.popleft()
            self._bytes -= size
            self._changed.notify()

    async def wait_handled(self) -> None:
        """Wait until all were handled."""
        while self._waiting:
            await self._changed.wait()
