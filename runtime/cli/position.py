"""Where somebody who follows a topic begins."""

from __future__ import annotations

import datetime
import re

from attrs import frozen

__all__ = ["FORMS", "Position", "position_from"]

FORMS = "now, beginning, a place such as 17, a time such as 2026-01-31T12:00, or how long ago, such as 10m, 2h or 3d"

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@frozen
class Position:
    """What is published from now on, and before that what the topic keeps beyond a place or since a time.

    `after` is the place beyond which it begins, None where only what comes is wanted; `since` is naive UTC.
    """

    after: int | None = None
    since: datetime.datetime | None = None

    def includes(self, received: str) -> bool:
        """Tell whether a message that came in at a time, as messages carry it, is wanted."""
        at = datetime.datetime.fromisoformat(received.removesuffix("Z"))
        return self.since is None or at >= self.since


def position_from(text: str, now: datetime.datetime) -> Position:
    """Read a position; a time without a zone is this machine's.

    Args:
        text: One of `FORMS`.
        now: The time now, naive UTC.

    Raises:
        ValueError: Naming what was expected.
    """
    if text == "now":
        return Position()
    if text == "beginning":
        return Position(0)
    if text.isdecimal():
        return Position(max(0, int(text) - 1))
    if ago := re.fullmatch(r"(\d{1,9})([smhd])", text):
        return Position(0, now - datetime.timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        msg = f"expected {FORMS}, got {text!r}"
        raise ValueError(msg) from None
    return Position(0, at.astimezone(datetime.UTC).replace(tzinfo=None))
