"""`self.time`: the cluster's clock as services ask for it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from actors import BadInput
from actors.services.service_time import ServiceTime


class FixedClock:
    def utc_now(self) -> datetime.datetime:
        return datetime.datetime(2026, 3, 1, 23, 30, 5, 42)

    def timestamp(self) -> str:
        return self.utc_now().isoformat()


TIME = ServiceTime(FixedClock())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (TIME.utcnow(), "2026-03-01 23:30:05"),
        (TIME.utcnow("YYYYMMDD-HHmmss.SSSSSS"), "20260301-233005.000042"),
        (TIME.utcnow("%d/%m/%y"), "01/03/26"),
        (TIME.utcnow(needs_format=False), FixedClock().utc_now()),
        (TIME.now(), "2026-03-01 23:30:05"),
        (TIME.now(tz="Europe/Berlin"), "2026-03-02 00:30:05"),
        (TIME.now("DD.MM.YY HH:mm", "Europe/Berlin"), "02.03.26 00:30"),
        (TIME.now(tz="Europe/Berlin", needs_format=False).isoformat(), "2026-03-02T00:30:05.000042+01:00"),
        (TIME.today(), "2026-03-01"),
        (TIME.today(tz="Europe/Berlin"), "2026-03-02"),
        (TIME.today(tz="Europe/Berlin", needs_format=False).isoformat(), "2026-03-02T00:00:00+01:00"),
        (TIME.isonow(), "2026-03-01T23:30:05.000042"),
        (TIME.isonow("Europe/Berlin"), "2026-03-02T00:30:05.000042"),
        (TIME.isotoday("Europe/Berlin"), "2026-03-02"),
        (TIME.reformat("01.03.2026", "DD.MM.YYYY", "YYYY-MM-DD"), "2026-03-01"),
        (TIME.reformat("01.03.2026", "%d.%m.%Y", "%Y"), "2026"),
    ],
)
def test_the_time_is_told_in_each_shape(given: Any, expected: Any) -> None:
    """In UTC or a time zone, in a format of either kind or as a datetime."""
    assert given == expected


def test_wrong_zones_and_times_are_told() -> None:
    """A zone that there is not, and a value that is not in the format said."""
    with pytest.raises(BadInput, match="no time zone 'Europe/Atlantis'"):
        TIME.now(tz="Europe/Atlantis")
    with pytest.raises(BadInput, match="expected a time as 'DD', got 'x'"):
        TIME.reformat("x", "DD", "MM")
