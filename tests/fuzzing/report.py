"""What the fuzzer counts, and what it found."""

from __future__ import annotations

import gc
import os
import resource
from collections import Counter
from pathlib import Path

from attrs import define, field

__all__ = ["Report", "memory_used"]

MIB = 1024 * 1024


def memory_used() -> int:
    """Return the bytes of memory that this process has resident; where the system does not tell, the most it had."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS, which has no /proc


@define
class Report:
    """Inputs by target and kind, what became of them, the slowest one, and problems."""

    inputs: Counter[str] = field(factory=Counter)
    kinds: Counter[str] = field(factory=Counter)
    outcomes: Counter[str] = field(factory=Counter)
    slowest: float = 0.0
    slowest_input: str = ""
    problems: list[str] = field(factory=list)
    memory: list[int] = field(factory=list)

    def took(self, seconds: float, what: str) -> None:
        """Note how long an input took."""
        if seconds > self.slowest:
            self.slowest, self.slowest_input = seconds, what

    def lines(self) -> list[str]:
        """Return the summary, a line each."""
        result = [f"{self.inputs.total()} inputs"]
        for title, counts in (("target", self.inputs), ("kind", self.kinds), ("outcome", self.outcomes)):
            result += [f"  {title} {name}: {count}" for name, count in sorted(counts.items())]
        result.append(f"  slowest input: {self.slowest * 1000:.1f} ms ({self.slowest_input})")
        if self.memory:
            first, last, most = (one / MIB for one in (self.memory[0], self.memory[-1], max(self.memory)))
            result.append(f"  memory: {first:.0f} MiB when warm, {last:.0f} at the end, {most:.0f} at most")
        result += [f"  PROBLEM {one}" for one in self.problems[:20]]
        result.append("failed" if self.problems else "nothing wrong")
        return result
