"""The disk as it is measured: a file that grows by 4 KiB at a time, each of which is synced."""

from __future__ import annotations

import os
import time
from pathlib import Path

import trio
from attrs import define, field

from tests.bench.rows import DISK, FSYNC, Figure, Load, Row

_CAVEAT = "it may sync less than 4 KiB faster, so that a lone publisher may be ahead of it"

_sync = getattr(os, "fdatasync", os.fsync)


@define
class Disk:
    """The file system of a folder."""

    folder: Path
    name: str = DISK
    facts: list[str] = field(factory=lambda: [_CAVEAT])

    def knows(self, row: Row) -> bool:
        """Tell whether it is the disk's row."""
        return row == FSYNC

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many syncs a second there were."""
        return Figure(await trio.to_thread.run_sync(self._measure, min(load.seconds, 2.0)))

    def _measure(self, seconds: float) -> float:
        page, count = b"\0" * 4096, 0
        began_at = time.monotonic()
        with (self.folder / "fsync").open("wb", buffering=0) as file:
            while time.monotonic() < began_at + seconds:
                file.write(page)
                _sync(file.fileno())
                count += 1
        return count / (time.monotonic() - began_at)
