"""How actors are to be started, restarted and stopped: data, which `runtime.supervisor` carries out.

The words and their meaning are those of Erlang/OTP, with backoff added. One thing differs: an actor's children
and its mailbox outlive its crash, so that a restart concerns that actor only; they end when it is stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen, validators

if TYPE_CHECKING:
    from actors.actor import Actor

__all__ = ["Backoff", "ChildSpec", "Children", "Intensity", "Restart"]


class Restart(Enum):
    """When an actor that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # after a crash only
    TEMPORARY = "temporary"  # never


def _not_below(attribute: str) -> Callable[[object, object, float], None]:
    def check(instance: object, _attribute: object, value: float) -> None:
        low = getattr(instance, attribute)
        if value < low:
            msg = f"{attribute} is {low}, more than its limit {value}"
            raise ValueError(msg)

    return check


@frozen
class Backoff:
    """How long to wait before the next attempt: full jitter below a ceiling that doubles.

    `first` and `longest` are seconds; after `reset_after` seconds of quiet the count starts anew.
    """

    first: float = field(default=0.5, validator=validators.gt(0))
    longest: float = field(default=30.0, validator=_not_below("first"))
    reset_after: float = field(default=10.0, validator=validators.ge(0))


@frozen
class Intensity:
    """At most `restarts` restarts within `period` seconds, then the supervisor gives up."""

    restarts: int = field(default=3, validator=validators.ge(0))
    period: float = field(default=5.0, validator=validators.gt(0))


@frozen
class ChildSpec:
    """One actor to run.

    Args:
        kind: What it is: service, channel, session, outgoing, topic, subscription or actor.
        name: Its name among its kind.
        make: Makes a fresh instance for each start.
        restart: When it is started again.
        intensity: How many restarts are too many; None for no limit.
        backoff: The waits between restarts.
        shutdown_timeout: Seconds to end by itself when asked, before it is cancelled.
        max_mailbox: How many messages may wait for it.
    """

    kind: str = field(validator=validators.min_len(1))
    name: str = field(validator=validators.min_len(1))
    make: Callable[[], Actor]
    restart: Restart = Restart.PERMANENT
    intensity: Intensity | None = None
    backoff: Backoff = Backoff()
    shutdown_timeout: float = field(default=5.0, validator=validators.ge(0))
    max_mailbox: int = field(default=10_000, validator=validators.gt(0))


class Children(Protocol):
    """An actor's own children."""

    def start(self, spec: ChildSpec) -> None:
        """Start a child; a child of that kind and name that runs already is left as it is."""
        ...

    async def stop(self, kind: str, name: str) -> None:
        """Ask the child to end, wait its bound, cancel it, and return when it has ended; twice is harmless."""
        ...
