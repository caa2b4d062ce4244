"""What `isthmus status --watch` shows at a terminal: pictures of what clusters tell, and the live view of real ones."""

from __future__ import annotations

import datetime
import os
import re
import select
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.overview import View, overview_lines
from runtime.cli.rates import Rates
from tests.runtime.cli.running_sample import RunningSample
from tests.runtime.cli.terminal import Terminal

NOW = datetime.datetime(2026, 1, 31, 12, 0)


def link(name: str, state: str = "ready", **facts: Any) -> dict[str, Any]:
    return {
        "kind": "outgoing",
        "name": name,
        "state": state,
        "reason": "",
        "attempt": 0,
        "next_attempt_at": "",
        **facts,
    }


def told(calls: int = 0, published: int = 0, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "cluster": "apac",
        "pid": 7,
        "links": [link("A", calls=calls, messages=0)],
        "channels": [{**link("gateway", "listening"), "sessions": 2, "calls": 0}],
        "topics": [{**link("/t", "active"), "published": published, "delivered": 0, "waiting": 3}],
        "unwell": [],
    }
    return {**found, **changes}


def shown(*views: View, now: datetime.datetime = NOW, width: int = 80, height: int = 40) -> list[str]:
    return [line.plain for line in overview_lines(views, now, width, height)]


def test_a_link_shows_its_state_when_it_is_tried_again_and_how_much_it_carries() -> None:
    """Rates are those of the last seconds; what was looked at once has none yet, and what does nothing shows a dash."""
    view = View("apac")
    assert shown(view) == ["cluster  state", "apac     not looked at yet"]
    view.seen(0.0, told())
    assert shown(view)[3:5] == ["link    state  next attempt  calls/s  messages/s  why", "apac A  ready"]
    view.seen(2.0, told(calls=5, published=1))
    assert shown(view) == [
        "cluster  state",
        "apac     running, pid 7",
        "",
        "link    state  next attempt  calls/s  messages/s  why",
        "apac A  ready                2.5      -",
        "",
        "channel       state      sessions  calls/s  why",
        "apac gateway  listening  2         -",
        "",
        "topic    state   published/s  delivered/s  waiting",
        "apac /t  active  0.5          -            3",
    ]


def test_the_next_attempt_counts_down_and_what_is_not_well_stands_first() -> None:
    """Its reason is cut where the terminal is narrow, and left out where it is narrower."""
    lost = link("Z", "backoff", reason="link closed by network: 1006 connection lost", attempt=4, calls=0, messages=0)
    lost["next_attempt_at"] = "2026-01-31T12:00:07.500Z"
    view = View("apac")
    view.seen(0.0, told(links=[link("A", calls=0, messages=0), lost]))
    row = shown(view)[4]
    assert (" ".join(row.split()), len(row)) == ("apac Z backoff #4 in 8 s link closed by network: 100…", 80)
    assert shown(view, now=NOW + datetime.timedelta(seconds=6))[4].split()[3:7] == ["#4", "in", "2", "s"]
    assert shown(view, now=NOW + datetime.timedelta(hours=1))[4].split()[3:7] == ["#4", "in", "0", "s"]
    assert shown(view, width=60)[4] == "apac Z  backoff  #4 in 8 s"
    assert shown(view)[5].startswith("apac A  ready")


def test_a_cluster_that_goes_away_shows_nothing_that_is_not_true_any_more() -> None:
    """When it is back its rates begin anew, whatever its counters say."""
    view = View("apac")
    view.seen(0.0, told(calls=100))
    view.lost("not running")
    assert shown(view) == ["cluster  state", "apac     not running"]
    view.seen(5.0, told(calls=3))
    assert shown(view)[4] == "apac A  ready"
    view.seen(6.0, told(calls=4))
    assert shown(view)[4].split() == ["apac", "A", "ready", "1.0", "-"]


def test_actors_that_are_not_well_are_named() -> None:
    """Whatever they are, with the reason."""
    view = View("apac")
    unwell = {**link("demo.x", "restarting", reason="KeyError: 'x\x1b'", attempt=2), "kind": "service"}
    view.seen(0.0, told(unwell=[unwell]))
    assert shown(view)[-1] == "apac service demo.x  restarting  #2            KeyError: 'x\\x1b'"


