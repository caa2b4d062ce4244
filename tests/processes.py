"""Isthmus in real processes, for tests: the launcher in a folder, its output line by line, and what it leaves."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-P", "-m", "runtime.cli"]

HANGS_AFTER = 60.0
"""Seconds without the line waited for, after which a test ends instead of hanging."""

LINKED = (r"on_connect", r"Response is `\{'elem1': 'value1'\}`", r"subscribed")
"""What apac says when it has its link, in whatever order."""

HOLDS = """
from pathlib import Path

from actors import Service
import trio

class Holds(Service):
    name = "demo.holds"

    async def handle(self):
        self.logger.info("holding")
        while not Path("let-go").exists():
            await trio.sleep(0.05)
        return "held"
"""
"""A module with a service that holds its callers until there is a file `let-go`."""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Launched:
    """`isthmus run` in a folder; temporary files go to a folder of its own."""

    arguments: tuple[str, ...] = ("run",)
    prefix: tuple[str, ...] = ()
    """What the processes are started by, such as `unshare`."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.lines: list[str] = []
        # a short place, since sockets may have to be made in it
        self._temporary = tempfile.TemporaryDirectory(prefix="isthmus-test-", dir="/tmp")
        self._environment = {**os.environ, **(environment or {}), "TMPDIR": self._temporary.name}
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*self.prefix, *COMMAND, *self.arguments],
            cwd=self.folder,
            env=self._environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )

    def until(self, pattern: str) -> re.Match[str]:
        """Read on to the line that matches; the end of the output is a failure, which a line that never comes becomes."""
        assert self.process.stderr is not None
        watchdog = threading.Timer(HANGS_AFTER, self.process.kill)
        watchdog.start()
        try:
            for line in self.process.stderr:
                self.lines.append(line)
                print(line, end="")  # which pytest keeps, to be searched for secrets
                if found := re.search(pattern, line):
                    return found
        finally:
            watchdog.cancel()
            watchdog.join()
        pytest.fail(f"no line matches {pattern!r}:\n{''.join(self.lines)}")

    def until_all(self, *patterns: str) -> None:
        """Read on until each pattern has matched a line, in whatever order, as actors that know nothing of each other log."""
        left = set(patterns)
        while left:
            line = self.until("|".join(left)).string
            left -= {one for one in left if re.search(one, line)}

    def until_up(self) -> None:
        """Read on until the sample is linked for the first time, and apac can be told what to do."""
        self.until_all(*LINKED, r"apac +listener admin +listening")

    def until_linked(self) -> None:
        """Read on until the link of the sample is there, its hook has told its story, and messages will come."""
        self.until_all(*LINKED)

    def run(
        self, *arguments: str, stdin: IO[bytes] | int = subprocess.DEVNULL, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*self.prefix, *COMMAND, *arguments],
            cwd=self.folder,
            env={**self._environment, **environment},
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        print(done.stdout, done.stderr)
        return done

    def read_to_end(self) -> str:
        """Wait until every process that has the output open is gone, as servers do until they end."""
        assert self.process.stderr is not None
        rest = self.process.stderr.readlines()
        self.lines += rest
        print("".join(rest))
        return "".join(rest)

    def stop(self) -> None:
        """End it in order, and see that no process, socket or temporary file of it is left. Idempotent."""
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.stderr is not None
        if not self.process.stderr.closed:
            self.read_to_end()
            self.process.stderr.close()
        self.process.wait()
        left = [path for path in Path(self._temporary.name).rglob("*") if not path.is_dir()]
        self._temporary.cleanup()
        assert left == []
        assert list(self.folder.rglob("*.sock")) == []


class Sample(Launched):
    """The sample of the repository, on a port of its own.

    `more` are the texts of modules that apac loads, too; `links` are keys for both ends of its link.
    """

    def __init__(self, folder: Path, more: Mapping[str, str] | None = None, **links: float) -> None:
        self.port = free_port()
        write_sample(folder, self.port, more, **links)
        super().__init__(folder)


def write_sample(folder: Path, port: int, more: Mapping[str, str] | None = None, **links: float) -> None:
    """Write the sample to a folder; see `Sample`."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    text = (ROOT / "clusters.toml").read_text()
    keys = "".join(f"\n{key} = {value}" for key, value in links.items())
    emea, apac = text[: text.index("[clusters.apac]")], text[text.index("[clusters.apac]") :]
    for line in ('services_allowed = ["demo.*"]', 'remote = "cluster"'):
        assert line in text
        emea, apac = emea.replace(line, line + keys), apac.replace(line, line + keys)
    for name, module in (more or {}).items():
        (folder / name).write_text(module)
        apac = apac.replace('"examples/apac.py"', f'"examples/apac.py", "{name}"')
    (folder / "clusters.toml").write_text((emea + apac).replace("47043", str(port)))


def half_of_the_sample(cluster: str, folder: Path, port: int, password: str) -> Path:
    """Write one cluster of the sample to a folder of its own; `password` is the reference that stands for it."""
    folder.mkdir()
    shutil.copytree(ROOT / "examples", folder / "examples")
    text = (ROOT / "clusters.toml").read_text().replace("47043", str(port)).replace("local:emea-apac", password)
    at = text.index("[clusters.apac]")
    (folder / "clusters.toml").write_text(text[at:] if cluster == "apac" else text[:at])
    return folder
