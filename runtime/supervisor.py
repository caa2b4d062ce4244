"""Runs actors as child specs say: starts them in order, restarts them when they crash, stops them in reverse.

Each actor has a nursery of its own for its children, opened before the actor's first start and kept over its
restarts. So a crash concerns one actor only, and where its supervisor's strategy says so its siblings: its mailbox
and its children go on. When the children of an actor crash more often than its intensity allows, that actor crashes
with all of them and starts anew. The root, which has nothing above it, has no limit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog
import trio

from actors.actor import Actor
from actors.errors import ActorStopped, IsthmusError
from actors.failures import single
from actors.ports import Entropy
from actors.pulse import Latch
from actors.ref import actor_name
from actors.retry import BackoffState
from actors.supervision import ChildSpec, Intensity, Restart, Strategy
from runtime.child import Child, end_instance, hold, release, wants_restart
from runtime.registry import Registry
from runtime.restart import RestartWindow

__all__ = ["Supervisor", "TooManyRestarts"]

TEARDOWN_TIMEOUT = 5.0
"""Seconds that an actor's teardown may take."""

_log = structlog.get_logger()


class TooManyRestarts(IsthmusError):
    """The children of a supervisor crashed more often than its restart intensity allows."""

    def __init__(self, supervisor: str, last_error: str) -> None:
        super().__init__(
            f"the children of {supervisor!r} crashed more often than its intensity allows; last: {last_error}"
        )
        self.supervisor = supervisor


class _NoChildren:
    """What an actor is given as its children that may have none."""

    def start(self, spec: ChildSpec) -> None:
        msg = f"{actor_name(spec.kind, spec.name)!r} is not started: whoever starts it says that it has no children"
        raise IsthmusError(msg)

    async def stop(self, kind: str, name: str) -> None:
        """There is none."""


_NO_CHILDREN = _NoChildren()