@given(st.integers(20, 200), st.integers(3, 60), st.integers(0, 30), st.text(max_size=60))
def test_the_picture_fits_whatever_the_window(width: int, height: int, links: int, reason: str) -> None:
    """Neither too wide nor too high; what has no room is counted."""
    view = View("emea")
    found = [link(f"link {number} {reason}", reason=reason, calls=1, messages=2) for number in range(links)]
    view.seen(0.0, told(links=found))
    lines = overview_lines([view, View("apac")], NOW, width, height)
    assert len(lines) <= height
    assert max(line.cell_len for line in lines) <= max(width, len("99 more lines; a larger window has room"))


@given(st.lists(st.tuples(st.floats(0.1, 3.0), st.integers(0, 100)), min_size=2, max_size=30))
def test_a_rate_is_what_was_counted_over_the_window(steps: list[tuple[float, int]]) -> None:
    """No less than the window is looked at, where it has been looked for so long, and never more than one look longer."""
    rates = Rates(window=5.0)
    at, total, looks = 0.0, 0, [(0.0, 0)]
    rates.note(at, {"x": total})
    assert rates.per_second("x") is None
    for pause, counted in steps:
        at, total = at + pause, total + counted
        looks.append((at, total))
        rates.note(at, {"x": total})
    since = max((look for look in looks if look[0] <= at - 5.0), default=looks[0])
    assert rates.per_second("x") == pytest.approx((total - since[1]) / (at - since[0]))
    rates.note(at + 1.0, {"x": total - 1})
    assert rates.per_second("x") is None


@contextmanager
def somebody_else_at(port: int) -> Iterator[None]:
    """Listen there, and hang up on everybody."""
    with socket.create_server(("127.0.0.1", port)) as server:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def kill(pid: int) -> None:
    """Kill somebody else's child, and wait until it is gone."""
    handle = os.pidfd_open(pid)
    try:
        os.kill(pid, signal.SIGKILL)
        select.select([handle], [], [])
    finally:
        os.close(handle)


def test_the_live_view_follows_a_server_that_goes_away_and_comes_back(running: RunningSample) -> None:
    """Links count down to the next attempt, and Ctrl-C leaves the terminal as it was."""
    [emea] = [int(line.rpartition("pid=")[2]) for line in running.lines if "launcher emea" in line and "pid=" in line]
    with Terminal(running.folder, "status", "--watch", columns=100) as terminal:
        before = terminal.settings()
        ready = r"apac .*My WSX Outconn\W.*ready.* (-|\d+\.\d) .*(-|\d+\.\d)"
        terminal.until(ready)
        terminal.until(r"emea .*gateway\W.*listening.* 1 ")
        terminal.until(r"emea .*/customer/new\W.*active.* \d+\.\d +\d+\.\d ")
        kill(emea)
        with somebody_else_at(running.port):  # so that the link is down for long enough to be seen
            terminal.until(r"emea\W.*not running")
            terminal.until(r"backoff.*#\d+ in \d+ s ")
        terminal.until(ready)
        terminal.until(r"emea .*gateway\W.*listening.* 1 ")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert terminal.settings() == before
        assert terminal.shown.rstrip().endswith("\x1b[?1049l")  # back from the other screen
        assert not re.search("Traceback", terminal.shown)


def test_without_colours_there_are_none(running: RunningSample) -> None:
    """NO_COLOR is heeded; a terminal that cannot move its cursor gets a line for each change."""
    with Terminal(running.folder, "status", "--watch", environment={"NO_COLOR": "1"}) as terminal:
        terminal.until("My WSX Outconn")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert not re.search(r"\x1b\[([0-9]+;)*(3[0-7]|9[0-7])m", terminal.shown)
    with Terminal(running.folder, "status", "--watch", term="dumb") as terminal:
        terminal.until(r"\d\d:\d\d:\d\d +apac +ready +outgoing My WSX Outconn")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert "\x1b" not in terminal.shown
