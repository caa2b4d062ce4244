"""What is measured of messages that are pushed while they are published, and which ratios are to be reached.

All figures are of messages that subscribers were given and, but for NATS core, which knows no acknowledgement, have
acknowledged: from the first publish until the publisher's side knows of the last one. The publisher of NATS core waits for
no confirmation, so the row without one is like it; in the other row each message is confirmed to one of many publishers.
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
        is_confirmed: Whether publishers wait for a confirmation of each; else there is one publisher, as of NATS core.
    """

    is_guaranteed: bool
    is_confirmed: bool = True

    @property
    def publishers(self) -> int:
        """How many publish side by side."""
        return PUBLISHERS if self.is_confirmed else 1

    @property
    def topic(self) -> str:
        """The topic of Isthmus."""
        return f"/bench/{self.name}"

    def messages(self, load: Load) -> int:
        """Return how many there are for a figure; those that are synced take longer."""
        return load.guaranteed if self.is_guaranteed else load.messages


def _rows() -> list[PushRow]:
    rows = []
    for number in (1, 4):
        who = "1 subscriber" if number == 1 else f"{number} subscribers in all"
        title, unconfirmed = f"memory messages pushed to {who}", f"push-unconfirmed-{number}"
        rows += [
            PushRow(unconfirmed, f"{title}, no confirmation", number, is_guaranteed=False, is_confirmed=False),
            PushRow(f"push-memory-{number}", f"{title}, each confirmed", number, is_guaranteed=False, like=unconfirmed),
            PushRow(f"push-gd-{number}", f"guaranteed messages pushed to {who}", number, is_guaranteed=True),
        ]
    return rows


PUSH_ROWS = tuple(_rows())
PUSH_CONTESTANTS = (ISTHMUS, NATS, JETSTREAM.name, REDIS.name)
PUSH_TARGETS = (
    Target("push-unconfirmed-1", NATS, 1.0),
    Target("push-unconfirmed-4", NATS, 1.0),
    *(Target(f"push-gd-{number}", peer.name, 3.0) for number in (1, 4) for peer in (JETSTREAM, REDIS)),
)
