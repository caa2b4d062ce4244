"""Supervised actors that write down what happens to them, for tests of supervision."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from actors import Actor, ActorRef, ChildSpec, Intensity, Strategy
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.testing import SimulatedClock

Step = Callable[[], Awaitable[object]]


class Longest:
    """Entropy whose backoff has no jitter: each wait is as long as its ceiling."""

    def hex_id(self) -> str:
        return "0" * 24

    def uniform(self, _low: float, high: float) -> float:
        return high


class Member(Actor):
    """Writes `+name` when it is up and `-name` when it has ended; crashes, or ends by itself, when told so.

    Args:
        log: Where it writes.
        setup: What it does before it is up.
        ending: What it does when it is asked to end.
        specs: Its children.
        strategy: How they are restarted.
        intensity: How many of their restarts are too many.
    """

    def __init__(
        self,
        log: list[str],
        *,
        setup: Step | None = None,
        ending: Step | None = None,
        specs: Sequence[ChildSpec] = (),
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity | None = None,
    ) -> None:
        self.log = log
        self.strategy = strategy  # type: ignore[misc]
        self.intensity = intensity  # type: ignore[misc]
        self._setup = setup
        self._ending = ending
        self._specs = specs

    async def setup(self) -> None:
        if self._setup is not None:
            await self._setup()
        self.log.append(f"+{self.actor}")

    def child_specs(self) -> Sequence[ChildSpec]:
        return self._specs

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            if self._ending is not None:
                await self._ending()

    async def receive(self, message: Any) -> Any:
        if message == "crash":
            msg = "on purpose"
            raise RuntimeError(msg)
        if message == "end":
            self.stopping.set()
        return message

    async def teardown(self) -> None:
        self.log.append(f"-{self.actor}")


class Family:
    """A supervising actor `top` with its children, under a root; `log` is what happened to whom, in order."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.log: list[str] = []
        self.members: dict[str, Member] = {}
        self.registry = Registry(SimulatedClock())
        self._nursery = nursery
        self.root = self.supervisor(lambda _actor: None)

    def supervisor(self, prepare: Callable[[Actor], None]) -> Supervisor:
        """Return another root in the same registry, whose actors are given what they need by `prepare`."""
        return Supervisor(self._nursery, self.registry, Longest(), prepare=prepare)

    def child(self, name: str, *, options: dict[str, Any] | None = None, **member: Any) -> ChildSpec:
        """Return the spec of a member; `options` are the spec's own."""

        def make() -> Member:
            self.members[name] = Member(self.log, **member)
            return self.members[name]

        return ChildSpec("actor", name, make, **(options or {}))

    async def start(self, strategy: Strategy, *specs: ChildSpec, intensity: Intensity | None = None) -> None:
        """Start `top` with these children, wait until all are up, and forget what was written so far."""
        self.root.start(self.child("top", specs=specs, strategy=strategy, intensity=intensity))
        await trio.testing.wait_all_tasks_blocked()
        self.log.clear()

    def tell(self, name: str, message: str) -> None:
        ActorRef(f"actor:{name}", self.registry).tell_nowait(message)

    async def ask(self, name: str, message: str = "hello", **options: Any) -> Any:
        return await ActorRef(f"actor:{name}", self.registry).ask(message, **options)

    async def happens(self, message: str, *names: str, within: float = 100.0) -> list[str]:
        """Tell some members something, all at once, let time pass, and return what was written meanwhile."""
        self.log.clear()
        for name in names:
            self.tell(name, message)
        await trio.sleep(within)
        return list(self.log)

    def entry(self, name: str) -> dict[str, Any]:
        return next(one for one in self.registry.snapshot() if one["name"] == name)

    def running(self) -> list[str]:
        """Return the names of all that are up."""
        return [one["name"] for one in self.registry.snapshot() if one["state"] == "running"]
