"""What is measured of calls and links, beside whom, and which ratios are to be reached."""

from __future__ import annotations

from attrs import frozen

from tests.bench.rows import ISTHMUS, Row
from tests.bench.targets import Target

NAIVE, NATS, GRPC, REDIS, BARE = "naive", "nats", "grpc", "redis", "trio"

CALL_CONTESTANTS = (ISTHMUS, NAIVE, NATS, GRPC, REDIS, BARE)

NATIVE_WIRE, ZATO_WIRE = "native", "zato"
WIRES = (NATIVE_WIRE, ZATO_WIRE)

MOST_CALLERS = 256


@frozen(kw_only=True)
class CallRow(Row):
    """One thing that is measured of calls; `workers` is how many call at once.

    Args:
        wire: The format of Isthmus's link; empty where there is none.
        suspends: Whether the handler waits for an event once, else it returns at once.
        is_pinned: Whether all processes share one processor.
        percentile: Which percentile of the latency at half load, in milliseconds; 0 for calls a second.
        is_local: Whether messages go from actor to actor, not over a link.
    """

    wire: str = ""
    suspends: bool = False
    is_pinned: bool = False
    percentile: int = 0
    is_local: bool = False

    @property
    def decimals(self) -> int:
        """How many digits the table shows after the point."""
        return 2 if self.percentile else 0


def _calls() -> list[CallRow]:
    rows = [CallRow("call-1-pinned", "calls, native, 1 caller, all on one processor", wire=NATIVE_WIRE, is_pinned=True)]
    for suspends, prefix, what in ((False, "call", ""), (True, "wait", ", handler waits")):
        for wire in WIRES:
            for callers in (1, 32, MOST_CALLERS):
                middle = "" if wire == NATIVE_WIRE else f"{wire}-"
                name, own = f"{prefix}-{middle}{callers}", not suspends and wire == NATIVE_WIRE
                title = f"calls, {wire}, {callers} caller{'s' if callers > 1 else ''}{what}"
                like = "" if own else f"call-{callers}"
                rows.append(CallRow(name, title, callers, like=like, wire=wire, suspends=suspends))
    return rows


CALL_ROWS: tuple[CallRow, ...] = (
    *_calls(),
    CallRow(
        "latency-50", "latency in ms at half load, 256 callers, median", MOST_CALLERS, wire=NATIVE_WIRE, percentile=50
    ),
    CallRow(
        "latency-99", "latency in ms at half load, 256 callers, 99 %", MOST_CALLERS, wire=NATIVE_WIRE, percentile=99
    ),
    CallRow("ask", "asked and answered, actor to actor", is_local=True),
    CallRow("tell", "told, actor to actor", is_local=True),
    CallRow("tell-nowait", "told by tell_nowait, actor to actor", like="tell", is_local=True),
)


TARGETS = (
    Target("call-256", NAIVE, 8.5),
    Target("call-256", NATS, 2.5),
    Target("call-256", GRPC, 15.0),
    Target("call-256", REDIS, 0.5),
    Target("call-32", NAIVE, 4.0),
    Target("call-32", NATS, 1.5),
    Target("call-1-pinned", NAIVE, 1.4),
    Target("call-1-pinned", NATS, 1.3),
    Target("call-1-pinned", GRPC, 2.5),
    Target("call-zato-256", NAIVE, 2.0),
    Target("call-zato-256", "", 8 * 2700.0),
    Target("ask", BARE, 0.8),
    Target("tell", BARE, 5.0),
)
