"""How a command says that it failed."""

from __future__ import annotations

__all__ = ["Failed"]


class Failed(Exception):
    """A command failed: what to print on stderr, and the exit status."""

    def __init__(self, *lines: str, status: int = 1) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status
