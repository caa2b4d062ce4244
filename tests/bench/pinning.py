"""Processes that share one processor for a while, all their threads included."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.bench.rows import MeasureFailed


@contextmanager
def pinned(pids: Collection[int]) -> Generator[None, None, None]:
    """Keep processes on the first processor that may be used, as long as the block.

    Raises:
        MeasureFailed: Where the system cannot.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise MeasureFailed("this system cannot pin processes to a processor")
    usual = os.sched_getaffinity(0)
    _pin(pids, {min(usual)})
    try:
        yield
    finally:
        _pin(pids, usual)


def _pin(pids: Collection[int], processors: set[int]) -> None:
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(ProcessLookupError):  # it has just ended
                os.sched_setaffinity(int(thread.name), processors)
