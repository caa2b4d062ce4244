"""Which format each link of a simulated run speaks: one for all, or a random mix of native ones and both of Zato's."""

from __future__ import annotations

from enum import Enum
from random import Random

from attrs import field, frozen

from actors.settings import Compression, WireFormat

__all__ = ["MIXED", "NATIVE", "ZATO", "Links", "Style"]

NATIVE, ZATO, MIXED = "isthmus.1", "zato", "mixed"
"""What the links of a run may be."""


class Style(Enum):
    """How the two ends of a link talk."""

    NATIVE = "isthmus.1"
    ZATO_3_2 = "zato 3.2"
    ZATO_3_0 = "zato 3.0"

    @property
    def channel(self) -> str:
        """The channel that is dialled."""
        return "old" if self is Style.ZATO_3_0 else "gate"

    @property
    def wire(self) -> WireFormat:
        """What the connection is set to."""
        return WireFormat.AUTO if self is Style.NATIVE else WireFormat.ZATO


@frozen
class Links:
    """The links of a run: their styles, drawn from a seed of their own where they are mixed.

    Args:
        kind: What they are.
        seed: Decides the mix, and whether frames go compressed.
    """

    kind: str
    seed: int
    _drawn: dict[tuple[str, str], Style] = field(init=False, factory=dict)

    def style(self, cluster: str, target: str) -> Style:
        """Return how a cluster talks to another one that it dials."""
        if self.kind != MIXED:
            return Style.NATIVE if self.kind == NATIVE else Style.ZATO_3_2
        link = (cluster, target)
        if link not in self._drawn:
            self._drawn[link] = Random(f"{self.seed} {link}").choice(list(Style))
        return self._drawn[link]

    def compression(self, cluster: str, target: str) -> Compression:
        """Return whether the connection wants compressed frames; the channels want what it wants."""
        return Random(f"{self.seed} compression {cluster} {target}").choice(list(Compression))

    def is_native(self, cluster: str, via: str) -> bool:
        """Tell whether the link of a connection says who it is, cancels, and tells repeated messages apart."""
        return self.style(cluster, via.removeprefix("to ")) is Style.NATIVE

    @property
    def mix(self) -> dict[str, int]:
        """How many links of each style were drawn."""
        return {style.value: list(self._drawn.values()).count(style) for style in Style}
