"""What the live view shows of clusters, as lines that fit a terminal. Pure: it is told the time and the size."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence
from typing import Any

from attrs import define, field
from rich.text import Text

from runtime.cli.rates import Rates
from runtime.cli.reach import colour_of
from runtime.cli.tables import printable, table_lines

__all__ = ["View", "overview_lines"]

COUNTED = {"links": ("calls", "messages"), "channels": ("calls",), "topics": ("published", "delivered")}


@define
class View:
    """What is known of one cluster; `problem` says why nothing new is, where that is so."""

    cluster: str
    found: dict[str, Any] = field(factory=dict)
    problem: str = "not looked at yet"
    rates: Rates = field(factory=Rates)

    def seen(self, at: float, found: dict[str, Any]) -> None:
        """Take what the cluster told at a time."""
        self.found, self.problem = found, ""
        self.rates.note(
            at,
            {
                (part, one["name"], what): one[what]
                for part, counted in COUNTED.items()
                for one in found[part]
                for what in counted
            },
        )

    def lost(self, problem: str) -> None:
        """Note that it tells nothing any more, and why; what it told is not true any more."""
        self.found, self.problem = {}, problem
        self.rates.forget()

    def rate(self, *key: Hashable) -> Text:
        """Return a counter's rate as it is shown."""
        found = self.rates.per_second(key)
        return Text("" if found is None else "-" if found == 0 else f"{found:.1f}")


def overview_lines(views: Sequence[View], now: datetime.datetime, width: int, height: int) -> list[Text]:
    """Return what is shown: clusters, their links, channels and topics, what is not well first.

    Args:
        views: The clusters.
        now: The time now, naive UTC.
        width: Characters of a line at most.
        height: Lines at most.
    """
    clusters = [[Text(one.cluster, "bold"), _cluster_state(one)] for one in views]
    parts = [
        _part(["cluster", "state"], clusters, width),
        _part(
            ["link", "state", "next attempt", "calls/s", "messages/s", "why"],
            [row for view in views for row in _links(view, now)],
            width,
        ),
        _part(
            ["channel", "state", "sessions", "calls/s", "why"],
            [row for view in views for row in _channels(view)],
            width,
        ),
        _part(
            ["topic", "state", "published/s", "delivered/s", "waiting"],
            [row for view in views for row in _topics(view)],
            width,
        ),
        _part(["not well", "state", "next attempt", "why"], [row for one in views for row in _unwell(one, now)], width),
    ]
    lines = [line for part in parts if part for line in (*part, Text())][:-1]
    if len(lines) > height:
        hidden = len(lines) - height + 1
        lines = [*lines[: height - 1], Text(f"{hidden} more lines; a larger window has room", "dim")]
    return lines


def _part(headings: Sequence[str], rows: list[list[Text]], width: int) -> Sequence[Text]:
    if not rows:
        return []
    is_whole = [heading not in ("cluster", "link", "channel", "topic", "not well", "why") for heading in headings]
    found = table_lines(headings, rows, is_whole, width)
    return [Text("the window is too narrow", "dim")] if found is None else found.lines


def _cluster_state(view: View) -> Text:
    if view.problem:
        return Text(view.problem, "red")
    return Text.assemble(("running", "green"), f", pid {view.found['pid']}")


def _sorted(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put what is not well first; names in their order otherwise."""
    return sorted(found, key=lambda one: (colour_of(one["state"]) == "green", one["name"]))


def _links(view: View, now: datetime.datetime) -> list[list[Text]]:
    return [
        [
            _name(view, one),
            _state(one),
            _next(one, now),
            view.rate("links", one["name"], "calls"),
            view.rate("links", one["name"], "messages"),
            printable(one["reason"]),
        ]
        for one in _sorted(view.found.get("links", ()))
    ]


def _channels(view: View) -> list[list[Text]]:
    return [
        [
            _name(view, one),
            _state(one),
            Text(str(one["sessions"])),
            view.rate("channels", one["name"], "calls"),
            printable(one["reason"]),
        ]
        for one in _sorted(view.found.get("channels", ()))
    ]


def _topics(view: View) -> list[list[Text]]:
    return [
        [
            _name(view, one),
            _state(one),
            view.rate("topics", one["name"], "published"),
            view.rate("topics", one["name"], "delivered"),
            Text(str(one["waiting"] or "-")),
        ]
        for one in _sorted(view.found.get("topics", ()))
    ]


def _unwell(view: View, now: datetime.datetime) -> list[list[Text]]:
    return [
        [_name(view, {"name": f"{one['kind']} {one['name']}"}), _state(one), _next(one, now), printable(one["reason"])]
        for one in view.found.get("unwell", ())
    ]


def _name(view: View, one: dict[str, Any]) -> Text:
    return Text.assemble((f"{view.cluster} ", "dim"), printable(one["name"]))


def _state(one: dict[str, Any]) -> Text:
    return Text(one["state"], colour_of(one["state"]))


def _next(one: dict[str, Any], now: datetime.datetime) -> Text:
    """Say which attempt it is, and in how many seconds the next one comes."""
    words = [f"#{one['attempt']}"] if one["attempt"] else []
    if one["next_attempt_at"]:
        due = datetime.datetime.fromisoformat(one["next_attempt_at"]).replace(tzinfo=None)
        words.append(f"in {max(0.0, (due - now).total_seconds()):.0f} s")
    return Text(" ".join(words))
