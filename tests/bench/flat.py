"""What is measured of cost that should not grow: of a call with the number of links, of a message with its queue."""

from __future__ import annotations

from attrs import frozen

from tests.bench.call_rows import MOST_CALLERS
from tests.bench.rows import ISTHMUS, Row
from tests.bench.targets import Target

GROWTH = 1.2
"""How many times as much it may be at most."""


@frozen(kw_only=True)
class CostRow(Row):
    """One thing that is measured of cost, in microseconds of the processors; less is better."""

    @property
    def decimals(self) -> int:
        """How many digits the table shows after the point."""
        return 1


@frozen(kw_only=True)
class LinkCostRow(CostRow):
    """The cost of a call; `workers` is how many call at once over each link that is used.

    Args:
        has_many: Whether there are many links, else one.
        uses_all: Whether all of them are called over, else one.
    """

    has_many: bool = False
    uses_all: bool = False


@frozen(kw_only=True)
class QueueCostRow(CostRow):
    """The cost of a guaranteed message, from its publish to its acknowledgement.

    Args:
        is_long: Whether the queue is a long one.
    """

    is_long: bool = False


_CALL = "CPU in µs for a call, both processes,"
_MESSAGE = "CPU in µs for a guaranteed message, both processes,"

LINK_COST_ROWS = (
    LinkCostRow("cost-one", f"{_CALL} {MOST_CALLERS} callers, the only link", MOST_CALLERS),
    LinkCostRow("cost-one-of-many", f"{_CALL} {MOST_CALLERS} callers, one of many links", MOST_CALLERS, has_many=True),
    LinkCostRow("cost-lone", f"{_CALL} 1 caller, the only link"),
    LinkCostRow("cost-each-of-many", f"{_CALL} 1 caller on each of many links", has_many=True, uses_all=True),
)
LINK_COST_TARGETS = (
    Target("cost-one-of-many", "", GROWTH, is_most=True, base="cost-one"),
    Target("cost-each-of-many", "", GROWTH, is_most=True, base="cost-lone"),
)

SHORT_QUEUE = 1000

QUEUE_COST_ROWS = (
    QueueCostRow("cost-queue-short", f"{_MESSAGE} {SHORT_QUEUE:,} in the queue"),
    QueueCostRow("cost-queue-long", f"{_MESSAGE} a long queue", is_long=True, most_rounds=1),
)
QUEUE_COST_TARGETS = (Target("cost-queue-long", "", GROWTH, is_most=True, base="cost-queue-short"),)

COST_CONTESTANTS = (ISTHMUS,)
