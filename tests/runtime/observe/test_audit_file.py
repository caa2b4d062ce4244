"""The file of the audit log: lines, sizes, modes, other writers, and what becomes of entries that cannot be written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import structlog
import trio
from structlog.testing import capture_logs

from actors.audit import AuditEvent, AuditResult
from actors.supervision import ChildSpec
from runtime.observe import audit as audits
from runtime.observe.audit import AuditFile, AuditTrail
from runtime.observe.audit_writer import AuditWriter
from runtime.ports import SystemClock, SystemEntropy
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.testing.ports import SimulatedClock


class Now:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def refuse(trail: AuditTrail, host: str, port: int = 1) -> None:
    trail.note(AuditEvent.LOG_IN, AuditResult.REFUSED, who="eve", address=f"{host}:{port}", reason="wrong")


def test_an_entry_is_a_line_with_the_time_in_utc(tmp_path: Path) -> None:
    """With who, where, what and the result; what is not known is left out, and the file is its owner's alone."""
    path = tmp_path / "audit.log"
    trail = AuditTrail(SystemClock(), cluster="emea", server="server1")
    trail.note(AuditEvent.LOG_IN, AuditResult.GRANTED, who="apac", address="127.0.0.1:5", cid="c1", reason=None)
    trail.write_all(AuditFile(path, max_size=10_000, keep=2).write)
    [entry] = entries(path)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "cluster": "emea",
        "server": "server1",
        "event": "log-in",
        "result": "granted",
        "who": "apac",
        "address": "127.0.0.1:5",
        "cid": "c1",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_full_files_are_put_aside_and_so_many_are_kept(tmp_path: Path) -> None:
    """A line is never cut; the youngest of the older files is number 1, and all have the mode of the first."""
    file = AuditFile(tmp_path / "audit.log", max_size=100, keep=2)
    for number in range(10):
        file.write([b"%d" % number * 59 + b"\n", b"%d" % number * 39 + b"\n"])
    found = sorted(one.name for one in tmp_path.iterdir())
    assert found == ["audit.log", "audit.log.1", "audit.log.2"]
    texts = [(tmp_path / name).read_text().splitlines() for name in found]
    assert texts == [[str(number) * 59, str(number) * 39] for number in (9, 8, 7)]
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}


def test_a_line_larger_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    """So it is written all the same, and nothing is written for ever."""
    file = AuditFile(tmp_path / "audit.log", max_size=10, keep=1)
    file.write([b"a" * 50 + b"\n", b"b\n"])
    assert (tmp_path / "audit.log").read_text() == "b\n"
    assert (tmp_path / "audit.log.1").read_text() == "a" * 50 + "\n"


def test_none_is_kept_where_that_is_wanted(tmp_path: Path) -> None:
    """With keep = 0 a full file begins anew."""
    file = AuditFile(tmp_path / "audit.log", max_size=10, keep=0)
    file.write([b"one\n", b"two\n", b"three\n"])
    assert [one.name for one in tmp_path.iterdir()] == ["audit.log"]
    assert (tmp_path / "audit.log").read_text() == "three\n"


