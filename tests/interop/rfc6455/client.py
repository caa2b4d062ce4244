"""A WebSocket client of bytes written by hand (RFC 6455, section 5.2): it can send what no library would."""

from __future__ import annotations

import base64
import hashlib

import trio
from attrs import define, field, frozen

__all__ = ["BINARY", "CLOSE", "CONTINUATION", "DROPPED", "NO_CODE", "PING", "PONG", "TEXT", "Frame", "RawClient"]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

NO_CODE, DROPPED = 1005, 1006
"""What is noted where a close frame has no code, and where the connection ends without one."""

_KEY = base64.b64encode(b"a key of 16 byte")
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASK = bytes.fromhex("37fa213d")


@frozen
class Frame:
    """A frame to be sent, or one that came."""

    opcode: int
    payload: bytes = b""
    fin: bool = True
    rsv: int = 0

    def encoded(self) -> bytes:
        """Return its bytes, masked, with the shortest length that holds it."""
        size = len(self.payload)
        first = (self.fin << 7) | (self.rsv << 4) | self.opcode
        if size < 126:
            head = bytes([first, 0x80 | size])
        elif size < 1 << 16:
            head = bytes([first, 0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([first, 0x80 | 127]) + size.to_bytes(8, "big")
        key = int.from_bytes((_MASK * (size // 4 + 1))[:size], "big")
        return head + _MASK + (int.from_bytes(self.payload, "big") ^ key).to_bytes(size, "big")


@define
class RawClient:
    """One connection. `messages` are whole messages, pings and pongs, in order; `close_code` is how the server ended."""

    stream: trio.abc.Stream
    messages: list[tuple[int, bytes]] = field(factory=list)
    close_code: int = DROPPED
    close_reason: bytes = b""
    problem: str = ""
    has_ended: bool = False
    changed: trio.Event = field(factory=trio.Event)
    _buffer: bytearray = field(factory=bytearray)
    _fragments: list[Frame] = field(factory=list)

    async def upgrade(self, host: str, path: str) -> None:
        """Do the opening handshake; the server's answer must be right to the letter."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {_KEY.decode()}",
            "Sec-WebSocket-Version: 13",
        ]
        await self.stream.send_all("\r\n".join([*lines, "", ""]).encode())
        while b"\r\n\r\n" not in self._buffer:
            data = await self.stream.receive_some()
            assert data, "the server ended the connection in the handshake"
            self._buffer += data
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer = bytearray(rest)
        status, *headers = head.split(b"\r\n")
        assert status.startswith(b"HTTP/1.1 101")
        found = {name.strip().lower(): value.strip() for name, _, value in (one.partition(b":") for one in headers)}
        assert found[b"sec-websocket-accept"] == base64.b64encode(hashlib.sha1(_KEY + _MAGIC).digest())  # noqa: S324
        assert b"sec-websocket-extensions" not in found

    async def write(self, data: bytes | bytearray, chop: int) -> None:
        """Send bytes, so many at a time where `chop` is not 0; a server that has ended takes no more of them."""
        step = chop or len(data) or 1
        try:
            with memoryview(data) as view:
                for start in range(0, len(data), step):
                    await self.stream.send_all(view[start : start + step])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def read_to_end(self) -> None:
        """Take in what comes until the end of the connection."""
        try:
            while True:
                while frame := self._next_frame():
                    self._take(frame)
                self._notify()
                data = await self.stream.receive_some(1 << 16)
                if not data:
                    break
                self._buffer += data
        except trio.BrokenResourceError:
            pass
        self.has_ended = True
        self._notify()

    def _notify(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def _next_frame(self) -> Frame | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        size, start = buffer[1] & 0x7F, 2
        if size > 125:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = int.from_bytes(buffer[2:start], "big")
        if len(buffer) < start + size:
            return None
        if buffer[1] & 0x80:
            self.problem = "the server masked a frame"
        frame = Frame(buffer[0] & 0x0F, bytes(buffer[start : start + size]), bool(buffer[0] & 0x80), buffer[0] >> 4 & 7)
        del buffer[: start + size]
        return frame

    def _take(self, frame: Frame) -> None:
        if frame.rsv or (frame.opcode >= CLOSE and not frame.fin):
            self.problem = f"a frame that may not be: {frame}"
        if frame.opcode == CLOSE:
            self.close_code = int.from_bytes(frame.payload[:2], "big") if frame.payload else NO_CODE
            self.close_reason = frame.payload[2:]
        elif frame.opcode >= CLOSE:
            self.messages.append((frame.opcode, frame.payload))
        else:
            self._fragments.append(frame)
            if frame.fin:
                payload = b"".join(one.payload for one in self._fragments)
                self.messages.append((self._fragments[0].opcode, payload))
                self._fragments.clear()
