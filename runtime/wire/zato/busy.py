"""What a peer that handles one request after the other is at, as far as this end can know."""

from __future__ import annotations

__all__ = ["WorkInTurn"]


class WorkInTurn:
    """The requests that a peer has not answered, in order: it is at the first, and until its end it reads nothing more.

    That excuses unanswered pings for as long as whoever sent that request waits for it, and no longer: were later
    requests an excuse, too, a dead peer would never be found out while calls go on.
    """

    def __init__(self) -> None:
        self._unanswered: dict[str, None] = {}
        self._current: str | None = None
        self._is_overdue = False

    @property
    def is_under_way(self) -> bool:
        """Tell whether the peer may be at a request that somebody waits for."""
        return self._current is not None

    def sent(self, request_id: str) -> None:
        """Take note of a request."""
        self._unanswered[request_id] = None
        if not self._is_overdue:
            self._current = next(iter(self._unanswered))

    def heard(self, answered: str) -> None:
        """Take note that the peer has said something, which answers a request or none: it is at the next one now."""
        self._unanswered.pop(answered, None)
        self._is_overdue = False
        self._current = next(iter(self._unanswered), None)

    def given_up(self, request_id: str) -> None:
        """Take note that nobody waits for a request any more."""
        self._unanswered.pop(request_id, None)
        if request_id == self._current:
            self._current = None
            self._is_overdue = True