class Supervisor:
    """The children of one actor, or of the root.

    Args:
        nursery: Where the children run.
        registry: Where they are known by name.
        entropy: The jitter of their backoff.
        parent: The name of the actor above them; empty for the root.
        prepare: Hands a fresh instance what its class needs beyond its place, before it runs.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        registry: Registry,
        entropy: Entropy,
        *,
        parent: str = "",
        prepare: Callable[[Actor], None] = lambda _actor: None,
    ) -> None:
        self._nursery = nursery
        self._registry = registry
        self._entropy = entropy
        self._parent = parent
        self._strategy = Strategy.ONE_FOR_ONE
        self._window: RestartWindow | None = None
        self._prepare = prepare
        self._children: dict[str, Child] = {}

    def follow(self, strategy: Strategy, intensity: Intensity | None) -> None:
        """Say which children are restarted when one crashed, and how many restarts are too many; None: no limit."""
        self._strategy = strategy
        if intensity is None:
            self._window = None
        elif self._window is None or self._window.intensity != intensity:
            self._window = RestartWindow(intensity)

    # Starting and stopping

    def start(self, spec: ChildSpec) -> None:
        """Start a child; a child of that kind and name that runs already is left as it is.

        Raises:
            ValueError: When another actor has that child among its own.
        """
        self._start(spec, is_ordered=False)

    async def start_in_order(self, specs: Sequence[ChildSpec]) -> None:
        """Start children, each when the one before is up or has crashed; they are stopped in reverse.

        Raises:
            ValueError: When a name is there twice, or taken; nothing has been started then.
        """
        keys = [actor_name(spec.kind, spec.name) for spec in specs]
        for key in keys:
            if keys.count(key) > 1 or (key not in self._children and self._registry.find_mailbox(key) is not None):
                msg = f"there is an actor {key!r} already"
                raise ValueError(msg)
        for spec in specs:
            child = self._start(spec, is_ordered=True)
            await child.is_up.wait()

    def _start(self, spec: ChildSpec, *, is_ordered: bool) -> Child:
        key = actor_name(spec.kind, spec.name)
        if key not in self._children:
            entry = self._registry.add(spec.kind, spec.name, self._parent, spec.mailbox)
            child = self._children[key] = Child(spec, entry, is_ordered, BackoffState(spec.backoff))
            self._nursery.start_soon(self._run_child, child)
        return self._children[key]

    async def replace(self, spec: ChildSpec) -> None:
        """Put another spec in a child's place, and return when its first instance is up or has crashed.

        What waits in the mailbox stays there, what the old instance has in hand it finishes within its bound, and
        then its children end; no restart is counted. A child that is being stopped is waited for; without one of that
        name this starts it. Cancellation leaves a running child: of the old spec or of the new one.
        """
        child = self._children.get(actor_name(spec.kind, spec.name))
        if child is not None and child.spec.restart is Restart.TEMPORARY:
            await self._stop(child, child.spec.shutdown_timeout)
        elif child is not None and not child.stop_asked.is_set():
            await self._change(child, spec)
        if child is None or child.stop_asked.is_set():
            if child is not None:
                await child.ended.wait()
            await self._start(spec, is_ordered=False).is_up.wait()

    async def _change(self, child: Child, spec: ChildSpec) -> None:
        """End a child's instance and let the next one be of another spec, unless the child is stopped meanwhile."""
        held = hold(child)
        child.is_changing = True
        try:
            await end_instance(child)
            child.spec = spec
            child.entry.mailbox.limits = spec.mailbox
            child.backoff = BackoffState(spec.backoff)
        finally:
            if child.released is held and not child.stop_asked.is_set():
                child.is_wanted_now.set()
                child.is_wanted_now = Latch()
                await release(child)

    def revise(self, spec: ChildSpec) -> None:
        """Have a child's further instances be of another spec, and the one that runs adopt what that one would be.

        Nothing is ended; a child that does not run or is being stopped is left alone.
        """
        child = self._children.get(actor_name(spec.kind, spec.name))
        if child is None or child.stop_asked.is_set():
            return
        child.spec = spec
        child.entry.mailbox.limits = spec.mailbox
        if child.instance is not None:
            child.instance.adopt(spec.make())

    async def wait_up(self, kinds: tuple[str, ...]) -> None:
        """Wait until the first setup of each child of these kinds has ended, one way or the other."""
        for child in list(self._children.values()):
            if child.spec.kind in kinds:
                await child.is_up.wait()

    async def stop(self, kind: str, name: str) -> None:
        """Ask the child to end, wait its bound, cancel it, and return when it has ended."""
        child = self._children.get(actor_name(kind, name))
        if child is not None:
            await self._stop(child, child.spec.shutdown_timeout)

    async def _stop(self, child: Child, timeout: float) -> None:
        child.ask_to_stop()
        with trio.move_on_after(timeout):
            await child.ended.wait()
        child.scope.cancel()
        await child.ended.wait()

    async def stop_all(self, kinds: tuple[str, ...] = (), *, at_once: bool = False) -> None:
        """Stop the children of these kinds, or all: first those without an order side by side, then in reverse.

        `at_once` cancels them without waiting for them to end by themselves.
        """
        children = [one for one in self._children.values() if not kinds or one.spec.kind in kinds]
        async with trio.open_nursery() as nursery:
            for child in children:
                if not child.is_ordered:
                    nursery.start_soon(self._stop, child, 0.0 if at_once else child.spec.shutdown_timeout)
        for child in reversed(children):
            await self._stop(child, 0.0 if at_once else child.spec.shutdown_timeout)

    # A child's life

    async def _run_child(self, child: Child) -> None:
        try:
            with child.scope:
                await self._keep_running(child)
        finally:
            child.entry.mailbox.close(ActorStopped(f"{child.key!r} has been stopped"))
            self._registry.remove(child.entry)
            del self._children[child.key]
            child.is_up.set()
            child.has_run.set()
            child.ended.set()

    async def _keep_running(self, child: Child) -> None:
        """Run the child with a nursery for its own children, which too many crashes of those tear down."""
        if not child.spec.has_children:
            await self._run_instances(child, None)
            return
        while not child.stop_asked.is_set():
            failure: Exception | None = None
            try:
                async with trio.open_nursery() as nursery:
                    await self._run_instances(child, nursery)
            except* TooManyRestarts as group:
                failure = single(group)
            if failure is None:
                return
            if isinstance(failure, TooManyRestarts) and failure.supervisor != child.key:
                raise failure  # this child was one too many of ours
            self._note_crash(child, failure)
            await self._wait_for_restart(child, failure)

    async def _run_instances(self, child: Child, nursery: trio.Nursery | None) -> None:
        children = None
        if nursery is not None:
            children = Supervisor(nursery, self._registry, self._entropy, parent=child.key, prepare=self._prepare)
        while not child.stop_asked.is_set():
            if child.released is not None:
                await child.released.wait()
                continue
            if child.is_changing:
                child.is_changing = False
                await _stop_all(children)
            started_at = trio.current_time()
            try:
                error = await self._run_instance(child, children)
            finally:
                child.backoff.succeeded_for(trio.current_time() - started_at)
            if child.is_changing:
                continue  # the version that follows waits for nothing
            if not wants_restart(child, error):
                break
            await self._wait_for_restart(child, error)
        await _stop_all(children)

    async def _run_instance(self, child: Child, children: Supervisor | None) -> Exception | None:
        """Run one instance from setup to teardown; return what it crashed with."""
        child.has_run = Latch()
        error: Exception | None = None
        try:
            with trio.CancelScope() as child.run_scope:
                await self._live(child, children)
        except Exception as problem:  # an actor's boundary: a crash is a fact to act on
            error = problem
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if isinstance(rest, Exception):
                self._note_crash(child, rest)
            if cancelled is not None:
                raise cancelled from None
            raise
        finally:
            child.instance = None
            child.entry.mailbox.return_lent()
            if child.released is None:
                child.is_up.set()  # a crash in setup holds nobody up, a restart with others does
            child.has_run.set()
        if error is not None:
            self._note_crash(child, error)
        return error

    async def _live(self, child: Child, children: Supervisor | None) -> None:
        entry = child.entry
        entry.show("starting")
        actor = child.spec.make()
        actor.attach(
            name=child.spec.name,
            mailbox=entry.mailbox,
            directory=self._registry,
            children=children or _NO_CHILDREN,
            progress=entry,
        )
        self._prepare(actor)
        if children is not None:
            children.follow(actor.strategy, actor.intensity)
        child.instance = actor
        try:
            await actor.setup()
            if children is not None:
                await children.start_in_order(actor.child_specs())
            if entry.state == "starting":
                entry.show("running")
            child.is_up.set()
            await actor.run()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + TEARDOWN_TIMEOUT):
                await actor.teardown()

    # Restarts

    async def _wait_for_restart(self, child: Child, error: Exception | None) -> None:
        """Wait for the restart of a child that crashed or ended, and of those that share its fate.

        Raises:
            TooManyRestarts: When this is one restart too many; the supervisor's actor crashes with it.
        """
        if child.released is not None:
            return  # it has shared a sibling's fate since, and waits with the others
        await trio.lowlevel.checkpoint_if_cancelled()  # what it raised while it was cancelled is nobody's crash
        if self._window is not None and error is not None and not self._window.allows(trio.current_time()):
            raise TooManyRestarts(self._parent, child.entry.last_error)
        group = self._sharing_fate(child)
        if len(group) == 1:
            await self._back_off(child, group)
        else:
            self._nursery.start_soon(self._restart_together, child, {one: hold(one) for one in group})

    async def _back_off(self, first: Child, group: Sequence[Child]) -> None:
        """Wait as the backoff of `first` says; all of its group show when they start."""
        delay = first.backoff.next_delay(self._entropy.uniform)
        for one in group:
            reason = first.entry.last_error or "ended" if one is first else f"restarted together with {first.key!r}"
            one.entry.note_restart(reason, delay)
        with trio.move_on_after(delay):
            await first.is_wanted_now.wait()

    async def _restart_together(self, first: Child, held: dict[Child, Latch]) -> None:
        """End the instances of a group in reverse order, wait as `first` has to, and start them in order.

        A task of its own, so that no stop of one of them keeps the others from coming back. A sibling that was started
        before them and crashes meanwhile takes them over; then they wait for that one.
        """

        def ours() -> list[Child]:
            return [one for one, released in held.items() if one.released is released and not one.ended.is_set()]

        for one in reversed(held):
            await end_instance(one)
        await self._back_off(first, ours())
        for one in held:
            if one in ours():
                await release(one)

    def _sharing_fate(self, child: Child) -> list[Child]:
        """Return the children that are restarted together with one of them, itself too, in the order of their start."""
        everyone = list(self._children.values())
        if self._strategy is Strategy.ONE_FOR_ONE:
            return [child]
        if self._strategy is Strategy.REST_FOR_ONE:
            everyone = everyone[everyone.index(child) :]
        return [one for one in everyone if one is child or not one.stop_asked.is_set()]

    def _note_crash(self, child: Child, error: Exception) -> None:
        cause = single(error)
        child.entry.note_crash(f"{type(cause).__name__}: {cause}")
        _log.error(
            "crashed",
            kind=child.spec.kind,
            actor=child.spec.name,
            error=child.entry.last_error,
            exc_info=cause,
        )


async def _stop_all(children: Supervisor | None) -> None:
    if children is not None:
        await children.stop_all()
