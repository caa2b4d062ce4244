"""`self.time`: the time now, as text or as a datetime, the way Zato's services ask for it.

Formats are strftime's, or the letters of Zato's: `YYYY-MM-DD HH:mm:ss`.
"""

from __future__ import annotations

import datetime
import re
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import frozen

from actors.errors import BadInput
from actors.ports import Clock

__all__ = ["ServiceTime"]

_LETTERS = {
    "YYYY": "%Y",
    "YY": "%y",
    "MM": "%m",
    "DD": "%d",
    "HH": "%H",
    "mm": "%M",
    "ss": "%S",
    "SSSSSS": "%f",
}
_LETTER = re.compile("SSSSSS|YYYY|YY|MM|DD|HH|mm|ss")

DATE = "%Y-%m-%d"
DATE_AND_TIME = "%Y-%m-%d %H:%M:%S"


def _strftime(form: str) -> str:
    """Return a format as strftime knows it."""
    return form if "%" in form else _LETTER.sub(lambda found: _LETTERS[found[0]], form)


def _zone(name: str) -> datetime.tzinfo:
    if name == "UTC":  # known also where the system has no table of time zones
        return datetime.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        msg = f"there is no time zone {name!r}"
        raise BadInput(msg) from None


@frozen
class ServiceTime:
    """The cluster's clock.

    Everything gives text in a `format`, or with `needs_format=False` a datetime, naive in UTC and else with its zone.
    """

    _clock: Clock

    def utcnow(self, format: str = DATE_AND_TIME, *, needs_format: bool = True) -> Any:  # noqa: A002
        """Return the time now in UTC."""
        now = self._clock.utc_now()
        return now.strftime(_strftime(format)) if needs_format else now

    def now(
        self,
        format: str = DATE_AND_TIME,  # noqa: A002
        tz: str = "UTC",
        *,
        needs_format: bool = True,
    ) -> Any:
        """Return the time now in a time zone, such as `Europe/Berlin`."""
        now = self._now(tz)
        return now.strftime(_strftime(format)) if needs_format else now

    def today(self, format: str = DATE, tz: str = "UTC", *, needs_format: bool = True) -> Any:  # noqa: A002
        """Return today's date in a time zone; as a datetime, its midnight."""
        midnight = self._now(tz).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.strftime(_strftime(format)) if needs_format else midnight

    def _now(self, tz: str) -> datetime.datetime:
        return self._clock.utc_now().replace(tzinfo=datetime.UTC).astimezone(_zone(tz))

    def isonow(self, tz: str = "UTC") -> str:
        """Return the time now in a time zone as ISO 8601 writes it, without the zone."""
        return str(self.now("%Y-%m-%dT%H:%M:%S.%f", tz))

    def isotoday(self, tz: str = "UTC") -> str:
        """Return today's date in a time zone as ISO 8601 writes it."""
        return str(self.today(DATE, tz))

    def reformat(self, value: str, from_: str, to: str) -> str:
        """Return a time in another format.

        Raises:
            BadInput: When the value is not in the first format.
        """
        try:
            return datetime.datetime.strptime(value, _strftime(from_)).strftime(_strftime(to))
        except ValueError:
            msg = f"expected a time as {from_!r}, got {value!r}"
            raise BadInput(msg) from None
