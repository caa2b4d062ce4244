"""Services under a supervisor, without clusters, links or sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from actors import Actor, ActorRef, ChildSpec, Service
from actors.ref import actor_name
from actors.services.call import Call
from runtime.ports import SystemClock, SystemEntropy, SystemThreads
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.testing import InlineThreads, SeededEntropy


class Supervised:
    """A supervisor with a registry, and the services that a test starts under it.

    Tests that let time pass take `autojump_clock` as an argument; those with worker threads cannot, since the clock
    would jump over the work of a thread.
    """

    def __init__(self, nursery: trio.Nursery, config: Mapping[str, Any]) -> None:
        self.registry = Registry(SystemClock())
        self.root = Supervisor(nursery, self.registry, SystemEntropy(), prepare=self._prepare)
        self._config = config

    def _prepare(self, actor: Actor) -> None:
        actor.config = self._config
        assert isinstance(actor, Service)
        threads, entropy = SystemThreads(), SystemEntropy()
        inline = InlineThreads(SeededEntropy(0))
        actor.equip(threads=threads, processes=inline, clock=SystemClock(), entropy=entropy)

    def start(self, *classes: type[Service]) -> None:
        for cls in classes:
            self.root.start(ChildSpec.of(cls))

    async def ask(self, name: str, data: object = None, **options: Any) -> Any:
        return await ActorRef(actor_name("service", name), self.registry).ask(Call(data), **options)

    def entry(self, name: str) -> dict[str, Any]:
        return next(one for one in self.registry.snapshot() if one["name"] == name)
