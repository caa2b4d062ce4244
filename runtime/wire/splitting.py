"""Cuts large frames into parts, which take turns: the sending side of `runtime.wire.parts`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from attrs import define

from runtime.wire.parts import MAX_IN_PARTS, PART_SIZE, Drop, Part

__all__ = ["Splitter"]

_encode = msgspec.msgpack.Encoder().encode


@define(eq=False)
class _Splitting:
    """A frame that is to go in parts, or behind one that does."""

    frame: bytes
    message_id: str
    answers: str
    lane: str
    number: int = 0
    position: int = 0


class Splitter:
    """The large frames that are still to be sent, wholly or in part.

    Frames of one lane stay in their order, one after the other; others overtake each other.
    """

    def __init__(self) -> None:
        self._waiting: list[_Splitting] = []  # mostly empty, and an empty deque takes a dozen times as much
        self._turns: list[_Splitting] = []
        self._drops: list[int] = []
        self._numbers = 0
        self.pack: Callable[[bytes], bytes] | None = None
        """What each frame passes on its way out, where they go compressed."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._turns) + len(self._drops)

    @property
    def is_busy(self) -> bool:
        """Tell whether there is anything to send."""
        return bool(self._turns or self._waiting or self._drops)

    def has_lane(self, lane: str) -> bool:
        """Tell whether a frame of the lane is still to be sent, behind which others of it must go."""
        return any(one.lane == lane for one in self._all() if lane)

    def add(self, frame: bytes, *, message_id: str = "", answers: str = "", lane: str = "") -> None:
        """Have a frame sent in parts, or whole where it is small.

        Args:
            frame: The frame.
            message_id: The id of the one message in it.
            answers: The id of what that answers, if anything.
            lane: Frames of the same lane are sent in their order; empty where the order does not matter.
        """
        self._waiting.append(_Splitting(frame, message_id, answers, lane))

    def next_frame(self) -> bytes | None:
        """Give what is to be sent next; None when there is nothing."""
        frame = self._next()
        return frame if frame is None or self.pack is None else self.pack(frame)

    def _next(self) -> bytes | None:
        if self._drops:
            return _encode([Drop(self._drops.pop(0))])
        self._begin()
        if not self._turns:
            return None
        one = self._turns.pop(0)
        if len(one.frame) <= PART_SIZE:
            return one.frame
        end = one.position + PART_SIZE
        size = 0 if one.position else len(one.frame)
        part = Part(one.number, one.position, one.frame[one.position : end], size)
        one.position = end
        if end < len(one.frame):
            self._turns.append(one)
        return _encode([part])

    def _begin(self) -> None:
        """Have what waits longest take turns with the others, as far as there is room."""
        for one in list(self._waiting) if len(self._turns) < MAX_IN_PARTS else ():
            if len(self._turns) == MAX_IN_PARTS:
                return
            if not one.lane or all(other.lane != one.lane for other in self._turns):
                self._waiting.remove(one)
                self._turns.append(one)
                one.number = self._numbers
                self._numbers = (self._numbers + 1) % (1 << 32)

    def holds(self, message_id: str) -> bool:
        """Tell whether not all of a message has been sent."""
        return any(one.message_id == message_id for one in self._all())

    def withdraw(self, message_id: str) -> bool:
        """Send no more of a message; tell whether there was more of it."""
        return self._remove([one for one in self._all() if one.message_id == message_id])

    def withdraw_answers(self, to: str) -> bool:
        """Send no more of what answers a message; tell whether there was more of it."""
        return self._remove([one for one in self._all() if one.answers == to])

    def clear(self) -> None:
        """Send nothing more."""
        self._waiting.clear()
        self._turns.clear()
        self._drops.clear()

    def _all(self) -> Iterator[_Splitting]:
        yield from self._turns
        yield from self._waiting

    def _remove(self, found: list[_Splitting]) -> bool:
        for one in found:
            (self._waiting if one in self._waiting else self._turns).remove(one)
            if one.position:
                self._drops.append(one.number)
        return bool(found)
