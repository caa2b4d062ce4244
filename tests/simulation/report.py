"""What a simulated run did, and what was wrong with it."""

from __future__ import annotations

from collections import Counter

from attrs import define, field

__all__ = ["Report"]


@define
class Report:
    """What a run did, and what was wrong with it."""

    seed: int
    clusters: int = 0
    wire: str = ""
    mix: dict[str, int] = field(factory=dict)
    faults: int = 0
    hits: int = 0
    calls_hit: int = 0
    outcomes: Counter[str] = field(factory=Counter)
    reconnects: int = 0
    credit_used_up: Counter[str] = field(factory=Counter)
    violations: list[str] = field(factory=list)
    trace: str = ""

    @property
    def counts(self) -> bool:
        """Tell whether a fault hit a live link while calls were under way."""
        return self.hits > 0 and self.calls_hit > 0
