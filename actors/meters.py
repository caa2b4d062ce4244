"""Meters: what is counted and timed where calls and messages pass, as plain numbers.

Adding to them costs a bisection and two additions; what they say in metrics is made of them when somebody asks
(`runtime.observe.collector`). Nothing here knows of any format.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence

import trio

from actors.errors import (
    AskTimeout,
    BadInput,
    CallError,
    Conflict,
    Forbidden,
    InvokeTimeout,
    LinkDown,
    LinkLost,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)

__all__ = ["OUTCOMES", "Meters", "Timing", "Work", "outcome_of"]

CALLS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds up to which calls are counted together."""

COMMITS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds up to which commits of the store are."""

LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds up to which delays of the event loop are."""

OK = "ok"
_OF_ERRORS: dict[type[BaseException], str] = {
    BadInput: "bad_input",
    Unauthorized: "forbidden",
    Forbidden: "forbidden",
    NotFound: "not_found",
    Conflict: "conflict",
    TooManyRequests: "overloaded",
    ServiceUnavailable: "overloaded",
    InvokeTimeout: "timeout",
    AskTimeout: "timeout",
    LinkLost: "link_lost",
    LinkDown: "link_down",
    trio.Cancelled: "cancelled",
}
_FAILED = "failed"

OUTCOMES = (OK, *dict.fromkeys(_OF_ERRORS.values()), _FAILED)
"""How a call can end: one of few words, whatever the error."""


def outcome_of(error: BaseException) -> str:
    """Return the word for an error, which is that of the nearest class it is derived from."""
    if isinstance(error, BaseExceptionGroup) and not isinstance(error, CallError):
        return _OF_ERRORS[trio.Cancelled] if error.split(trio.Cancelled)[1] is None else _FAILED
    return next((_OF_ERRORS[cls] for cls in type(error).__mro__ if cls in _OF_ERRORS), _FAILED)


class Timing:
    """How long something took: how often within each of the bounds, and in all.

    Args:
        bounds: Seconds, growing; what took longer than the last is counted beyond it.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Add one that took so long."""
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds


class Work:
    """Calls of one kind: how they ended, and how long those took that were answered, with a result or an error.

    Args:
        now: Gives the time.
    """

    __slots__ = ("_errors", "_ok", "now", "timing")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.timing = Timing(CALLS)
        self._ok = 0
        self._errors: Counter[str] = Counter()

    @property
    def outcomes(self) -> dict[str, int]:
        """How many calls ended how."""
        return {OK: self._ok, **self._errors} if self._ok else dict(self._errors)

    def ended(self, began_at: float, error: BaseException | None) -> None:
        """Add a call that ended now."""
        seconds, timing = self.now() - began_at, self.timing
        timing.counts[bisect_left(timing.bounds, seconds)] += 1  # what `Timing.add` does, without the call
        timing.total += seconds
        if error is None:
            self._ok += 1
        else:
            self._errors[outcome_of(error)] += 1

    def cancelled(self, count: int = 1) -> None:
        """Add calls that nobody waited for any more."""
        self._errors[_OF_ERRORS[trio.Cancelled]] += count


class Meters:
    """The meters of a server, made as they are asked for.

    Args:
        now: Gives the time.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.made: dict[str, Work] = {}
        """Calls over outgoing connections, by the connection."""
        self.requests: dict[str, Work] = {}
        """Requests of peers, by the channel."""
        self.invocations: dict[str, Work] = {}
        """What services did, by the service."""
        self.commits = Timing(COMMITS)
        self.operations = 0
        """How many operations of the store were in those commits."""
        self.lag = Timing(LAGS)
        """By how much timers of the event loop were late."""

    def calls_over(self, connection: str) -> Work:
        """Return the meter of calls over an outgoing connection."""
        return self._of(self.made, connection)

    def requests_to(self, channel: str) -> Work:
        """Return the meter of the requests of a channel's peers."""
        return self._of(self.requests, channel)

    def invocations_of(self, service: str) -> Work:
        """Return the meter of a service."""
        return self._of(self.invocations, service)

    def _of(self, works: dict[str, Work], name: str) -> Work:
        work = works.get(name)
        if work is None:
            work = works[name] = Work(self.now)
        return work

    def committed(self, began_at: float, operations: int) -> None:
        """Add a transaction of the store that ended now."""
        self.operations += operations
        self.commits.add(self.now() - began_at)
