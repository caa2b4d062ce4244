"""Which format a link speaks, and what is set of it."""

from __future__ import annotations

from enum import Enum

__all__ = ["Compression", "WireFormat"]


class WireFormat(Enum):
    """What the two ends of a link may agree on."""

    AUTO = "auto"  # the native format with whoever speaks it, else Zato's
    NATIVE = "isthmus.1"  # nothing else
    ZATO = "zato"  # as though the native format did not exist


class Compression(Enum):
    """Whether large frames of the native format go compressed, which both ends must want."""

    AUTO = "auto"  # with peers on other machines
    ON = "on"  # with all
    OFF = "off"  # with none

    def applies(self, *, is_local: bool) -> bool:
        """Tell whether it is wanted with a peer, which may be on this machine."""
        return self is Compression.ON or (self is Compression.AUTO and not is_local)
