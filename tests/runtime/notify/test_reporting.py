"""When a server says what of itself, on a mock clock; and what a launcher makes of what several say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from runtime.notify import Gathered, Notifier, Reporting
from runtime.notify.reporting import INTERVAL


class Heard:
    """A service manager that notes what it hears, unless it is deaf."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self.is_deaf = False
        self.missing: list[str] = ["channel gateway: cannot listen:\naddress in use"]

    def __call__(self, data: bytes) -> None:
        if self.is_deaf:
            raise BlockingIOError
        self.all += data.decode().split("\n")

    async def look(self) -> Sequence[str]:
        return self.missing

    def taken(self) -> list[str]:
        taken, self.all = self.all, []
        return taken


@pytest.fixture
def heard() -> Heard:
    return Heard()


async def test_ready_is_said_once_and_what_is_missing_each_time(
    heard: Heard, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Before it is ready, and when something goes away later; each status once."""
    reporting = Reporting(Notifier(heard), heard.look)
    nursery.start_soon(reporting.run)
    await trio.sleep(5)
    assert heard.taken() == ["STATUS=not ready: channel gateway: cannot listen: address in use"]
    heard.is_deaf, heard.missing = True, []
    await trio.sleep(5)
    heard.is_deaf = False
    await trio.sleep(5)
    assert heard.taken() == ["READY=1", "STATUS=ready"]
    heard.missing = ["store: full", "outgoing emea: backoff"]
    await trio.sleep(3 * INTERVAL)
    assert heard.taken() == ["STATUS=not ready: store: full; outgoing emea: backoff"]
    heard.missing = []
    await trio.sleep(3 * INTERVAL)
    assert heard.taken() == ["STATUS=ready"]
    reporting.stopping(12.5)
    heard.missing = ["server: stopping"]
    await trio.sleep(3 * INTERVAL)
    assert heard.taken() == ["STOPPING=1", "STATUS=stopping", "EXTEND_TIMEOUT_USEC=12500000"]


async def test_it_says_that_it_lives_whatever_the_store_does(
    heard: Heard, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Twice in each period, also while a look takes for ever."""

    async def look() -> Sequence[str]:
        await trio.sleep_forever()
        raise AssertionError

    nursery.start_soon(Reporting(Notifier(heard, watchdog=3.0), look).run)
    await trio.sleep(29)
    assert heard.taken() == ["WATCHDOG=1"] * 20
    nursery.cancel_scope.cancel()


async def test_a_change_of_the_configuration_is_said(
    heard: Heard, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """Only by a server that has said that it is ready: what came after would say so too early."""
    reporting = Reporting(Notifier(heard), heard.look)
    with reporting.reloading():
        assert heard.taken() == []
    heard.missing = []
    nursery.start_soon(reporting.run)
    await trio.sleep(1)
    heard.taken()
    with reporting.reloading():
        reloading, at, _status = heard.taken()
        assert reloading == "RELOADING=1"
        assert int(at.removeprefix("MONOTONIC_USEC=")) > 0
        heard.is_deaf = True
    heard.is_deaf = False
    await trio.sleep(2 * INTERVAL)
    assert heard.taken() == ["READY=1"]
    with reporting.reloading():
        reporting.stopping(1)
        heard.taken()
    assert heard.taken() == []
    nursery.cancel_scope.cancel()


async def test_nobody_hears_nothing() -> None:
    """Then nothing is looked at either."""

    async def look() -> Sequence[str]:
        raise AssertionError

    await Reporting(Notifier(), look).run()


def test_a_launcher_is_what_its_servers_are() -> None:
    """Ready once each has been; alive as long as each that runs says so, or never said anything."""
    gathered = Gathered(["emea", "apac"])
    assert gathered.status == "0 of 2 clusters ready; emea not started yet; apac not started yet"
    for name in ("emea", "apac"):
        gathered.started(name)
    gathered.heard("emea", "READY=1", 1.0)
    gathered.heard("emea", "STATUS=ready", 1.0)
    gathered.heard("apac", "STATUS=not ready: store: full", 1.0)
    assert gathered.status == "1 of 2 clusters ready; apac not ready: store: full"
    assert not gathered.are_ready
    assert gathered.are_alive(100.0, 3.0)
    gathered.heard("apac", "READY=1", 2.0)
    assert gathered.are_ready
    for name in ("emea", "apac"):
        gathered.heard(name, "WATCHDOG=1", 10.0)
    gathered.heard("apac", "WATCHDOG=1", 15.0)
    assert gathered.are_alive(13.0, 3.0)
    assert not gathered.are_alive(13.1, 3.0)
    gathered.ended("emea", "died: SIGKILL")
    assert gathered.are_alive(13.1, 3.0)
    assert gathered.are_ready
    assert gathered.status == "0 of 2 clusters ready; emea died: SIGKILL; apac not ready: store: full"
    gathered.started("emea")
    assert gathered.are_alive(18.0, 3.0)
