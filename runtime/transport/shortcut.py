"""The short way of ordinary frames, past trio-websocket.

Through the library each message costs a lock, a channel and two switches of tasks beside the parsing. So of what is
received, the stream under it hands on the handshake, control frames and all that is in any way out of the ordinary
(fragments, large or broken frames), and the library remains the judge of what RFC 6455 allows; but an unfragmented data
frame that has come whole is taken out and given to the link at once. While the library works on a message, those after
it go its way too, so that their order stays. What has come of a text is kept back only once, and only if it is text so
far: the library closes as soon as it is not. RFC 6455, section 5.2, has the form of a frame.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable

from runtime.wire.protocol import Frame

__all__ = ["Shortcut", "data_frame"]

_LARGEST = 64 * 1024
"""The largest frame that is taken out, in bytes."""
_FINAL, _MASKED, _RESERVED_BITS = 0x80, 0x80, 0x70
_TEXT, _BINARY, _CLOSE = 0x1, 0x2, 0x8
_OPCODES = frozenset((0x0, _TEXT, _BINARY, _CLOSE, 0x9, 0xA))
_MEDIUM, _LONG = 126, 127
_EXTENDED = {_MEDIUM: 2, _LONG: 8}
"""How many bytes of the size follow, by the seven bits that stand for it."""
_LEAST = {0: 0, 2: _MEDIUM, 8: 1 << 16}
"""The smallest size that may be written with so many bytes."""
_BLANK_LINE = re.compile(rb"\n\r?\n")
_UPGRADED = re.compile(rb"HTTP/1\.1 101 ")


def _masked(payload: bytes, key: bytes) -> bytes:
    """Mask a payload, or take its mask off."""
    size = len(payload)
    keys = key * (size // 4 + 1)
    return (int.from_bytes(payload) ^ int.from_bytes(keys[:size])).to_bytes(size)


def data_frame(message: Frame, *, is_client: bool) -> bytes:
    """Return a message as one frame; what a client sends is masked."""
    payload, opcode = (message.encode(), _TEXT) if isinstance(message, str) else (message, _BINARY)
    size, mask = len(payload), _MASKED if is_client else 0
    if size < _MEDIUM:
        head = bytes((_FINAL | opcode, mask | size))
    elif size < _LEAST[8]:
        head = bytes((_FINAL | opcode, mask | _MEDIUM)) + size.to_bytes(2)
    else:
        head = bytes((_FINAL | opcode, mask | _LONG)) + size.to_bytes(8)
    if not is_client:
        return head + payload
    key = os.urandom(4)
    return head + key + _masked(payload, key)


class Shortcut:
    """Sorts what is received into frames for the link and bytes for the library.

    Args:
        is_client: Which end this is.
        max_size: The largest message, in bytes.
    """

    def __init__(self, *, is_client: bool, max_size: int) -> None:
        self._is_client = is_client
        self._largest = min(max_size, _LARGEST)
        self._is_open = False
        self._is_over = False
        self._head = b""
        self._held = bytearray()
        self._needed = 0
        self._is_text_held = False
        self._rest_of_frame = 0
        self._is_in_fragments = False
        self._with_library = 0
        self._begun = 0
        self.take: Callable[[Frame, int], None] | None = None
        """Takes the frames, each with its size in bytes; while there is none, all go to the library."""
        self.on_passed: Callable[[], object] = lambda: None
        """Called when anything but a ping or a pong goes the library's way, which somebody is to hear from then."""

    @property
    def unfinished(self) -> int:
        """Return the number of the message that has come in part, another one for each; 0 where there is none."""
        return self._begun if self._held or self._rest_of_frame or self._is_in_fragments else 0

    def message_read(self) -> None:
        """Take note that a message that went the library's way has been read from it."""
        self._with_library -= 1

    def sort(self, data: bytes | bytearray) -> bytes | bytearray:
        """Take the frames out of what was received, and return what is for the library."""
        if self._is_over:
            return data
        if not self._is_open:
            return self._sort_handshake(data)
        if self._held:
            self._held += data
            if len(self._held) < self._needed and not self._is_text_held:
                return b""
            data, self._held = self._held, bytearray()
        return self._sort_frames(data)

    def _sort_handshake(self, data: bytes | bytearray) -> bytes | bytearray:
        """Hand on the head of the upgrade, which ends at a blank line, and begin behind it."""
        before, self._head = len(self._head), self._head + data
        end = _BLANK_LINE.search(self._head)
        if end is None:
            self._is_over = len(self._head) > _LARGEST  # the library takes no such head
            return data
        self._is_open = True
        self._is_over = self._is_client and _UPGRADED.match(self._head) is None
        at = end.end() - before
        self._head = b""
        return data[:at] + self.sort(data[at:])

    def _sort_frames(self, data: bytes | bytearray) -> bytes | bytearray:
        for_library = bytearray()
        at, end = 0, len(data)
        while at < end:
            if not self._rest_of_frame:
                taken = self._look_at(data, at, end)
                if taken < 0:  # the rest of it is still to come
                    self._held = bytearray(data[at:])
                    self._begun += not self._is_in_fragments
                    break
                at += taken
                if self._is_over:
                    return for_library + data[at:]
            passed = min(self._rest_of_frame, end - at)
            for_library += data[at : at + passed]
            at += passed
            self._rest_of_frame -= passed
        return for_library

    def _look_at(self, data: bytes | bytearray, at: int, end: int) -> int:
        """Take the frame at a place.

        Returns:
            How many bytes that was; 0 if it is the library's; -1 if more of it must come first.
        """
        was_held, self._is_text_held = self._is_text_held, False
        if end - at < 2:
            self._needed = 2
            return -1
        first, second = data[at], data[at + 1]
        opcode, is_final = first & 0x0F, bool(first & _FINAL)
        size, head = second & 0x7F, 2
        if bool(second & _MASKED) is self._is_client or first & _RESERVED_BITS or opcode not in _OPCODES:
            self._is_over = True  # broken: the library says how
            self.on_passed()
            return 0
        extended = _EXTENDED.get(size, 0)
        head += extended + (0 if self._is_client else 4)
        if end - at < head:
            self._needed = head
            return -1
        if extended:
            size = int.from_bytes(data[at + 2 : at + 2 + extended])
        is_ordinary = (
            is_final
            and opcode in (_BINARY, _TEXT)
            and size <= self._largest
            and size >= _LEAST[extended]
            and not self._is_in_fragments
            and not self._with_library
            and self.take is not None
        )
        if is_ordinary and end - at >= head + size:
            if self._take_whole(data, at + head, size, is_text=opcode == _TEXT):
                return head + size
        elif is_ordinary and (opcode == _BINARY or (not was_held and self._is_text_so_far(data, at + head, end))):
            self._is_text_held = opcode == _TEXT
            self._needed = head + size
            return -1
        self._rest_of_frame = head + size
        self._begun += not self._is_in_fragments
        if opcode == _CLOSE:
            self._is_over = True
        elif opcode < _CLOSE:
            self._is_in_fragments = not is_final
            self._with_library += is_final
        if opcode <= _CLOSE or not is_final or size >= _MEDIUM:
            self.on_passed()
        return 0

    def _is_text_so_far(self, data: bytes | bytearray, at: int, end: int) -> bool:
        payload = bytes(data[at:end])
        if not self._is_client:
            payload = _masked(payload, bytes(data[at - 4 : at]))
        try:
            codecs.utf_8_decode(payload, "strict", False)
        except UnicodeDecodeError:
            return False
        return True

    def _take_whole(self, data: bytes | bytearray, at: int, size: int, *, is_text: bool) -> bool:
        """Give a message to the link; a text that is none is the library's to refuse."""
        payload = bytes(data[at : at + size])
        if not self._is_client:
            payload = _masked(payload, bytes(data[at - 4 : at]))
        try:
            message: Frame = payload.decode() if is_text else payload
        except UnicodeDecodeError:
            return False
        if self.take is not None:
            self.take(message, size)
        return True
