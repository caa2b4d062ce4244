"""Server processes that stop, go on and are killed, as the other side and its callers see it."""

from __future__ import annotations

import os
import random
import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.errors import CallError, LinkClosed
from runtime.admin.client import AdminClient, NotRunning, connect
from tests.processes import HANGS_AFTER, Sample
from tests.support import CONNECTION

CALLERS = 8


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    running = Sample(tmp_path, ping_interval=0.4, ping_timeout=0.4)
    yield running
    running.stop()


def link_of(sample: Sample) -> dict[str, int]:
    """Wait for the first link, and return the pid of each server."""
    sample.until_up()
    return {
        found[1]: int(found[2])
        for line in sample.lines
        if (found := re.search(r"launcher (\w+) .*server started +pid=(\d+)", line))
    }


def test_a_stopped_listener_is_found_by_pings_and_comes_back(sample: Sample) -> None:
    """While emea stands still apac misses a pong, tells on_close and backs off; once it goes on the link is back."""
    pid = link_of(sample)["emea"]
    os.kill(pid, signal.SIGSTOP)
    try:
        sample.until(r"apac .*pings missed")
        reason = r"code=4002 +reason='Pings missed' +origin=network"
        sample.until_all(rf"apac .*link lost +{reason}", rf"apac .*on_close .*{reason}", r"apac .*next attempt")
    finally:
        os.kill(pid, signal.SIGCONT)
    sample.until(r"link ready")
    sample.until(r"on_connect")
    sample.until(r"on_message")
    assert not any("server died" in line for line in sample.lines)


def test_a_stopped_dialler_is_found_by_pings_and_comes_back(sample: Sample) -> None:
    """While apac stands still emea misses a pong and ends the session; once it goes on it hears so, and dials again."""
    pid = link_of(sample)["apac"]
    os.kill(pid, signal.SIGSTOP)
    try:
        sample.until(r"emea .*pings missed")
        sample.until(r"emea .*session closed .*code=4002 +reason='Pings missed' +origin=network")
    finally:
        os.kill(pid, signal.SIGCONT)
    sample.until(r"apac .*link lost")
    sample.until_all(r"apac .*on_close", r"apac .*link ready", r"apac .*on_connect")
    assert sum("on_close" in line for line in sample.lines) == 1
    assert not any("server died" in line for line in sample.lines)


class Callers:
    """Invoke emea's echo over apac's link, each caller by an admin session of its own; outcomes by kind."""

    def __init__(self, sample: Sample) -> None:
        self.outcomes: Counter[str] = Counter()
        self.begun = 0
        self.is_over = False
        self.is_back = trio.Event()
        """Set when there is a server again; whoever lost its own waits for it."""
        self._changed = trio.Event()
        self._data_dir = sample.folder / ".isthmus" / "apac"

    async def call_until_over(self) -> None:
        """Call as long as there is a server; the loss of a session is the outcome of the call it carried."""
        while not self.is_over:
            try:
                async with connect(self._data_dir) as admin:
                    while not self.is_over:
                        await self._call(admin)
            except NotRunning:
                await self.is_back.wait()  # it may be back before its loss is noticed

    async def _call(self, admin: AdminClient) -> None:
        self.begun += 1
        request = {"connection": CONNECTION, "data": {"service": "demo.echo", "request": self.begun}}
        try:
            with trio.fail_after(30):
                answer = await admin.invoke("isthmus.admin.invoke-via", request)
        except CallError as error:
            self.outcomes[str(error.status)] += 1
        except LinkClosed:
            self.outcomes["session lost"] += 1
            raise
        else:
            self.outcomes["answered" if isinstance(answer, int) else f"wrong answer {answer!r}"] += 1
        self._changed.set()
        self._changed = trio.Event()

    async def until_answered(self, count: int) -> None:
        """Wait until so many more calls have been answered."""
        wanted = self.outcomes["answered"] + count
        with trio.fail_after(HANGS_AFTER):
            while self.outcomes["answered"] < wanted:
                await self._changed.wait()


@pytest.mark.parametrize("cluster", ["apac", "emea"])
async def test_a_server_killed_under_calls_costs_those_under_way_one_outcome_each(sample: Sample, cluster: str) -> None:
    """Killed at a random moment: what was under way fails with the link, or with the session; the rest is answered."""
    pids = await trio.to_thread.run_sync(link_of, sample)
    callers = Callers(sample)
    async with trio.open_nursery() as nursery:
        for _ in range(CALLERS):
            nursery.start_soon(callers.call_until_over)
        await callers.until_answered(random.randrange(1, 300))
        os.kill(pids[cluster], signal.SIGKILL)
        await trio.to_thread.run_sync(sample.until, r"server died")
        await trio.to_thread.run_sync(sample.until, r"link ready")
        callers.is_back.set()
        await callers.until_answered(50)
        callers.is_over = True
    assert callers.outcomes.total() == callers.begun
    lost = "session lost" if cluster == "apac" else "502"
    assert callers.outcomes[lost] <= CALLERS  # none where the kill came between two calls
    assert set(callers.outcomes) <= {"answered", lost, "503"}
