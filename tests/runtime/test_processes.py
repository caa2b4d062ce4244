"""The sample in real processes over real sockets: what a new user sees, and what is left when things are killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "runtime.cli"]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Sample:
    """The sample, run by the launcher in a folder of its own; its output is read line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        shutil.copytree(ROOT / "examples", folder / "examples")
        text = (ROOT / "clusters.toml").read_text().replace("47043", str(self.port))
        (folder / "clusters.toml").write_text(text)
        self.lines: list[str] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "run"], cwd=self.folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    def until(self, pattern: str) -> re.Match[str]:
        """Read on to the line that matches; the end of the output is a failure."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        pytest.fail(f"no line matches {pattern!r}:\n{''.join(self.lines)}")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    def read_to_end(self) -> str:
        """Wait until every process that writes to the output is gone."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    running = Sample(tmp_path)
    yield running
    if running.process.poll() is None:
        running.process.terminate()
        running.read_to_end()
    running.process.wait()
    assert running.process.stderr is not None
    running.process.stderr.close()


def test_the_sample_tells_its_story(sample: Sample) -> None:
    """Link, hooks, calls, messages; a killed server comes back, and the link with it; Ctrl-C ends all, status 0."""
    pid = int(sample.until(r"launcher emea .*pid=(\d+)")[1])
    sample.until(r"on_connect")
    sample.until(r"Response is `\{'elem1': 'value1'\}`")
    invoked = sample.run("invoke", "apac", "demo.remote-echo", '{"elem1": "value1", "elem2": "value2"}')
    assert json.loads(invoked.stdout) == {"elem1": "value1", "elem2": "value2"}
    via = sample.run("invoke", "apac", "demo.echo", "[1]", "--via", "My WSX Outconn")
    assert json.loads(via.stdout) == [1]
    published = sample.run("publish", "emea", "/customer/new", "This is a sample message")
    assert published.stdout.startswith("zpsm")
    sample.until(r"on_message.*This is a sample message")
    status = json.loads(sample.run("status", "--json").stdout)
    kinds = {actor["kind"] for cluster in status.values() for actor in cluster["actors"]}
    assert kinds >= {"service", "channel", "session", "outgoing", "topic", "subscription"}
    assert "My WSX Outconn" in sample.run("status").stdout
    second = sample.run("run")
    assert second.returncode == 1
    assert f"pid {pid}" in second.stderr

    os.kill(pid, signal.SIGKILL)
    seen = {sample.until(r"(on_close|next attempt|server died|server started)")[1] for _ in range(4)}
    assert {"on_close", "server died"} <= seen
    sample.until(r"on_connect")
    sample.until(r"on_message")
    sample.process.send_signal(signal.SIGINT)
    assert "killed" not in sample.read_to_end()
    assert sample.process.wait() == 0


def test_a_killed_launcher_leaves_nothing_and_run_works_again_at_once(sample: Sample) -> None:
    """Servers end in order when their launcher is gone, and the next start waits for them."""
    sample.until(r"on_connect")
    sample.process.kill()
    sample.process.wait()
    assert sample.process.stderr is not None
    old = sample.process.stderr
    sample.start()
    sample.until(r"on_connect")
    old.read()
    old.close()


def test_a_command_says_in_one_sentence_that_a_cluster_does_not_run(tmp_path: Path) -> None:
    """Status 1, and what to do."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "clusters.toml", tmp_path)
    found = subprocess.run(
        [*COMMAND, "invoke", "emea", "demo.echo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr.splitlines() == ["cluster 'emea' is not running; start it with: isthmus run --cluster emea"]


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    """All problems, status 2, also for a module that cannot be imported."""
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "clusters.toml").write_text('[clusters.emea]\nservices = ["bad.py", "missing.py"]\n')
    found = subprocess.run([*COMMAND, "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "bad.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'" in found.stderr
    assert "missing.py: there is no such file or folder" in found.stderr
