"""docs/operations.md: its commands do what it says, on the sample, in the order of the page."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.descriptors import OTHERS, needed_descriptors
from runtime.server import KILL_AFTER
from tests.processes import HANGS_AFTER, ROOT, Launched, free_port, write_sample
from tests.support import emea_settings

PAGE = (ROOT / "docs" / "operations.md").read_text()
STEPS = re.findall(r"^```sh try=(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


class Machine:
    """A folder with the sample, whose clusters run or do not, as a step of the page needs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: Launched | None = None
        write_sample(folder, free_port())

    def be(self, state: str) -> None:
        if state == "stopped":
            self.stop()
        elif self._running is None:
            self._running = Launched(self.folder)
            self._running.until(r"on_message")  # the link is there, and messages come over it

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
        self._running = None

    def make_a_dead_letter(self) -> None:
        """Have a guaranteed message wait for a subscription that ends then."""
        found = json.loads(self.run("isthmus subscriptions emea --json").stdout)
        key = found[0]["sub_key"]
        for command in (
            "set apac 'outgoing.\"My WSX Outconn\".active' false --yes",
            "apply --yes",
            "publish emea /customer/new waits",
            f"subscriptions end emea {key}",
        ):
            done = self.run(f"isthmus {command}")
            assert done.returncode == 0, done.stderr
        gives_up_at = time.monotonic() + HANGS_AFTER
        while "/dead-letter/" not in self.run("isthmus topics emea").stdout:  # the topic buries them when it cleans up
            assert time.monotonic() < gives_up_at

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-euc", script],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.stop()


def test_its_commands_do_what_it_says(machine: Machine) -> None:
    """Each step succeeds, after those before it: a check, a backup, its restore, a change of passwords, a look at queues."""
    assert {state for state, _script in STEPS} == {"running", "stopped"}
    printed = ""
    for state, script in STEPS:
        machine.be(state)
        if "dead-letter" in script:
            machine.make_a_dead_letter()
        done = machine.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        printed += done.stdout
    for expected in ("clusters.toml: ok", "backed up", '"still": "there"', "1 of 1 steps taken"):
        assert expected in printed
    assert "local:" not in (machine.folder / "clusters.toml").read_text()


def test_what_it_says_of_limits_is_so() -> None:
    """The figures of file descriptors and of the end are those of the code, and every file that it names is there."""
    assert f"and {OTHERS} for the rest" in PAGE
    assert f"needed={needed_descriptors(emea_settings()) + 1}" in PAGE  # the example has a connection, too
    assert f"{KILL_AFTER:g} s later it ends whatever happens" in PAGE
    for target in re.findall(r"\]\(([\w.-]+\.md)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    }
    assert [one for one in re.findall(r"\]\(#([\w-]+)\)", PAGE.replace("\n", " ")) if one not in headings] == []
