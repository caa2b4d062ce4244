"""Frames that go compressed, by Zstandard (RFC 8878), where that pays.

A frame that is large enough is compressed by itself, and sent as `zstd` if that makes it notably smaller. No frame
depends on another, so what is dropped, taken back or left out of one costs the others nothing, and none tells by its
size what stands in another. Time on the event loop is bounded, since no frame is compressed that has more than
`MAX_AT_ONCE` bytes; what is larger goes in parts, each of which is compressed by itself.

    zstd      data                               a frame, compressed

Both ends say with the feature `zstd` that they take them, in `hello` and in `welcome`, which are never compressed
themselves: they bear credentials. What comes is inflated only where it says how large it gets, and only within the
limit of any frame.
"""

from __future__ import annotations

import sys

import msgspec

from runtime.wire.broken import BrokenFrame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["COMPRESS_ABOVE", "MAX_AT_ONCE", "MAX_PAUSE", "ZSTD", "Compressed", "Compressor"]

ZSTD = "zstd"
"""The feature of peers that take compressed frames."""

COMPRESS_ABOVE = 4 * 1024
"""Bytes of a frame that is worth the time: smaller ones become hardly fewer packets."""

MAX_AT_ONCE = 256 * 1024
"""Bytes of the largest frame that is compressed: half a millisecond of the event loop."""

MAX_PAUSE = 64
"""How many frames go as they are, at most, after one that compression did not make smaller."""

_LEVEL = 1
"""Higher ones take up to three times as long and make what clusters say to each other hardly smaller."""

_WORTH = 7 / 8
"""What is left of a frame that is worth inflating at the other end."""

_MAX_WINDOW_LOG = 23
"""The window of 8 MiB that RFC 8878, section 3.1.1.1.2, has every decoder support."""

_INVALID_DATA = 1007
_TOO_BIG = 1009


class Compressed(msgspec.Struct, frozen=True, array_like=True, tag="zstd"):
    """A frame, compressed: one Zstandard frame that says how large its content is."""

    data: bytes


class Compressor:
    """Compresses what one end of a link sends, and inflates what it receives.

    Args:
        max_size: The most bytes that a frame may have.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._pause = 0
        self._left = 0
        self._excess = 0
        self._encoder = msgspec.msgpack.Encoder()

    def pack(self, frame: bytes) -> bytes:
        """Return what to send for a frame: something smaller, or the frame itself."""
        if not COMPRESS_ABOVE < len(frame) <= MAX_AT_ONCE:
            return frame
        if self._left:
            self._left -= 1
            return frame
        packed = self._encoder.encode([Compressed(zstd.compress(frame, _LEVEL))])
        if len(packed) > len(frame) * _WORTH:
            self._left = self._pause = min(2 * self._pause, MAX_PAUSE) or 1
            return frame
        self._pause = 0
        return packed

    def unpack(self, item: Compressed) -> bytes:
        """Return the frame that was compressed.

        Raises:
            BrokenFrame: When it is none, or larger than a frame may be.
        """
        try:
            size = self._size_of(zstd.get_frame_info(item.data))
            inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG})
            frame = inflater.decompress(item.data, size)
        except zstd.ZstdError as error:
            msg = f"the compressed frame cannot be inflated: {error}"
            raise BrokenFrame(msg, _INVALID_DATA) from None
        if not inflater.eof or inflater.unused_data:
            msg = "the compressed frame is cut off, or something follows it"
            raise BrokenFrame(msg, _INVALID_DATA)
        self._excess += len(frame) - len(item.data)
        return frame

    def _size_of(self, info: zstd.FrameInfo) -> int:
        """Look at a frame's head before anything is inflated, and return its size, to which the rest is held."""
        size = info.decompressed_size
        if not size:
            msg = "a compressed frame says how many bytes it has"
            raise BrokenFrame(msg)
        if size > self._max_size:
            msg = f"a compressed frame has {size} bytes, the limit is {self._max_size}"
            raise BrokenFrame(msg, _TOO_BIG)
        if info.dictionary_id:
            msg = "a compressed frame needs no dictionary"
            raise BrokenFrame(msg)
        return size

    def take_excess(self) -> int:
        """Return by how many bytes what was inflated since the last time was larger than what came for it."""
        excess, self._excess = self._excess, 0
        return excess
