"""A program on a terminal of 80 columns, such as a command, to which a test types as somebody would."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from tests.processes import COMMAND, HANGS_AFTER
from tests.runtime.cli.running_sample import heed_interrupts


def set_size(descriptor: int, columns: int) -> None:
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


class Terminal:
    """A program whose input and output are a terminal, which is its own, so that Ctrl-C reaches it.

    It is `isthmus` with arguments unless another `program` is named.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        program: Sequence[str] = COMMAND,
        columns: int = 80,
        term: str = "xterm",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.shown = ""
        self._read_to = 0
        self._ours, self._theirs = pty.openpty()
        set_size(self._theirs, columns)
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=folder,
            env={**os.environ, "TERM": term, **(environment or {})},
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            preexec_fn=_take_terminal,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def settings(self) -> list[Any]:
        """Return what the terminal is set to, such as whether it echoes."""
        return termios.tcgetattr(self._theirs)

    def type(self, text: str) -> None:
        """Type a text; a carriage return is the return key."""
        os.write(self._ours, text.encode())

    def until(self, pattern: str) -> re.Match[str]:
        """Read on until a pattern is shown beyond what the last one matched; a test fails where it never is."""
        watchdog = threading.Timer(HANGS_AFTER, self.process.kill)
        watchdog.start()
        try:
            while (found := re.compile(pattern).search(self.shown, self._read_to)) is None:
                self._read_more()
        finally:
            watchdog.cancel()
            watchdog.join()
        self._read_to = found.end()
        return found

    def _read_more(self) -> None:
        if self.process.poll() is not None and not _is_readable(self._ours):
            pytest.fail(f"it has ended: {self.shown[-2000:]!r}")
        if _is_readable(self._ours):
            self.shown += os.read(self._ours, 65536).decode(errors="replace")

    def end(self) -> int:
        """Read until it has ended; return the status."""
        watchdog = threading.Timer(HANGS_AFTER, self.process.kill)
        watchdog.start()
        while self.process.poll() is None:
            if _is_readable(self._ours):
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        watchdog.cancel()
        watchdog.join()
        while _is_readable(self._ours):
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        return self.process.returncode


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0.1)[0])


def _take_terminal() -> None:
    """Begin a session of its own, whose terminal is the one that it is given."""
    heed_interrupts()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
