"""How quickly a peer answers at best, by what it answered lately."""

from __future__ import annotations

import pytest

from actors.connections.answer_times import AnswerTimes


def test_the_quickest_of_the_last_answers_counts() -> None:
    """A call needs a quarter more, half a second at most; those of long ago, or to calls nobody noted, do not count."""
    times = AnswerTimes()
    assert (times.least(0.0), times.is_awaiting) == (0.0, False)
    times.answered("unknown", 1.0)
    for call, sent_at, answered_at in (("a", 0.0, 3.0), ("b", 2.0, 3.0), ("c", 2.0, 6.0)):
        times.sent(call, sent_at)
        assert times.is_awaiting
        times.answered(call, answered_at)
        times.answered(call, answered_at + 9.0)
    assert not times.is_awaiting
    assert [times.least(now) for now in (6.0, 13.0, 13.1, 16.0, 16.1)] == [1.25, 1.25, 4.5, 4.5, 0.0]


def test_only_so_many_are_known() -> None:
    """What was quick before sixteen slower ones counts no more; a call that was taken back is not awaited."""
    times = AnswerTimes()
    for number in range(17):
        times.sent(f"c{number}", 0.0)
        times.answered(f"c{number}", 0.5 if number == 0 else 1.0 + number / 100)
    assert times.least(1.5) == pytest.approx(1.25 * 1.01)
    times.sent("back", 0.0)
    times.forget("back")
    times.forget("unknown")
    assert not times.is_awaiting


def test_calls_that_are_never_answered_do_not_add_up() -> None:
    """The oldest of very many are forgotten."""
    times = AnswerTimes()
    for number in range(1000):
        times.sent(f"c{number}", float(number))
    times.answered("c0", 1000.0)
    assert times.least(1000.0) == 0.0
    times.answered("c999", 1000.0)
    assert times.least(1000.0) == 1.25
