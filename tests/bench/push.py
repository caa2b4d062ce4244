"""What is measured of messages that are pushed while they are published, and which ratios are to be reached.

All figures are of messages that subscribers were given and, but for NATS core, which knows no acknowledgement, have
acknowledged: from the first publish until the publisher's side knows of the last one.
"""

from __future__ import annotations

from attrs import frozen

from tests.bench.call_rows import NATS
from tests.bench.peer import JETSTREAM, REDIS
from tests.bench.rows import ISTHMUS, Load, Row
from tests.bench.targets import Target

PUBLISHERS = 256


@frozen(kw_only=True)
class PushRow(Row):
    """One thing that is measured of pushed messages; `workers` is how many subscribe.

    Args:
        is_guaranteed: Whether each is on the disk before it is confirmed.
    """

    is_guaranteed: bool

    @property
    def topic(self) -> str:
        """The topic of Isthmus."""
        return f"/bench/{self.name}"

    def messages(self, load: Load) -> int:
        """Return how many there are for a figure; those that are synced take longer."""
        return load.guaranteed if self.is_guaranteed else load.messages


def _rows() -> list[PushRow]:
    rows = []
    for kind, what in (("memory", "memory"), ("gd", "guaranteed")):
        for number in (1, 4):
            who = "1 subscriber" if number == 1 else f"{number} subscribers in all"
            title = f"{what} messages pushed to {who}"
            rows.append(PushRow(f"push-{kind}-{number}", title, number, is_guaranteed=kind == "gd"))
    return rows


PUSH_ROWS = tuple(_rows())
PUSH_CONTESTANTS = (ISTHMUS, NATS, JETSTREAM.name, REDIS.name)
PUSH_TARGETS = (
    Target("push-memory-1", NATS, 1.0),
    Target("push-memory-4", NATS, 1.0),
    *(Target(f"push-gd-{number}", peer.name, 3.0) for number in (1, 4) for peer in (JETSTREAM, REDIS)),
)
