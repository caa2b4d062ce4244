"""Reads clusters.toml again for a running cluster: what would be changed, and having that changed.

Everything is checked as at a start, and the modules are loaded, before anything is touched: what is wrong changes
nothing. Who runs is compared with the file, never with what the file said before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import trio
from attrs import define, field

from actors.actor import Actor
from actors.errors import BadInput, ConfigurationError, Conflict
from actors.ports import Threads
from runtime.changing import Outcome
from runtime.config import Configuration, load
from runtime.config.plan import Step, plan
from runtime.config.schema import ClusterSettings
from runtime.deployer import Deployment
from runtime.modules import Check

__all__ = ["Applier", "Target", "digest_of"]


class Target(Protocol):
    """A running cluster."""

    @property
    def settings(self) -> ClusterSettings:
        """What it is set to."""
        ...

    async def change(self, target: ClusterSettings, classes: Sequence[type[Actor]]) -> Sequence[Outcome]:
        """Become what other settings say."""
        ...


def digest_of(steps: Sequence[Step], text: str) -> str:
    """Return what stands for a plan and the file that it comes from, so that what is applied is what was shown."""
    shown = json.dumps([step.as_dict() for step in steps])
    return hashlib.sha256(f"{shown}\n{text}".encode()).hexdigest()[:16]


@define
class Applier:
    """What a server needs to take up its configuration anew.

    Args:
        configuration: What it was started with.
        cluster: The cluster's name.
        deployment: The modules that it has loaded.
        relist: Has worker processes load other modules.
        check_classes: Checks the classes of a cluster against a configuration.
        threads: Files are read and modules loaded off the event loop.
        during: Entered while a change is made.
    """

    configuration: Configuration
    cluster: str
    deployment: Deployment
    relist: Callable[[Sequence[str]], Awaitable[None]]
    check_classes: Callable[[Configuration, str, Sequence[type[Actor]]], Sequence[str]]
    threads: Threads
    during: Callable[[], AbstractContextManager[None]] = nullcontext
    _is_applying: bool = field(default=False, init=False)

    async def plan(self, target: Target, path: str) -> dict[str, Any]:
        """Return the steps from what runs to what the file says, and what stands for both.

        Raises:
            BadInput: When the file is not right, with everything that is wrong with it.
        """
        configuration = await self._read(path)
        return self._planned(target, configuration)

    async def apply(self, target: Target, path: str, digest: str) -> dict[str, Any]:
        """Take the steps of a plan that was shown, and return what became of each, and what remains.

        A hot deployment under way is waited for, and none begins meanwhile.

        Raises:
            BadInput: When the file is not right, or its modules do not load; then nothing has been changed.
            Conflict: When the plan is another one by now, or another change is under way.
        """
        if self._is_applying:
            msg = f"the configuration of cluster {self.cluster!r} is being changed already; nothing has been changed"
            raise Conflict(msg)
        self._is_applying = True
        try:
            async with self.deployment.lock:
                return await self._to_its_end(target, path, digest)
        finally:
            self._is_applying = False

    async def _to_its_end(self, target: Target, path: str, digest: str) -> dict[str, Any]:
        """Apply, whoever goes away meanwhile: half a change would be nobody's wish."""
        with trio.CancelScope(shield=True):
            return await self._apply(target, path, digest)
        raise AssertionError  # a shield swallows nothing

    async def _apply(self, target: Target, path: str, digest: str) -> dict[str, Any]:
        configuration = await self._read(path)
        planned = self._planned(target, configuration)
        if planned["digest"] != digest:
            msg = "the file, or what runs, is not what it was when the plan was made; nothing has been changed"
            raise Conflict(msg)
        settings = configuration.clusters[self.cluster]
        modules, check = self.deployment.modules, self._check(configuration)
        problems = await self.threads.run_sync(lambda: modules.relist(settings.services, check))
        if problems:
            raise _wrong(problems)
        if set(settings.services) != set(target.settings.services):
            await self.relist(settings.services)
        self.configuration = configuration
        with self.during():
            outcomes = await target.change(settings, modules.classes)
        return {
            "cluster": self.cluster,
            "steps": [one.step.as_dict() | {"is_taken": not one.problem, "problem": one.problem} for one in outcomes],
            "remaining": [step.as_dict() for step in plan(target.settings, settings)],
        }

    def check(self, classes: Sequence[type[Actor]]) -> Sequence[str]:
        """Return what is wrong with classes of the cluster as it is configured now."""
        return self.check_classes(self.configuration, self.cluster, classes)

    def _check(self, configuration: Configuration) -> Check:
        return lambda classes: self.check_classes(configuration, self.cluster, classes)

    def _planned(self, target: Target, configuration: Configuration) -> dict[str, Any]:
        steps = plan(target.settings, configuration.clusters[self.cluster])
        return {
            "cluster": self.cluster,
            "steps": [step.as_dict() for step in steps],
            "digest": digest_of(steps, configuration.text),
        }

    async def _read(self, path: str) -> Configuration:
        try:
            return await self.threads.run_sync(lambda: self._load(Path(path)))
        except ConfigurationError as error:
            raise _wrong(error.problems) from None

    def _load(self, path: Path) -> Configuration:
        if path.resolve().parent != self.configuration.folder:
            msg = f"cluster {self.cluster!r} was started from {self.configuration.path}, in another folder than {path}"
            raise BadInput(msg)
        return load(path, [self.cluster])


def _wrong(problems: Sequence[str]) -> BadInput:
    return BadInput("\n".join(("the configuration is not right; nothing has been changed", *problems)))
