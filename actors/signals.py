"""Signals: what a cluster tells of calls as they pass, to its meters; an actor has them only where somebody looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from actors.envelope import Envelope
from actors.meters import Meters, Work

__all__ = ["Signals"]

T = TypeVar("T")

Invoke = Callable[[Envelope], Awaitable[Any]]
"""Runs a service for one request."""


class Signals:
    """What calls are told to.

    Args:
        meters: Where they are counted and timed.
    """

    def __init__(self, meters: Meters) -> None:
        self.meters = meters

    def call(self, connection: str, answer: Awaitable[T]) -> Awaitable[T]:
        """Return what waits for the answer of a call over an outgoing connection as `answer` does, and tells of it."""
        return _timed(self.meters.calls_over(connection), answer)

    def invoking(self, service: str, invoke: Invoke) -> Invoke:
        """Return what invokes a service as `invoke` does, and tells of it."""
        work = self.meters.invocations_of(service)
        return lambda envelope: _timed(work, invoke(envelope))


async def _timed(work: Work, answer: Awaitable[T]) -> T:
    began_at = work.now()
    try:
        result = await answer
    except BaseException as error:
        work.ended(began_at, error)
        raise
    work.ended(began_at, None)
    return result
