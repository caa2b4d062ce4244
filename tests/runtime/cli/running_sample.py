"""What tests of commands share: a sample that runs, and commands beside it that go on until they are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from tests.processes import COMMAND, HANGS_AFTER, Launched, free_port, write_sample

MORE = """
[clusters.emea.topics."/t/**"]
guaranteed = true

[clusters.emea.topics."/refuses"]
active = false

[clusters.emea.topics."/order/**"]
guaranteed = true
"""


class RunningSample(Launched):
    """The sample, whose emea has guaranteed topics `/t/**` and `/order/**`, and `/refuses`, which is not active."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        write_sample(folder, self.port)
        with (folder / "clusters.toml").open("a") as file:
            file.write(MORE)
        super().__init__(folder)


def heed_interrupts() -> None:
    """Undo what a shell does to what it runs in the background, as the tests may be: there, Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Command:
    """A command in a process of its own, whose input and output are pipes, read line by line."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_interrupts,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        """Return its next line; it is killed when that takes too long, so that a test fails and does not hang."""
        watchdog = threading.Timer(HANGS_AFTER, self.process.kill)
        watchdog.start()
        try:
            line = self.output.readline()
        finally:
            watchdog.cancel()
            watchdog.join()
        if not line:
            pytest.fail(f"no more lines: {self.process.communicate()[1]}")
        return line.rstrip("\n")

    def say(self, line: str) -> None:
        """Give it a line."""
        self.input.write(f"{line}\n")
        self.input.flush()

    def interrupt(self) -> tuple[int, str, str]:
        """End it as Ctrl-C does; return the status, and what it printed last and on stderr."""
        self.process.send_signal(signal.SIGINT)
        return self.end()

    def end(self) -> tuple[int, str, str]:
        """Close its input and wait for its end; return the status, and what it printed last and on stderr."""
        try:
            output, errors = self.process.communicate(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            self.process.kill()
            pytest.fail(f"it does not end: {self.process.communicate()}")
        return self.process.returncode, output, errors
