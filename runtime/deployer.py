"""Hot deployment: when files of services change, their new versions take the places of those that run.

What is new is loaded first, all of it or nothing, and looked at as at a start; a file that cannot be loaded leaves the
old versions running, and the log and the registry say why. Which modules those are is `runtime.modules`' business; how
one version takes the place of another the supervisor's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

import structlog
import trio
import watchfiles
from attrs import field, frozen

from actors.actor import Actor
from actors.audit import AuditEvent, AuditResult
from actors.ports import Clock, Threads
from actors.services.service import Service
from actors.services.service_hooks import may_be_deployed, tell_deployed
from runtime.modules import Check, Loaded, Modules

__all__ = ["Deployer", "Deployment", "is_deployable", "tell_all_deployed", "watch_files"]

LOOK_INTERVAL = 5.0
"""Seconds after which files are looked at although nobody told of a change: not every file system tells."""

QUIET_FOR = 0.1
"""Seconds without another change that end a burst of them."""

Watch = Callable[[Sequence[Path], trio.Event], AsyncGenerator[object, None]]
"""Gives something whenever files in folders may have changed, until the event is set."""


def watch_files(folders: Sequence[Path], stop: trio.Event) -> AsyncGenerator[object, None]:
    """Watch folders of this machine; see `Watch`."""
    return watchfiles.awatch(
        *folders,
        watch_filter=watchfiles.PythonFilter(),
        step=int(QUIET_FOR * 1000),
        rust_timeout=int(LOOK_INTERVAL * 1000),
        yield_on_timeout=True,
        stop_event=stop,
    )


@frozen
class Deployment:
    """What a server hands in for hot deployment.

    Args:
        modules: The modules of its cluster.
        check: Looks at their classes before they are taken.
        renew: Called when others have been taken: has worker processes load them, too.
        watch: Tells when to look.
        lock: Held while files are loaded and deployed; whoever changes the configuration holds it, too.
    """

    modules: Modules
    check: Check
    renew: Callable[[], Awaitable[None]]
    watch: Watch = watch_files
    lock: trio.Lock = field(factory=trio.Lock)


class Deployer(Actor):
    """Looks at files of services when they may have changed, and deploys what has.

    It shows `watching`, or `failed` with the reason, and how often and when it deployed last.

    Args:
        deployment: What to watch, and how.
        deploy: Puts other versions of users' actors in the places of those that run.
        clock: When that was.
        threads: Files are read and modules loaded off the event loop.
    """

    kind = "deployer"
    name = "hot-deploy"
    autostart = False
    shutdown_timeout = 10.0

    def __init__(
        self,
        deployment: Deployment,
        deploy: Callable[[Sequence[type[Actor]]], Awaitable[None]],
        *,
        clock: Clock,
        threads: Threads,
    ) -> None:
        self._deployment = deployment
        self._deploy = deploy
        self._clock = clock
        self._threads = threads
        self._facts: dict[str, object] = {}
        self._deployed = 0

    async def run(self) -> None:
        """Watch until asked to stop; a deployment under way is finished then."""
        folders = self._deployment.modules.folders
        self._facts = {"folders": [str(one) for one in folders], "deployed": self._deployed}
        self.progress.show("watching", **self._facts)
        self._log.info("watching", folders=self._facts["folders"])
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_watching, stop)
            async with aclosing(self._deployment.watch(folders, stop)) as looks:
                async for _look in looks:
                    await self._look()
            nursery.cancel_scope.cancel()

    async def _stop_watching(self, stop: trio.Event) -> None:
        try:
            await self.stopping.wait()
        finally:  # the watching thread is not cancelled, it is told
            stop.set()

    async def _look(self) -> None:
        """Look, unless the configuration is being changed: then the next look finds what there is."""
        try:
            self._deployment.lock.acquire_nowait()
        except trio.WouldBlock:
            return
        try:
            await self._look_at_files()
        finally:
            self._deployment.lock.release()

    async def _look_at_files(self) -> None:
        modules, check = self._deployment.modules, self._deployment.check
        loaded = await self._threads.run_sync(lambda: modules.refresh(check))
        if loaded is None:
            return
        for path in loaded.missing:
            self._log.warning("a file of services is gone; what it declared goes on", file=path)
        if loaded.problems:
            self._refuse(loaded)
        elif loaded.files:
            await self._take(loaded)
        else:
            self.progress.show("watching", **self._facts)

    def _refuse(self, loaded: Loaded) -> None:
        reason = "; ".join(loaded.problems)
        self._log.error("not deployed; the old version goes on", reason=reason, files=list(loaded.files))
        self._note(loaded, AuditResult.FAILED, reason=reason)
        self.progress.show("failed", reason=reason, **self._facts)

    async def _take(self, loaded: Loaded) -> None:
        await self._deployment.renew()
        await self._deploy(loaded.classes)
        self.progress.count("handled")
        self._deployed += 1
        at = self._clock.utc_now().isoformat(timespec="milliseconds") + "Z"
        self._facts |= {"deployed": self._deployed, "deployed_at": at}
        self.progress.show("watching", **self._facts)
        self._log.info("deployed", files=list(loaded.files))
        self._note(loaded, AuditResult.DONE)

    def _note(self, loaded: Loaded, result: AuditResult, **facts: str) -> None:
        files = [str(file) for file in loaded.files]
        self.audit.note(AuditEvent.DEPLOYMENT, result, who="whoever changed the files", files=files, **facts)


def is_deployable(cls: type[Actor]) -> bool:
    """Tell whether a version of an actor is to run; services may have a say in it."""
    return not issubclass(cls, Service) or may_be_deployed(cls, structlog.get_logger(kind=cls.kind, actor=cls.name))


def tell_all_deployed(classes: Sequence[type[Actor]]) -> None:
    """Tell services that they run now."""
    for cls in classes:
        if issubclass(cls, Service):
            tell_deployed(cls, structlog.get_logger(kind=cls.kind, actor=cls.name))
