"""What is wrong with the parts of a frame, or with one that was compressed."""

from __future__ import annotations

__all__ = ["BrokenFrame"]

_PROTOCOL_ERROR = 1002


class BrokenFrame(ValueError):
    """The peer sent something that it may not send; `code` is that of the close frame."""

    def __init__(self, reason: str, code: int = _PROTOCOL_ERROR) -> None:
        super().__init__(reason)
        self.code = code
