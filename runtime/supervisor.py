"""Runs actors as child specs say: starts them, restarts them when they crash, stops them in reverse order.

Each actor has a nursery of its own for its children, opened before the actor's first start and kept over its
restarts. So a crash concerns one actor only: its mailbox and its children go on. When a child has crashed more
often than its intensity allows, the actor above it crashes, and starts anew without children; a child right
under the root, which has nothing above it, is left as `failed`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio
from attrs import define, field

from actors.actor import Actor
from actors.errors import ActorStopped, IsthmusError
from actors.failures import single
from actors.ports import Entropy
from actors.ref import actor_name
from actors.retry import BackoffState
from actors.supervision import ChildSpec, Restart
from runtime.registry import Entry, Registry
from runtime.restart import RestartWindow

__all__ = ["Supervisor", "TooManyRestarts"]

TEARDOWN_TIMEOUT = 5.0
"""Seconds that an actor's teardown may take."""

_log = structlog.get_logger()


class TooManyRestarts(IsthmusError):
    """A child crashed more often than its restart intensity allows."""


@define(eq=False)
class _Child:
    """A child, over all its restarts."""

    spec: ChildSpec
    entry: Entry
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    stop_asked: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)
    instance: Actor | None = None

    def ask_to_stop(self) -> None:
        self.stop_asked.set()
        if self.instance is not None:
            self.instance.stopping.set()


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
        self._prepare = prepare
        self._children: dict[str, _Child] = {}

    def start(self, spec: ChildSpec) -> None:
        """Start a child; a child of that kind and name that runs already is left as it is.

        Raises:
            ValueError: When another actor has that child among its own.
        """
        key = actor_name(spec.kind, spec.name)
        if key in self._children:
            return
        entry = self._registry.add(spec.kind, spec.name, self._parent, spec.max_mailbox)
        child = _Child(spec, entry)
        self._children[key] = child
        self._nursery.start_soon(self._run_child, key, child)

    async def stop(self, kind: str, name: str) -> None:
        """Ask the child to end, wait its bound, cancel it, and return when it has ended."""
        child = self._children.get(actor_name(kind, name))
        if child is None:
            return
        child.ask_to_stop()
        with trio.move_on_after(child.spec.shutdown_timeout):
            await child.ended.wait()
        child.scope.cancel()
        await child.ended.wait()

    async def stop_all(self, kinds: tuple[str, ...] = ()) -> None:
        """Stop the children of these kinds, or all, in the reverse order of their start."""
        for child in reversed(list(self._children.values())):
            if not kinds or child.spec.kind in kinds:
                await self.stop(child.spec.kind, child.spec.name)

    async def _run_child(self, key: str, child: _Child) -> None:
        try:
            with child.scope:
                await self._keep_running(key, child)
        finally:
            child.entry.mailbox.close(ActorStopped(f"{key!r} has been stopped"))
            self._registry.remove(child.entry)
            del self._children[key]
            child.ended.set()

    async def _keep_running(self, key: str, child: _Child) -> None:
        """Run the child with a nursery for its own children, which a give-up of one of those tears down."""
        restarts = _Restarts(child, self._entropy)
        while not child.stop_asked.is_set():
            try:
                async with trio.open_nursery() as nursery:
                    children = Supervisor(nursery, self._registry, self._entropy, parent=key, prepare=self._prepare)
                    await self._restart_until_done(child, children, restarts)
                    await children.stop_all()
            except* TooManyRestarts as group:
                failure: Exception | None = group
            else:
                failure = None
            if failure is None:
                return
            if not await restarts.wait_after(single(failure)):
                await self._give_up(key, child)

    async def _restart_until_done(self, child: _Child, children: Supervisor, restarts: _Restarts) -> None:
        while not child.stop_asked.is_set():
            error = await self._run_once(child, children)
            if child.stop_asked.is_set() or child.spec.restart is Restart.TEMPORARY:
                return
            if error is None and child.spec.restart is Restart.TRANSIENT:
                return
            if not await restarts.wait_after(error):
                await self._give_up(actor_name(child.spec.kind, child.spec.name), child)

    async def _give_up(self, key: str, child: _Child) -> None:
        msg = f"{key!r} crashed more often than its restart intensity allows; last: {child.entry.last_error}"
        if self._parent:
            raise TooManyRestarts(msg)
        _log.error("gave up", kind=child.spec.kind, actor=child.spec.name, error=child.entry.last_error)
        child.entry.show("failed")
        await child.stop_asked.wait()

    async def _run_once(self, child: _Child, children: Supervisor) -> Exception | None:
        """Run one instance from setup to teardown; return what it crashed with."""
        spec, entry = child.spec, child.entry
        try:
            entry.show("starting")
            actor = spec.make()
            actor.attach(
                kind=spec.kind,
                name=spec.name,
                mailbox=entry.mailbox,
                directory=self._registry,
                children=children,
                progress=entry,
            )
            self._prepare(actor)
            child.instance = actor
            if child.stop_asked.is_set():
                return None
            try:
                await actor.setup()
                if entry.state == "starting":
                    entry.show("running")
                await actor.run()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + TEARDOWN_TIMEOUT):
                    await actor.teardown()
        except Exception as error:  # an actor's boundary: a crash is a fact to act on
            return self._note_crash(child, error)
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if rest is not None and isinstance(rest, Exception):
                self._note_crash(child, rest)
            if cancelled is not None:
                raise cancelled from None
            raise
        finally:
            child.instance = None
            entry.mailbox.return_lent()
        return None

    def _note_crash(self, child: _Child, error: Exception) -> Exception:
        cause = single(error)
        child.entry.last_error = f"{type(cause).__name__}: {cause}"
        _log.error(
            "crashed",
            kind=child.spec.kind,
            actor=child.spec.name,
            error=child.entry.last_error,
            exc_info=cause,
        )
        return cause


class _Restarts:
    """Decides about one child's restarts and waits before each."""

    def __init__(self, child: _Child, entropy: Entropy) -> None:
        self._child = child
        self._entropy = entropy
        self._backoff = BackoffState(child.spec.backoff)
        self._window = None if child.spec.intensity is None else RestartWindow(child.spec.intensity)
        self._started_at = trio.current_time()

    async def wait_after(self, error: Exception | None) -> bool:
        """Wait for the next restart, or for the wish to stop; False when there were too many already."""
        now = trio.current_time()
        entry = self._child.entry
        if self._window is not None and error is not None and not self._window.allows(now):
            return False
        self._backoff.succeeded_for(now - self._started_at)
        delay = self._backoff.next_delay(self._entropy.uniform)
        entry.restarts += 1
        entry.show("restarting", delay=round(delay, 3))
        with trio.move_on_after(delay):
            await self._child.stop_asked.wait()
        self._started_at = trio.current_time()
        return True
