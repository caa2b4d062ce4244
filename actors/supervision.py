"""How actors are to be started, restarted and stopped: data, which `runtime.supervisor` carries out.

The words and their meaning are those of Erlang/OTP, with backoff added. One thing differs: an actor's children
and its mailbox outlive its crash, so that a restart concerns that actor only; they end when it is stopped, or
when they crash more often than its `intensity` allows, which crashes it with all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from attrs import field, frozen, validators

from actors.mailbox import MailboxLimits

if TYPE_CHECKING:
    from actors.actor import Actor

__all__ = ["Backoff", "ChildSpec", "Children", "Intensity", "Restart", "Strategy"]


class Restart(Enum):
    """When an actor that ended is started again."""

    PERMANENT = "permanent"  # always
    TRANSIENT = "transient"  # after a crash only
    TEMPORARY = "temporary"  # never


class Strategy(Enum):
    """Which children are restarted when one of them crashed."""

    ONE_FOR_ONE = "one_for_one"  # that one
    ONE_FOR_ALL = "one_for_all"  # all of them
    REST_FOR_ONE = "rest_for_one"  # that one and those started after it


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

    first: float = field(default=0.5, validator=validators.gt(0))  # seconds that the ceiling starts with
    longest: float = field(default=30.0, validator=_not_below("first"))  # seconds that it doubles to
    # seconds of quiet after which the count starts anew
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
        backoff: The waits between restarts.
        shutdown_timeout: Seconds to end by itself when asked, before it is cancelled.
        mailbox: How much may wait for it.
        has_children: Whether it may have children.
    """

    kind: str = field(validator=validators.min_len(1))
    name: str = field(validator=validators.min_len(1))
    make: Callable[[], Actor]
    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff()
    shutdown_timeout: float = field(default=5.0, validator=validators.ge(0))
    mailbox: MailboxLimits = field(factory=MailboxLimits)
    has_children: bool = True

    @classmethod
    def of(cls, actor: type[Actor], *, name: str = "", make: Callable[[], Actor] | None = None) -> ChildSpec:
        """Return the spec that an actor's class attributes declare.

        Args:
            actor: The class.
            name: Its name, where several actors are of that class.
            make: Makes an instance, where the class takes arguments.
        """
        return cls(
            actor.kind,
            name or actor.name,
            make or actor,
            restart=actor.restart,
            backoff=actor.backoff,
            shutdown_timeout=actor.shutdown_timeout,
            mailbox=actor.mailbox_limits,
            has_children=actor.has_children,
        )


class Children(Protocol):
    """An actor's own children. One that says it has none (`Actor.has_children`) may start none."""

    def start(self, spec: ChildSpec) -> None:
        """Start a child; a child of that kind and name that runs already is left as it is."""
        ...

    async def stop(self, kind: str, name: str) -> None:
        """Ask the child to end, wait its bound, cancel it, and return when it has ended; twice is harmless."""
        ...
