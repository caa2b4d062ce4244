"""What may pass in a second, without a link or a clock."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.transport.budget import Budget

STEPS = st.lists(
    st.tuples(st.floats(0.0, 3.0), st.integers(1, 40), st.integers(1, 4000), st.booleans()), min_size=1, max_size=40
)


@given(st.integers(1, 50), st.integers(1, 2000), STEPS)
def test_no_more_passes_than_two_seconds_worth_and_what_time_brings(
    messages: int, size: int, steps: list[tuple[float, int, int, bool]]
) -> None:
    """In any span of time, whatever is asked for and how; of bytes, but for one message that begins in time."""
    budget, now = Budget(messages, size, 0.0), 0.0
    passed: list[tuple[float, float, float]] = []
    for pause, count, total, at_once in steps:
        now += pause
        if at_once:
            granted = count if budget.take(count, total, lambda now=now: now) else 0
        else:
            budget.refill(now)
            granted = budget.grant(count, total)
        assert 0 <= granted <= count
        passed.append((now, granted, total * granted / count))
    largest = max(total for _pause, _count, total, _at_once in steps)
    for number, (begin, _granted, _size) in enumerate(passed):
        for place in range(number, len(passed)):
            span = passed[place][0] - begin
            assert sum(one[1] for one in passed[number : place + 1]) <= messages * (2 + span) + 1e-6
            assert sum(one[2] for one in passed[number : place + 1]) <= size * (2 + span) + largest + 1e-6


@given(
    st.integers(1, 50), st.integers(1, 2000), st.lists(st.tuples(st.integers(1, 40), st.integers(1, 4000)), max_size=9)
)
def test_after_the_wait_a_message_passes(messages: int, size: int, before: list[tuple[int, int]]) -> None:
    """Nobody waits for ever, and nobody is told to come back for nothing."""
    budget, now = Budget(messages, size, 0.0), 0.0
    for count, total in before:
        budget.grant(count, total)
        now += budget.wait + 1e-9
        budget.refill(now)
        assert budget.grant(1, 1) == 1


@pytest.mark.parametrize(("messages", "size"), [(math.inf, 10.0), (10.0, math.inf), (math.inf, math.inf)])
def test_one_of_the_two_may_be_without_a_limit(messages: float, size: float) -> None:
    """Then the other alone counts."""
    budget = Budget(messages, size, 0.0)
    passed = budget.grant(1000, 1000)
    assert passed == min(1000, messages, size)
    assert budget.take(1, 1, lambda: 0.0) == (messages == size == math.inf)
    assert budget.wait == (0.0 if messages == size else 0.1)
    assert budget.take(10, 10, lambda: 1.0)


def test_a_message_larger_than_a_second_s_bytes_passes_and_is_waited_for() -> None:
    """It goes when there is room for a byte; what comes after it waits until it is paid for."""
    budget = Budget(math.inf, 10.0, 0.0)
    assert budget.grant(1, 35) == 1
    assert budget.grant(1, 1) == 0
    assert budget.wait == 2.6
    budget.refill(2.6)
    assert budget.grant(1, 1) == 1
