"""How every contestant calls: the payload, when the next call is due, and how long the calls took."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, Self

from attrs import define, field

from tests.bench.rows import MeasureFailed, Quota

PERCENTILES = (50, 99)

WARM_UP = 0.5
"""Seconds in which it is found out how many calls a second can be had."""


class Moment(Protocol):
    """An event of an event loop."""

    def set(self) -> object:
        """Wake whoever waits."""
        ...

    async def wait(self) -> object:
        """Wait until it is set."""
        ...


def _payload() -> dict[str, Any]:
    payload = {"customer_id": 123456, "name": "Jane Roe", "tags": ["gold", "emea"], "is_active": True, "text": ""}
    return payload | {"text": "x" * (250 - len(json.dumps(payload)))}


PAYLOAD = _payload()
"""What is sent and answered everywhere: 250 bytes as JSON."""


def check_answer(answer: object) -> None:
    """See that a handler gave back what it was given.

    Raises:
        MeasureFailed: When it did not.
    """
    if answer != PAYLOAD:
        msg = f"the answer is not the payload: {answer!r:.200}"
        raise MeasureFailed(msg)


@define
class Calls(Quota):
    """The calls that are still to make, by all callers together, as fast as they can or at a rate.

    At a rate, a call's latency counts from when it was due, so that waiting for a caller to be free counts, too.

    Args:
        rate: How many a second; 0 for as many as can be.
    """

    rate: float = 0.0
    latencies: list[float] = field(factory=list)
    _due: deque[float] = field(factory=deque)
    _idle: deque[Moment] = field(factory=deque)
    _is_over: bool = False

    @classmethod
    def limited_by(cls, seconds: float, rate: float) -> Self:
        """Return as many calls as there can be in so many seconds."""
        return cls(sys.maxsize, seconds, rate=rate)

    async def pace(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        """Have calls become due in time, on any event loop, as long as there are to be some; at no rate do nothing.

        One task does so for all callers: where each sleeps until its call is due, that costs more than the call.
        """
        count = 0
        while self.rate and (offset := count / self.rate) < self.seconds:
            wait = self.began_at + offset - time.monotonic()
            if wait > 0:
                await sleep(wait)
            self._due.append(self.began_at + offset)
            count += 1
            if self._idle:
                self._idle.popleft().set()
        self._is_over = True
        for moment in self._idle:
            moment.set()

    async def next_due(self, moment: Callable[[], Moment]) -> float | None:
        """Wait until a call is due and return when it was; None when there are no more."""
        if not self.rate:
            return self.began_at if self.take() else None
        while not self._due:
            if self._is_over:
                return None
            self._idle.append(own := moment())
            await own.wait()
        return self._due.popleft()

    def note_answer(self, due: float) -> None:
        """Count a call that was answered."""
        self.confirmed += 1
        if self.rate:
            self.latencies.append(time.monotonic() - due)

    def outcome(self) -> dict[str, float]:
        """Return calls a second and in all or, where they were at a rate, percentiles of latencies in milliseconds."""
        if self.rate:
            return {str(one): 1000 * percentile_of(self.latencies, one) for one in PERCENTILES}
        found = self.result()
        return {"rate": found["confirmed"] / found["seconds"], "calls": found["confirmed"]}


def percentile_of(values: Sequence[float], percentile: int) -> float:
    """Return the value that so many of a hundred do not exceed.

    Raises:
        MeasureFailed: When there are no values.
    """
    if not values:
        raise MeasureFailed("no call was answered in time")
    return sorted(values)[max(0, -(-len(values) * percentile // 100) - 1)]


@define
class HalfLoad:
    """The latencies of a contestant at half of the load that it can bear.

    Args:
        call: Calls for so many seconds, at a rate or, where that is 0, as fast as can be; returns the outcome.
    """

    call: Callable[[float, float], Awaitable[Mapping[str, float]]]
    _left: dict[str, float] = field(factory=dict)

    async def latency(self, percentile: int, seconds: float) -> float:
        """Return a percentile in milliseconds; those that are asked for one after the other are of the same calls."""
        if str(percentile) not in self._left:
            most = await self.call(min(WARM_UP, seconds), 0.0)
            self._left = dict(await self.call(seconds, most["rate"] / 2))
        return self._left.pop(str(percentile))


async def keep_calling(calls: Calls, call: Callable[[], Awaitable[Any]], moment: Callable[[], Moment]) -> None:
    """Be one of the callers, on any event loop, until there are no more calls; `moment` is its kind of event."""
    while (due := await calls.next_due(moment)) is not None:
        await call()
        calls.note_answer(due)
