"""Requests of a session one after the other, on a channel that says `sequential = true`.

Only requests take turns: answers, acknowledgements and renewals are read and handled at once, so that a service may
still ask the peer that waits for it.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.envelope import Envelope

__all__ = ["Turns"]


class Turns:
    """Whose turn it is.

    Args:
        hand_over: Gives a request to the service.
        is_sequential: Whether requests wait for those before them; else each is handed over at once.
        limit: How many that are still wanted there may be; beyond it those that were given up are forgotten.
    """

    def __init__(self, hand_over: Callable[[Envelope], None], *, is_sequential: bool, limit: int) -> None:
        self._hand_over = hand_over
        self._is_sequential = is_sequential
        self._limit = limit
        self._waiting: list[Envelope] = []  # mostly empty, and an empty deque takes a dozen times as much
        self._current: Envelope | None = None
        self._is_advancing = False

    def add(self, envelope: Envelope) -> None:
        """Hand a request over when those before it are answered, or given up by the peer."""
        if not self._is_sequential:
            self._hand_over(envelope)
            return
        if len(self._waiting) >= self._limit:
            self._waiting = [one for one in self._waiting if one.is_wanted]
        self._waiting.append(envelope)
        self.advance()

    def __len__(self) -> int:
        return len(self._waiting)

    def advance(self) -> None:
        """Hand the next request over if the one before it is settled; handing over may settle it at once."""
        if self._is_advancing or not self._waiting:
            return
        self._is_advancing = True
        try:
            while self._waiting and (self._current is None or not self._current.is_wanted):
                self._current = self._waiting.pop(0)
                if self._current.is_wanted:
                    self._hand_over(self._current)
        finally:
            self._is_advancing = False
