"""What a case is: what is sent, in which pieces, and what must come of it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tests.interop.rfc6455.client import CLOSE, CONTINUATION, TEXT, Frame

__all__ = ["AT_ONCE", "BY_FRAME", "INVALID_DATA", "PAUSE", "PROTOCOL_ERROR", "Case", "Pause", "fragments"]

AT_ONCE, BY_FRAME = -1, 0
"""How what is sent is cut into writes; a positive number is so many bytes at a time."""

PROTOCOL_ERROR, INVALID_DATA = 1002, 1007
"""The codes with which a connection is failed."""


class Pause:
    """A moment in which nothing is sent; `ends` says whether the server should end the connection within it."""

    def __init__(self, *, ends: bool = False) -> None:
        self.ends = ends


PAUSE = Pause()


@frozen
class Case:
    """One case of the suite.

    Args:
        number: As the suite counts.
        steps: Frames, pauses and parts of frames.
        answers: The messages and pongs that must come, in order.
        fails: The code with which the server must fail the connection; None where it must not. Then the client
            closes with 1000 after the answers, unless it closes among the steps.
        closes: The codes that the server's close frame may have where it does not fail.
        chop: How the bytes are cut.
        in_turn: Whether each frame is sent when the answer to the one before has come.
        is_informational: Whether any outcome is right.
    """

    number: str
    steps: tuple[Frame | Pause | bytes, ...]
    answers: tuple[tuple[int, bytes], ...] = ()
    fails: int | None = None
    closes: tuple[int, ...] = (1000,)
    chop: int = AT_ONCE
    in_turn: bool = False
    is_informational: bool = False

    @property
    def group(self) -> int:
        """The group that it belongs to."""
        return int(self.number.partition(".")[0])

    @property
    def closes_itself(self) -> bool:
        """Whether the client's close is among the steps."""
        return any(isinstance(step, Frame) and step.opcode == CLOSE for step in self.steps)


def fragments(parts: Sequence[bytes], opcode: int = TEXT) -> tuple[Frame, ...]:
    """Return a message in fragments."""
    last = len(parts) - 1
    return tuple(Frame(opcode if n == 0 else CONTINUATION, part, fin=n == last) for n, part in enumerate(parts))
