"""`isthmus status --watch` in a real process: what it shows of a link that is lost and comes back."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TextIO

import pytest

from runtime.cli.watch import _after
from tests.processes import COMMAND, HANGS_AFTER, Launched, Sample, free_port, write_sample

LINK = "outgoing:My WSX Outconn"


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    running = Sample(tmp_path)
    yield running
    running.stop()


def heed_interrupts() -> None:
    """Undo what a shell does to what it runs in the background, as the tests may be: there, Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Watching:
    """`isthmus status --watch` in a process of its own, on a terminal of 80 columns where that is asked for."""

    def __init__(self, folder: Path, *arguments: str, on_terminal: bool = False) -> None:
        self.lines: list[str] = []
        ours, theirs = pty.openpty() if on_terminal else os.pipe()
        if on_terminal:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.process = subprocess.Popen(
            [*COMMAND, "status", "--watch", *arguments],
            cwd=folder,
            env={**os.environ, "TERM": "dumb", "NO_COLOR": "1"},
            stdout=theirs,
            stderr=theirs,
            preexec_fn=heed_interrupts,
        )
        os.close(theirs)
        self._output: TextIO = os.fdopen(ours, errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        self._output.close()

    def until(self, wanted: Callable[[str], bool]) -> str:
        """Read on to the line that is wanted."""
        for line in self._rest():
            if wanted(line):
                return line
        pytest.fail("the line does not come:\n" + "\n".join(self.lines))

    def _rest(self) -> Iterator[str]:
        """Give what it prints; it is killed when that takes too long, so that a test fails and does not hang."""
        watchdog = threading.Timer(HANGS_AFTER, self.process.kill)
        watchdog.start()
        try:
            while line := self._output.readline():
                self.lines.append(line.rstrip("\r\n"))
                yield self.lines[-1]
        except OSError:  # the end, on a terminal
            pass
        finally:
            watchdog.cancel()
            watchdog.join()

    def until_json(self, since: int = 0, **facts: Any) -> dict[str, Any]:
        """Return the first line from a place on that says so, of the link unless another actor is named."""
        wanted = {"cluster": "apac", "actor": LINK, **facts}

        def is_wanted(line: str) -> bool:
            return wanted.items() <= json.loads(line).items()

        found = next(filter(is_wanted, self.lines[since:]), None) or self.until(is_wanted)
        one: dict[str, Any] = json.loads(found)
        return one

    def interrupt(self) -> list[str]:
        """End it as Ctrl-C does; return what it printed last."""
        begun = len(self.lines)
        self.process.send_signal(signal.SIGINT)
        list(self._rest())
        assert self.process.wait() == 0
        return self.lines[begun:]


def kill_emea(sample: Sample) -> None:
    text = "".join(sample.lines)
    found = re.search(r"launcher emea .*server started +pid=(\d+)", text)
    assert found is not None
    os.kill(int(found[1]), signal.SIGKILL)


def test_as_json_each_transition_is_a_line_with_why_and_what_comes_next(sample: Sample) -> None:
    """A lost link says its reason and when it is tried again, a dial its attempt, and in the end it is ready."""
    sample.until_up()
    with Watching(sample.folder, "--json") as watching:
        ready = watching.until_json(state="ready")
        watching.until_json(cluster="emea", actor="", state="running")
        begun = len(watching.lines)
        kill_emea(sample)
        lost = watching.until_json(begun, state="backoff")
        assert "1006 connection lost" in lost["reason"]
        assert lost["next_attempt_at"] > lost["at"] >= ready["at"]
        watching.until_json(begun, state="ready")
        for state in ("not running", "running"):
            watching.until_json(begun, cluster="emea", actor="", state=state)
        assert not any("Traceback" in line for line in watching.interrupt())
        every = [json.loads(line) for line in watching.lines]
        assert any((one["actor"], one["state"]) == ("service:demo.remote-echo", "running") for one in every)
        of_link = [one for one in map(json.loads, watching.lines[begun:]) if one["actor"] == LINK]
        assert of_link == sorted(of_link, key=lambda one: one["at"])
        dials = [one for one in of_link if one["state"] == "connecting"]
        assert [one["attempt"] for one in dials] == list(range(1, len(dials) + 1))
        assert [one["state"] for one in of_link][-3:] == ["authenticating", "subscribing", "ready"]


def test_on_a_terminal_of_80_columns_the_link_s_story_is_easy_to_read(sample: Sample) -> None:
    """It begins with the links, says in words why and when, fits the width, and leaves out its own session."""
    sample.until_up()
    with Watching(sample.folder, "apac", on_terminal=True) as watching:
        watching.until(lambda line: line.endswith("ready           outgoing My WSX Outconn"))
        first = watching.lines.copy()
        kill_emea(sample)
        watching.until(lambda line: "backoff " in line)
        watching.until(lambda line: "link closed by network: 1006 connection lost" in line)
        if "next attempt in" not in watching.lines[-1]:
            watching.until(lambda line: re.fullmatch(r" +(attempt \d+; )?next attempt in \d+\.\d s", line) is not None)
        watching.until(lambda line: re.search(r"connecting +outgoing My WSX Outconn  attempt \d+$", line) is not None)
        watching.until(lambda line: line.endswith("ready           outgoing My WSX Outconn"))
        assert watching.interrupt() in ([], ["^C"])
        assert re.fullmatch(r"\d\d:\d\d:\d\d  apac  running         \d+ actors", first[0])
        assert len(first) == 2
        assert max(map(len, watching.lines)) <= 80
        assert not any("admin" in line or line.endswith(" ") or "\x1b" in line for line in watching.lines)


def test_a_cluster_that_does_not_run_is_watched_from_its_start(tmp_path: Path) -> None:
    """Whoever watches first sees that it does not run, then what it becomes; into a pipe each line is whole."""
    write_sample(tmp_path, free_port())
    with Watching(tmp_path, "apac") as watching:
        watching.until(lambda line: line.endswith("  apac  not running"))
        launched = Launched(tmp_path)
        try:
            watching.until(lambda line: line.endswith("ready           outgoing My WSX Outconn"))
            watching.interrupt()
            assert not any(line.startswith(" ") for line in watching.lines)
        finally:
            launched.stop()


def test_transitions_within_a_millisecond_are_each_shown_once() -> None:
    """What is new is told by what was seen last, not by its time."""
    subscribing, ready, lost = ({"at": "t1", "state": state} for state in ("subscribing", "ready", "backoff"))
    assert _after(None, [subscribing]) == [subscribing]
    assert _after(subscribing, [subscribing, ready, lost]) == [ready, lost]
    assert _after(lost, [subscribing, ready, lost]) == []
    assert _after({"at": "t0", "state": "forgotten"}, [subscribing, ready]) == [subscribing, ready]
