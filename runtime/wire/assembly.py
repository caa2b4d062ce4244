"""Puts frames together from their parts, within bounds: the receiving side of `runtime.wire.parts`."""

from __future__ import annotations

from attrs import define, field

from runtime.wire.broken import BrokenFrame
from runtime.wire.parts import MAX_IN_PARTS, PART_TIMEOUT, Drop, Part

__all__ = ["Assembly"]

_TOO_BIG = 1009


@define
class _Unfinished:
    """A frame of which parts have come."""

    size: int
    data: bytearray = field(factory=bytearray)
    seen: int = -1
    seen_at: float = 0.0


class Assembly:
    """The frames that are under way in parts.

    Args:
        max_size: The most bytes that a frame may have.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._unfinished: dict[int, _Unfinished] = {}

    @property
    def held(self) -> int:
        """Return how many bytes of frames are held that have not come whole."""
        return sum(len(one.data) for one in self._unfinished.values())

    def take(self, item: Part | Drop) -> bytes | None:
        """Take in a part; return the frame that it was the last of, if it was.

        Raises:
            BrokenFrame: When the peer may not send it. Nothing more should be taken from that peer.
        """
        if isinstance(item, Drop):
            if self._unfinished.pop(item.number, None) is None:
                msg = f"there is no frame {item.number} in parts to drop"
                raise BrokenFrame(msg)
            return None
        one = self._begin(item) if item.size else self._unfinished.get(item.number)
        if one is None:
            msg = f"part of frame {item.number}, which has not begun"
            raise BrokenFrame(msg)
        if item.position != len(one.data):
            msg = f"part of frame {item.number} at {item.position} where {len(one.data)} was expected"
            raise BrokenFrame(msg)
        if not item.data:
            msg = f"part of frame {item.number} without data"
            raise BrokenFrame(msg)
        if len(one.data) + len(item.data) > one.size:
            msg = f"the parts of frame {item.number} have more than the {one.size} bytes that it was to have"
            raise BrokenFrame(msg)
        one.data += item.data
        if len(one.data) < one.size:
            return None
        del self._unfinished[item.number]
        return bytes(one.data)

    def _begin(self, part: Part) -> _Unfinished:
        if part.number in self._unfinished:
            msg = f"frame {part.number} begins a second time"
            raise BrokenFrame(msg)
        if part.size > self._max_size:
            msg = f"a frame in parts has {part.size} bytes, the limit is {self._max_size}"
            raise BrokenFrame(msg, _TOO_BIG)
        if len(self._unfinished) == MAX_IN_PARTS:
            msg = f"more than {MAX_IN_PARTS} frames in parts at a time"
            raise BrokenFrame(msg)
        one = self._unfinished[part.number] = _Unfinished(part.size)
        return one

    def overdue(self, now: float, *, is_read: bool) -> str | None:
        """Return what is wrong when the next part of a frame does not come; look every few seconds.

        Args:
            now: The time, in seconds.
            is_read: Whether what the peer sends is read; while it is not, no part can come.
        """
        for number, one in self._unfinished.items():
            if len(one.data) != one.seen or not is_read:
                one.seen, one.seen_at = len(one.data), now
            elif now - one.seen_at >= PART_TIMEOUT:
                return f"no part of frame {number} came for {PART_TIMEOUT:g} s"
        return None

    def clear(self) -> None:
        """Forget what has come."""
        self._unfinished.clear()
