"""Real servers and a service manager of the test's: what it hears, from the start to the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.processes import COMMAND, HANGS_AFTER, HOLDS, Launched, free_port, half_of_the_sample, write_sample

BLOCKS = """
import time

class Blocks(Service):
    name = "demo.blocks"

    async def handle(self):
        self.logger.info("blocking")
        while not Path("let-go").exists():
            time.sleep(0.05)
"""


class Manager:
    """The socket of a service manager."""

    def __init__(self, folder: Path, watchdog: float = 0.0) -> None:
        self.path = folder / "notify"
        self.heard: list[str] = []
        self._waiting: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(HANGS_AFTER)
        self.environment = {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(int(watchdog * 1_000_000))}

    def until(self, wanted: Callable[[str], bool] | str) -> str:
        """Listen until a line is heard, which signs of life go on beside."""
        gives_up_at = time.monotonic() + HANGS_AFTER
        while time.monotonic() < gives_up_at:
            if not self._waiting:
                self._waiting += self.socket.recv(10_000).decode().split("\n")
            line = self._waiting.pop(0)
            self.heard.append(line)
            if line == wanted or (callable(wanted) and wanted(line)):
                return line
        pytest.fail(f"{wanted!r} was not heard, but {self.heard}")

    def until_silent(self, seconds: float) -> None:
        """Listen until nothing has been heard for a while."""
        self.heard += self._waiting
        self._waiting.clear()
        self.socket.settimeout(seconds)
        gives_up_at = time.monotonic() + HANGS_AFTER
        while time.monotonic() < gives_up_at:
            try:
                self.heard += self.socket.recv(10_000).decode().split("\n")
            except TimeoutError:
                self.socket.settimeout(HANGS_AFTER)
                return
        pytest.fail("it never falls silent")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    found = Manager(tmp_path, watchdog=1.0)
    with found.socket:
        yield found


class One(Launched):
    """`isthmus run --cluster emea`, as a service manager starts it."""

    arguments = ("run", "--cluster", "emea")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = half_of_the_sample("emea", tmp_path / "emea", free_port(), "local:emea-apac")
    (folder / "holds.py").write_text(HOLDS + BLOCKS)
    file = folder / "clusters.toml"
    file.write_text(file.read_text().replace('["examples/emea.py"]', '["examples/emea.py", "holds.py"]'))
    return folder


def test_a_server_is_ready_lives_changes_and_ends(folder: Path, manager: Manager) -> None:
    """READY once it listens, WATCHDOG again and again, RELOADING around a change, and STOPPING before it drains."""
    one = One(folder, manager.environment)
    try:
        manager.until("READY=1")
        assert manager.heard[0] == "STATUS=opening the store"
        socket.create_connection(("127.0.0.1", port_of(folder))).close()
        for _ in range(3):
            manager.until("WATCHDOG=1")

        file = folder / "clusters.toml"
        file.write_text(file.read_text() + '\n[clusters.emea.topics."/other"]\n')
        statuses: list[int] = []
        change = threading.Thread(target=lambda: statuses.append(one.run("apply", "--yes").returncode))
        change.start()  # a socket that nobody reads meanwhile would be full
        manager.until("RELOADING=1")
        assert int(manager.until(lambda line: line.startswith("MONOTONIC_USEC=")).partition("=")[2]) > 0
        manager.until("READY=1")
        change.join()
        assert statuses == [0]

        answers: list[str] = []
        call = threading.Thread(target=lambda: answers.append(one.run("invoke", "emea", "demo.holds").stdout))
        call.start()
        one.until(r"holding")
        one.process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert int(manager.until(lambda line: line.startswith("EXTEND_TIMEOUT_USEC=")).partition("=")[2]) == 15_000_000
        manager.until("WATCHDOG=1")
        assert answers == []
        (folder / "let-go").touch()
        call.join()
        assert json.loads(answers[0]) == "held"
        one.read_to_end()
        assert one.process.wait() == 0
    finally:
        (folder / "let-go").touch()
        one.stop()


def port_of(folder: Path) -> int:
    text = (folder / "clusters.toml").read_text()
    return int(text.partition("ws://127.0.0.1:")[2].partition("/")[0])


def test_what_it_waits_for_is_its_status(folder: Path, manager: Manager) -> None:
    """A channel whose address is in use: not ready, with the reason, until it is free."""
    with socket.create_server(("127.0.0.1", port_of(folder))):
        one = One(folder, manager.environment)
        try:
            status = manager.until(lambda line: "cannot listen" in line)
            assert status.startswith("STATUS=not ready: channel gateway: cannot listen")
            assert "READY=1" not in manager.heard
        except BaseException:
            one.stop()
            raise
    try:
        manager.until("READY=1")
        assert manager.until(lambda line: line.startswith("STATUS=")) == "STATUS=ready"
    finally:
        one.stop()


def test_a_loop_that_does_not_turn_is_silent(folder: Path, manager: Manager) -> None:
    """A service that holds the event loop holds up the sign of life, too, for as long as it does."""
    one = One(folder, manager.environment)
    call = threading.Thread(target=lambda: one.run("invoke", "emea", "demo.blocks"))
    try:
        manager.until("READY=1")
        call.start()
        one.until(r"blocking")
        manager.until_silent(1.0)
        (folder / "let-go").touch()
        manager.until("WATCHDOG=1")
    finally:
        (folder / "let-go").touch()
        call.join()
        one.stop()


def test_a_launcher_speaks_for_its_servers(tmp_path: Path, manager: Manager) -> None:
    """READY when all are, silence while one of them does not turn, a status that names one that died, one STOPPING."""
    folder = tmp_path / "sample"
    folder.mkdir()
    write_sample(folder, free_port(), {"holds.py": HOLDS + BLOCKS})
    sample = Launched(folder, manager.environment)
    call = threading.Thread(target=lambda: sample.run("invoke", "apac", "demo.blocks"))
    try:
        pid = int(sample.until(r"launcher emea .*server started +pid=(\d+)")[1])
        manager.until("READY=1")
        assert "STATUS=2 of 2 clusters ready" in manager.heard
        manager.until("WATCHDOG=1")
        os.kill(pid, signal.SIGKILL)
        manager.until("STATUS=1 of 2 clusters ready; emea died: SIGKILL")
        manager.until("STATUS=2 of 2 clusters ready")
        call.start()
        sample.until(r"blocking")
        manager.until_silent(1.5)
        (folder / "let-go").touch()
        manager.until("WATCHDOG=1")
        call.join()
        sample.process.terminate()
        manager.until("STOPPING=1")
        sample.read_to_end()
        assert sample.process.wait() == 0
    finally:
        (folder / "let-go").touch()
        sample.stop()


def test_a_wrong_configuration_is_no_start(folder: Path, manager: Manager) -> None:
    """The status is 2, which the unit does not restart after; nothing is said to be ready."""
    (folder / "clusters.toml").write_text("[clusters.emea]\nspeed = 1\n")
    done = subprocess.run(
        [*COMMAND, "run", "--cluster", "emea"],
        cwd=folder,
        env={**os.environ, **manager.environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    manager.until_silent(0.1)
    assert manager.heard == []
