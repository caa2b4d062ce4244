"""What is measured: the rows, how much is done for each, and what a contestant has to be able to do."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from attrs import define, field, frozen

MESSAGE = "x" * 300
"""What is published everywhere: 300 bytes."""

BATCH = 100
"""How many messages a subscriber is given at once, at most."""

ISTHMUS = "isthmus"
DISK = "disk"


@frozen
class Row:
    """One thing that is measured.

    Args:
        name: What `--only` calls it.
        title: What the table calls it.
        workers: How many publish at once, or how many subscribe.
        is_delivery: Whether deliveries are measured, else publishes.
        is_remote: Whether the publishers are in another cluster.
        like: The row whose figures the peers have for it; empty for its own.
        most_rounds: How many figures there are at most, where one takes long and differs little.
    """

    name: str
    title: str
    workers: int = 1
    is_delivery: bool = False
    is_remote: bool = False
    like: str = ""
    most_rounds: int = sys.maxsize

    @property
    def decimals(self) -> int:
        """How many digits the table shows after the point."""
        return 0

    @property
    def peers_row(self) -> str:
        """The row that has the peers' figures."""
        return self.like or self.name


_ROUNDS = 3

FSYNC = Row("fsync", "4 KiB appended and synced", most_rounds=_ROUNDS)

ROWS = (
    FSYNC,
    Row("publish-1", "published, 1 publisher", 1, most_rounds=_ROUNDS),
    Row("publish-256", "published, 256 publishers", 256, most_rounds=_ROUNDS),
    Row("link-1", "published over a link, 1 publisher", 1, is_remote=True, like="publish-1", most_rounds=_ROUNDS),
    Row(
        "link-256",
        "published over a link, 256 publishers",
        256,
        is_remote=True,
        like="publish-256",
        most_rounds=_ROUNDS,
    ),
    Row("deliver-1", "delivered and acknowledged, 1 subscriber", 1, is_delivery=True, most_rounds=_ROUNDS),
    Row("deliver-4", "delivered and acknowledged, 4 subscribers in all", 4, is_delivery=True, most_rounds=_ROUNDS),
)

MOST_SUBSCRIBERS = max(row.workers for row in ROWS if row.is_delivery)


@frozen
class Load:
    """How much is done for one figure.

    Args:
        messages: What is published at most, and pushed of memory messages.
        seconds: How long is published, at most.
        call_seconds: How long is called.
        links: How many links there are at once where links are measured.
        queued: How many messages there are in a long queue.
    """

    messages: int = 50_000
    seconds: float = 2.0
    call_seconds: float = 1.0
    links: int = 1000
    queued: int = 1_000_000

    @property
    def guaranteed(self) -> int:
        """How many guaranteed messages are delivered to each subscriber; these take longer than others."""
        return max(1, self.messages // 5)


SHORT = Load(messages=100, seconds=0.2, call_seconds=0.05, links=5, queued=2000)
"""Just enough to see that each row works."""


@frozen
class Figure:
    """What was measured once.

    Args:
        value: What the row says.
        cpu: Microseconds that each took of the processors, in all processes together; None where that is not known.
    """

    value: float
    cpu: float | None = None


class Skipped(Exception):
    """A contestant cannot be measured here; the text says why."""


class MeasureFailed(Exception):
    """A figure could not be had; the text says why."""


class Contestant(Protocol):
    """Something that is measured while it runs; `facts` are sentences on what it is and how it is set."""

    name: str
    facts: list[str]

    def knows(self, row: Row) -> bool:
        """Tell whether the row concerns it."""
        ...

    async def measure(self, row: Row, load: Load) -> Figure:
        """Return how many there were a second, or what else the row says.

        Raises:
            MeasureFailed: When there is no figure.
        """
        ...


def check_counts(answers: Sequence[Mapping[str, Any]], messages: int) -> None:
    """See that each subscriber was given every message once.

    Raises:
        MeasureFailed: When one was given more or fewer.
    """
    counts = [answer["count"] for answer in answers]
    if any(count != messages for count in counts):
        msg = f"{counts} messages came, not {messages} to each"
        raise MeasureFailed(msg)


@define
class Quota:
    """What publishers that run side by side have still to publish: until so many, or until the time is over."""

    messages: int
    seconds: float
    confirmed: int = 0
    began_at: float = field(factory=time.monotonic)

    def take(self) -> bool:
        """Tell whether there is another to publish."""
        if self.messages <= 0 or time.monotonic() >= self.began_at + self.seconds:
            return False
        self.messages -= 1
        return True

    def result(self) -> dict[str, float]:
        """Return how many were confirmed, in how many seconds since when."""
        ended_at = time.monotonic()
        return {"confirmed": self.confirmed, "seconds": ended_at - self.began_at, "began_at": self.began_at}
