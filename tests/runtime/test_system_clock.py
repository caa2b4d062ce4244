"""The time as messages say it is the time, whichever second it was when it was last asked for."""

from __future__ import annotations

import pytest

from runtime.ports import SystemClock


def test_a_timestamp_is_the_time_now() -> None:
    """To the microsecond, as the datetime of the same moment says it."""
    clock = SystemClock()
    for _ in range(3):
        before = clock.utc_now().isoformat(timespec="microseconds")
        said = clock.timestamp()
        assert before <= said <= clock.utc_now().isoformat(timespec="microseconds")


def test_seconds_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept of a second is not said in another one, be it later or, after the clock was set, earlier."""
    clock = SystemClock()
    for nanoseconds, expected in (
        (1_769_860_799_999_999_999, "2026-01-31T11:59:59.999999"),
        (1_769_860_800_000_001_000, "2026-01-31T12:00:00.000001"),
        (1_769_860_800_120_000_000, "2026-01-31T12:00:00.120000"),
        (1_769_860_799_000_000_000, "2026-01-31T11:59:59.000000"),
    ):
        monkeypatch.setattr("time.time_ns", lambda now=nanoseconds: now)
        assert clock.timestamp() == expected
