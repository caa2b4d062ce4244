"""The waits between attempts: pure, randomness and time come as arguments."""

from __future__ import annotations

from collections.abc import Callable

from actors.supervision import Backoff

__all__ = ["BackoffState"]


class BackoffState:
    """The waits of one thing that is tried again and again: full jitter below a doubling ceiling.

    The scheme is "full jitter" of Marc Brooker's "Exponential Backoff And Jitter" (2015).
    """

    def __init__(self, backoff: Backoff) -> None:
        self.scheme = backoff
        self.attempt = 0

    def next_delay(self, uniform: Callable[[float, float], float]) -> float:
        """Count one more attempt and return the seconds to wait before it."""
        ceiling = min(self.scheme.longest, self.scheme.first * 2 ** min(self.attempt, 62))
        self.attempt += 1
        return uniform(0.0, ceiling)

    def succeeded_for(self, seconds: float) -> None:
        """Start the count anew where it went well for long enough."""
        if seconds >= self.scheme.reset_after:
            self.attempt = 0