def test_several_processes_write_whole_lines_and_lose_none(tmp_path: Path) -> None:
    """A server and commands share the file, also while one of them puts it aside."""
    code = (
        "import sys; from pathlib import Path; from runtime.observe.audit import AuditFile\n"
        f"file = AuditFile(Path({str(tmp_path / 'audit.log')!r}), max_size=300, keep=1000)\n"
        "for number in range(200): file.write([f'{sys.argv[1]} {number}\\n'.encode()])\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, name]) for name in ("a", "b", "c")]
    assert [one.wait() for one in writers] == [0, 0, 0]
    lines = [line for one in tmp_path.iterdir() for line in one.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name} {number}" for name in "abc" for number in range(200))
    assert len(list(tmp_path.iterdir())) > 2


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a disk is full in the middle of a line, the next one that can be written is whole."""
    path = tmp_path / "audit.log"
    file = AuditFile(path, max_size=10_000, keep=1)
    file.write([b"before\n"])
    write = os.write

    def fill_up(descriptor: int, data: memoryview) -> int:
        if len(data) < 5:
            raise OSError(28, "No space left on device")
        return write(descriptor, data[:5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_up)
        with pytest.raises(OSError, match="No space left"):
            file.write([b"12345678\n"])
    assert path.read_text() == "before\n"
    file.write([b"after\n"])
    assert path.read_text() == "before\nafter\n"


def test_nobody_leads_it_elsewhere(tmp_path: Path) -> None:
    """A link in the file's place is refused: it could lead to a file that matters."""
    (tmp_path / "other").write_text("of value")
    (tmp_path / "audit.log").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        AuditFile(tmp_path / "audit.log", max_size=10, keep=1).write([b"x\n"])
    assert (tmp_path / "other").read_text() == "of value"


def test_refusals_that_repeat_are_counted(tmp_path: Path) -> None:
    """Nobody pushes what matters out of the files by being refused again and again; others are not concerned."""
    now, path = Now(), tmp_path / "audit.log"
    trail = AuditTrail(SystemClock(), now)
    for port in range(audits.MAX_REFUSALS + 7):
        refuse(trail, "10.0.0.1", port)
    refuse(trail, "10.0.0.2")
    now.time = audits.REFUSAL_PERIOD + 1
    refuse(trail, "10.0.0.1")
    trail.write_all(AuditFile(path, max_size=10_000_000, keep=1).write)
    found = entries(path)
    assert len([one for one in found if one["address"].startswith("10.0.0.1")]) == audits.MAX_REFUSALS + 2
    assert [one["left_out"] for one in found if "left_out" in one] == [7]
    assert len([one for one in found if one["address"] == "10.0.0.2:1"]) == 1


def test_what_strangers_say_is_cut(tmp_path: Path) -> None:
    """A user name may be as long as a message; an entry is not."""
    path = tmp_path / "audit.log"
    trail = AuditTrail(SystemClock())
    trail.note(AuditEvent.LOG_IN, AuditResult.REFUSED, who="x" * 100_000, places=list(range(100_000)))
    trail.write_all(AuditFile(path, max_size=10_000_000, keep=1).write)
    assert path.stat().st_size < 10_000


async def test_a_file_that_cannot_be_written_stops_nothing(autojump_clock: object, tmp_path: Path) -> None:
    """Entries wait and the rest is counted; that is said in the log and in the status, and in the file afterwards."""
    folder = tmp_path / "missing"
    trail = AuditTrail(SimulatedClock(), cluster="emea")
    registry = Registry(SimulatedClock())
    file = AuditFile(folder / "audit.log", max_size=100_000_000, keep=1)
    async with trio.open_nursery() as nursery:
        root = Supervisor(nursery, registry, SystemEntropy())
        with capture_logs() as logs:
            root.start(ChildSpec.of(AuditWriter, make=lambda: AuditWriter(trail, file)))
            for number in range(audits.MAX_WAITING + 5):
                trail.note(AuditEvent.ADMINISTRATION, AuditResult.DONE, who="uid 0", number=number)
            revision, state = 0, ""
            while state != "failed":
                changes = await registry.wait_changes(revision)
                revision, state = changes.revision, registry.snapshot()[0]["state"]
        assert [one["log_level"] for one in logs if "AUDIT" in one["event"]][:1] == ["error"]
        [shown] = registry.snapshot()
        assert shown["gauges"] == {"waiting": audits.MAX_WAITING, "lost": 5}
        assert shown["detail"]["reason"] == "No such file or directory"
        folder.mkdir()
        while len(trail):
            await trio.sleep(1.0)
        nursery.cancel_scope.cancel()
    found = entries(folder / "audit.log")
    assert [one["number"] for one in found if "number" in one] == list(range(audits.MAX_WAITING))
    assert [one["lost"] for one in found if "lost" in one] == [5]
    structlog.reset_defaults()
