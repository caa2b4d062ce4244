"""Whether a server is ready: its channels listen, its store can be written, and it has the links that it requires."""

from __future__ import annotations

from collections.abc import Callable

import trio
from attrs import frozen

from actors.errors import StoreFailed
from actors.ref import actor_name
from runtime.config.names import connection_name
from runtime.config.schema import ClusterSettings, StoreKind
from runtime.registry import Registry
from runtime.store.gauges import StoreGauges

__all__ = ["NotReady", "Readiness"]

STORE_TIMEOUT = 5.0
"""Seconds that the store may take to write."""

STORE_INTERVAL = 1.0
"""Seconds for which what was found of the store holds, so that those who ask often do not keep it busy."""

_LINKED = ("ready", "throttled")


@frozen
class NotReady:
    """Something that a server waits for: what, which one, and how it is."""

    what: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"{' '.join(filter(None, (self.what, self.name)))}: {self.reason}"

    def as_dict(self) -> dict[str, str]:
        """Return it as JSON can say it."""
        return {"what": self.what, "name": self.name, "reason": self.reason}


class Readiness:
    """Looks at a server.

    Args:
        settings: Gives what the cluster is set to now.
        registry: All actors.
        store: How the store is.
        phase: Tells `running`, or why the server as a whole is not: `starting`, `stopping`.
    """

    def __init__(
        self,
        settings: Callable[[], ClusterSettings],
        registry: Registry,
        store: StoreGauges,
        phase: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._store = store
        self._phase = phase
        self._looking = trio.Lock()
        self._looked_at = -STORE_INTERVAL
        self._store_problem = ""

    async def missing(self) -> list[NotReady]:
        """Return what a server waits for; nothing where it is ready."""
        settings = self._settings()
        found = []
        if (phase := self._phase()) != "running":
            found.append(NotReady("server", "", phase))
        for name, channel in settings.channels.items():
            if channel.active and (reason := self._why_not("listener", name, ("listening",))):
                found.append(NotReady("channel", name, reason))
        for name, outgoing in settings.outgoing.items():
            if outgoing.required and (reason := self._why_not("outgoing", connection_name(name), _LINKED)):
                found.append(NotReady("outgoing", name, reason))
        if reason := await self._store_reason(settings):
            found.append(NotReady("store", settings.store.kind.value, reason))
        return found

    def _why_not(self, kind: str, name: str, wanted: tuple[str, ...]) -> str:
        """Return why an actor is in none of the states that are wanted, empty where it is in one."""
        entry = self._registry.find(actor_name(kind, name))
        if entry is None:
            return "not there yet"
        reason = entry.detail.get("reason", "")
        return "" if entry.state in wanted else f"{entry.state}: {reason}" if reason else entry.state

    async def _store_reason(self, settings: ClusterSettings) -> str:
        if settings.store.kind is StoreKind.SQLITE and self._store.not_durable:
            return self._store.not_durable
        async with self._looking:
            if trio.current_time() >= self._looked_at + STORE_INTERVAL:
                self._store_problem = await self._write()
                self._looked_at = trio.current_time()
        return self._store_problem

    async def _write(self) -> str:
        try:
            with trio.fail_after(STORE_TIMEOUT):
                await self._store.write()
        except StoreFailed as error:
            return str(error)
        except trio.TooSlowError:
            return f"it did not write within {STORE_TIMEOUT:g} s"
        return ""
