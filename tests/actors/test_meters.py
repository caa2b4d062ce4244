"""Meters: which bucket a time falls into, and by which word each error is counted."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import (
    ActorCrashed,
    AskTimeout,
    BadInput,
    CallErrorGroup,
    InternalServerError,
    InvokeTimeout,
    LinkDown,
    LinkLost,
    Overloaded,
    RemoteError,
    ServiceNotFound,
    StoreFailed,
)
from actors.meters import CALLS, OUTCOMES, Meters, Timing, Work, outcome_of


class OwnError(BadInput):
    """A user's."""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BadInput("x"), "bad_input"),
        (OwnError("x"), "bad_input"),
        (ServiceNotFound("x"), "not_found"),
        (Overloaded("x"), "overloaded"),
        (StoreFailed("x"), "failed"),
        (InvokeTimeout("x"), "timeout"),
        (AskTimeout("x"), "timeout"),
        (LinkLost("x", sent=True), "link_lost"),
        (LinkDown("x"), "link_down"),
        (RemoteError("x"), "failed"),
        (InternalServerError("x"), "failed"),
        (ActorCrashed("x"), "failed"),
        (ZeroDivisionError(), "failed"),
        (CallErrorGroup("x", [BadInput("x"), BadInput("y")]), "failed"),
        (ExceptionGroup("x", [BadInput("x")]), "failed"),
    ],
)
def test_an_error_is_counted_by_one_of_few_words(error: Exception, outcome: str) -> None:
    """Whatever class of a user's own it is of."""
    assert outcome_of(error) == outcome
    assert outcome in OUTCOMES


async def test_a_cancellation_is_no_failure() -> None:
    """Alone, or as a group that has nothing else."""
    seen: list[BaseException] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            seen = [error, BaseExceptionGroup("x", [error]), BaseExceptionGroup("x", [error, ValueError()])]
            raise
    assert [outcome_of(one) for one in seen] == ["cancelled", "cancelled", "failed"]


@given(st.lists(st.floats(min_value=0.0, max_value=100.0)))
def test_a_time_counts_up_to_the_bound_that_it_does_not_exceed(times: list[float]) -> None:
    """Added up, the counts below a bound are the times that are not above it, as Prometheus wants them."""
    timing = Timing(CALLS)
    for one in times:
        timing.add(one)
    for place, bound in enumerate(CALLS):
        assert sum(timing.counts[: place + 1]) == sum(one <= bound for one in times)
    assert sum(timing.counts) == len(times)
    assert timing.total == pytest.approx(sum(times))


def test_work_tells_how_calls_ended_and_how_long_they_took() -> None:
    """Those that nobody waited for are counted, and have no time."""
    now = [1.0]
    work = Work(lambda: now[0])
    began_at = work.now()
    now[0] = 1.5
    work.ended(began_at, None)
    work.ended(began_at, LinkDown("x"))
    work.cancelled(3)
    assert work.outcomes == {"ok": 1, "link_down": 1, "cancelled": 3}
    assert (sum(work.timing.counts), work.timing.total) == (2, 1.0)


def test_a_meter_is_the_same_for_the_same_name() -> None:
    """So that what an actor has counted is there after its restart."""
    meters = Meters(lambda: 0.0)
    assert meters.calls_over("a") is meters.calls_over("a") is not meters.calls_over("b")
    assert meters.requests_to("a") is not meters.calls_over("a")
