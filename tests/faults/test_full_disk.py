"""A disk that is full: guaranteed messages are refused with the reason, and taken again once there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import Launched

CONFIGURATION = """
[clusters.one]
data_dir = "disk/one"

[clusters.one.topics."/kept"]
guaranteed = true

[clusters.one.topics."/fleeting"]
"""

KIB = 1024
SIZE = 3 * KIB * KIB


class OnSmallDisk(Launched):
    """A launcher whose `disk` is a file system of a few megabytes of its own; the commands are run in there, too."""

    inside = ("nsenter", "--mount", "--target")

    def start(self) -> None:
        mount = f'mount --make-rprivate / && mount -t tmpfs -o size={SIZE} tmpfs disk && exec "$@"'
        self.prefix: tuple[str, ...] = ("unshare", "--mount", "--", "sh", "-c", mount, "sh")
        super().start()
        self.prefix = (*self.inside, str(self.process.pid), f"--wd={self.folder}", "--")


def test_a_full_disk_refuses_and_recovers(tmp_path: Path) -> None:
    """What was confirmed is there afterwards, what was refused is not; calls and other messages go on meanwhile."""
    (tmp_path / "disk").mkdir()
    if os.getuid() != 0 or not all(map(shutil.which, ("unshare", "nsenter"))):
        pytest.skip("only root may mount a small file system, with unshare and nsenter")
    tried = subprocess.run(
        ["unshare", "--mount", "--", "mount", "-t", "tmpfs", "tmpfs", tmp_path / "disk"],
        capture_output=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"this system lets nobody mount: {tried.stderr.decode().strip()}")
    (tmp_path / "clusters.toml").write_text(CONFIGURATION)
    launched = OnSmallDisk(tmp_path)
    try:
        launched.until(r"admin +listening")
        filler = f"/proc/{launched.process.pid}/root{tmp_path}/disk/filler"
        Path(filler).write_bytes(b"x" * (SIZE - 500 * KIB))
        confirmed, refused = 0, None
        while refused is None:
            done = launched.run("publish", "one", "/kept", "x" * 50 * KIB)
            if done.returncode:
                refused = done
            else:
                confirmed += 1
        assert confirmed > 0
        assert refused.stderr == "message 1: the store cannot write: database or disk is full\n"
        assert launched.run("publish", "one", "/fleeting", "x").returncode == 0
        assert launched.run("invoke", "one", "helpers.echo", "1").stdout == "1\n"

        Path(filler).unlink()
        assert launched.run("publish", "one", "/kept", "after").returncode == 0
        verified = launched.run("store", "verify", "one")
        assert verified.returncode == 0
        assert f"{confirmed + 1} messages" in verified.stdout
    finally:
        launched.stop()
