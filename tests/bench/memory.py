"""What processes have in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from tests.bench.rows import MeasureFailed


def resident(pids: Iterable[int]) -> int:
    """Return how many bytes processes have in memory, together.

    Raises:
        MeasureFailed: Where the system does not say.
    """
    try:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    except OSError as error:
        raise MeasureFailed(f"no process's memory is known: {error}") from None
    return pages * os.sysconf("SC_PAGE_SIZE")
