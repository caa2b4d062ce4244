"""Which format a link speaks, and what is set of it."""

from __future__ import annotations

from enum import Enum

__all__ = ["WireFormat"]


class WireFormat(Enum):
    """What the two ends of a link may agree on."""

    AUTO = "auto"  # the native format with whoever speaks it, else Zato's
    NATIVE = "isthmus.1"  # nothing else
    ZATO = "zato"  # as though the native format did not exist
