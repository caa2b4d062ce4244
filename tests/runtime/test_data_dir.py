"""One server per data_dir: the lock, who is named when it is taken, and the wait for a server that is about to end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.data_dir import AlreadyRunning, lock, probe

HOLD = """
import sys
from pathlib import Path
from runtime.data_dir import lock

with lock(Path(sys.argv[1]), launcher=int(sys.argv[2]) or None):
    print("held", flush=True)
    sys.stdin.read()
"""


class Holder:
    """Another process that holds a lock until it is told to let go."""

    def __init__(self, data_dir: Path, launcher: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(data_dir), str(launcher)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def let_go(self) -> None:
        if self.process.poll() is None:
            self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holders() -> Iterator[list[Holder]]:
    started: list[Holder] = []
    yield started
    for one in started:
        one.let_go()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_lock_is_free_again_when_its_block_ends(tmp_path: Path) -> None:
    """The folder is made, for its owner only, and can be locked again at once."""
    data_dir = tmp_path / "a" / "b"
    for _ in range(2):
        with lock(data_dir):
            assert (data_dir / "lock").read_text().split() == [str(os.getpid())]
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert (data_dir / "lock").stat().st_mode & 0o777 == 0o600


def test_a_second_lock_names_who_has_the_first(tmp_path: Path, holders: list[Holder]) -> None:
    """The error holds the other process's id, in its words and as an attribute; the holder is not disturbed."""
    holders.append(Holder(tmp_path))
    pid = holders[0].process.pid
    for _ in range(2):
        with pytest.raises(AlreadyRunning, match=rf"data_dir {tmp_path} is already running, pid {pid}") as caught:
            lock(tmp_path).__enter__()
        assert caught.value.pid == pid
    with pytest.raises(AlreadyRunning, match=f"pid {pid}"):
        probe(tmp_path)


def test_a_killed_holder_leaves_the_lock_to_the_next(tmp_path: Path, holders: list[Holder]) -> None:
    """The system lets go of a dead process's lock, whatever its file still says."""
    holders.append(Holder(tmp_path))
    holders[0].kill()
    assert str(holders[0].process.pid) in (tmp_path / "lock").read_text()
    probe(tmp_path)
    with lock(tmp_path):
        assert (tmp_path / "lock").read_text().split() == [str(os.getpid())]


def test_a_probe_takes_nothing_and_makes_nothing(tmp_path: Path) -> None:
    """Without a server a probe is silent, leaves no file, and leaves the lock to others."""
    probe(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with lock(tmp_path):
        pass
    probe(tmp_path)
    with lock(tmp_path):
        pass


def test_an_orphan_is_waited_for(tmp_path: Path, holders: list[Holder]) -> None:
    """A server whose launcher is dead is about to end: a probe passes, and a lock waits until it is gone."""
    holders.append(Holder(tmp_path, launcher=dead_pid()))
    probe(tmp_path)
    is_waiting = threading.Event()

    def let_go() -> None:
        is_waiting.wait()
        holders[0].let_go()

    thread = threading.Thread(target=let_go)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("runtime.data_dir.time.sleep", lambda _seconds: is_waiting.set())
        try:
            with lock(tmp_path, wait=60.0):
                assert is_waiting.is_set()
        finally:
            is_waiting.set()
            thread.join()


def test_an_orphan_that_does_not_end_is_named(tmp_path: Path, holders: list[Holder]) -> None:
    """After the wait the error is the same as for any other holder."""
    holders.append(Holder(tmp_path, launcher=dead_pid()))
    with pytest.raises(AlreadyRunning, match=f"pid {holders[0].process.pid}"):
        lock(tmp_path, wait=0.0).__enter__()


def test_a_server_whose_launcher_lives_is_not_waited_for(
    tmp_path: Path, holders: list[Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It will not end, so a second start fails at once, however long it might wait."""
    holders.append(Holder(tmp_path, launcher=os.getpid()))
    with monkeypatch.context() as patch:
        patch.setattr("runtime.data_dir.time.sleep", lambda _seconds: pytest.fail("it waits"))
        with pytest.raises(AlreadyRunning):
            lock(tmp_path, wait=60.0).__enter__()
    with pytest.raises(AlreadyRunning):
        probe(tmp_path)
