"""What a simulated run did, as a digest by which two runs can be told apart."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from typing import Any

import structlog
import trio

__all__ = ["Trace"]


class Trace:
    """A digest of everything that is logged, with its time."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.lines: list[str] = []
        self.keep = False

    def __call__(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        error = event.pop("exc_info", None)
        line = f"{trio.current_time():.6f} {sorted(event.items())} {type(error).__name__ if error else ''}"
        self.add(line)
        raise structlog.DropEvent

    def add(self, line: str) -> None:
        self._digest.update(line.encode())
        if self.keep:
            self.lines.append(line)

    def hexdigest(self) -> str:
        return self._digest.hexdigest()
