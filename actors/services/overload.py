"""Whether requests come to a service faster than it handles them, and how long each takes: so that some are answered.

Requests are handled in the order in which they came. Where more come than a service handles, each has nearly used up
its time when its turn comes. Begun then, its handler is cancelled before it is done, and the next one fares the same:
the service would work without pause, and nobody would ever get an answer.
"""

from __future__ import annotations

from statistics import median

from actors.lately import note, with_margin

__all__ = ["Overload"]

_LASTS = 10.0
"""Seconds for which no request must come too late before the service is as it was."""

_NEAR = 0.25
"""Seconds before its deadline in which the end of a request means that its time was over: a caller elsewhere gives up
first, and says so."""


class Overload:
    """How long the last requests took, from when one was cut off at its deadline until none came too late for long."""

    __slots__ = ("_known", "_until", "is_on")

    def __init__(self) -> None:
        self.is_on = False
        """Whether there is anything to note, and `least` may be more than nothing."""
        self._known: list[float] = []
        self._until = 0.0

    def handled(self, seconds: float) -> None:
        """Note how long a request took, while it is on."""
        note(self._known, seconds)

    def cancelled(self, now: float, deadline: float, began_at: float | None) -> None:
        """Note that nobody waits any more for a request that was begun, where that is because its time was over.

        It is taken to have needed twice the time that it had, or what it took in a thread, which goes on.

        Args:
            now: When that was, in Trio's time.
            deadline: Until when there was time.
            began_at: When it was begun; None where nothing was noted then.
        """
        if deadline - now > _NEAR:
            return
        self.is_on = True
        self._until = now + _LASTS
        if began_at is not None:
            self.handled(max(2 * (deadline - began_at), now - began_at))

    def refused(self, now: float) -> None:
        """Note that a request was not begun, for it has less time left than `least`."""
        self._until = now + _LASTS

    def least(self, now: float) -> float:
        """Return the seconds without which a request is not to be begun; 0 where there is nothing to go by."""
        if now > self._until:
            self.is_on = False
            self._known.clear()
        return with_margin(median(self._known)) if self._known else 0.0
