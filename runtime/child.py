"""A child of a supervisor over all its instances, and the steps by which these are ended, held and let go."""

from __future__ import annotations

import trio
from attrs import define, field

from actors.actor import Actor
from actors.pulse import Latch
from actors.retry import BackoffState
from actors.supervision import ChildSpec, Restart
from runtime.registry import Entry

__all__ = ["Child", "end_instance", "hold", "release", "wants_restart"]


@define(eq=False)
class Child:
    """A child, over all its restarts."""

    spec: ChildSpec
    entry: Entry
    is_ordered: bool
    backoff: BackoffState
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    run_scope: trio.CancelScope = field(factory=trio.CancelScope)
    stop_asked: Latch = field(factory=Latch)
    is_wanted_now: Latch = field(factory=Latch)
    is_up: Latch = field(factory=Latch)
    has_run: Latch = field(factory=lambda: Latch(is_set=True))
    ended: Latch = field(factory=Latch)
    released: Latch | None = None
    is_changing: bool = False
    instance: Actor | None = None

    @property
    def key(self) -> str:
        """The name under which the registry knows it."""
        return self.entry.key

    def ask_to_stop(self) -> None:
        """Have it end for good."""
        self.stop_asked.set()
        self.is_wanted_now.set()
        if self.released is not None:
            self.released.set()
        self.ask_instance_to_stop()

    def ask_instance_to_stop(self) -> None:
        """Have the instance of the moment end, if there is one."""
        if self.instance is not None:
            self.instance.stopping.set()


def hold(child: Child) -> Latch:
    """Keep the next instance of a child from starting; return what releases it, unless somebody else holds it then."""
    before, child.released = child.released, Latch()
    if before is not None:
        before.set()
    return child.released


async def release(child: Child) -> None:
    """Let a held child start, and wait until it is up."""
    released, child.released = child.released, None
    if child.is_up.is_set():
        child.is_up = Latch()
    if released is not None:
        released.set()
    await child.is_up.wait()


async def end_instance(child: Child) -> None:
    """Ask a child's instance to end, wait its bound, cancel it, and return when it has ended."""
    has_run, run_scope = child.has_run, child.run_scope
    child.ask_instance_to_stop()
    with trio.move_on_after(child.spec.shutdown_timeout):
        await has_run.wait()
    run_scope.cancel()
    await has_run.wait()


def wants_restart(child: Child, error: Exception | None) -> bool:
    """Tell whether a child whose instance has ended is to be started again."""
    if child.stop_asked.is_set():
        return False
    if child.released is not None:
        return child.spec.restart is not Restart.TEMPORARY
    if child.spec.restart is Restart.TRANSIENT:
        return error is not None
    return child.spec.restart is Restart.PERMANENT
