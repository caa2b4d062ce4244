"""Takes the steps from what a running cluster is set to, to what it is to be set to.

One after the other, in the order of the plan; what no step concerns is not touched. With each step that was taken the
cluster's settings are what the step has led to, so that a further plan shows what remains when one could not be taken.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import structlog
import trio
from attrs import evolve, frozen

from actors.actor import Actor
from actors.errors import Conflict, IsthmusError, Overloaded
from actors.ref import ActorRef, actor_name
from actors.services.call import PeerIdentity
from actors.settings import SubscriptionSettings
from actors.supervision import ChildSpec
from actors.topics.delivery import TOPICS, ConfigureTopics, Unsubscribe
from actors.topics.subscriber import LOCAL
from runtime.config.names import connection_name
from runtime.config.plan import Action, Cost, Step, plan, taken
from runtime.config.schema import ClusterSettings
from runtime.deployer import Deployer
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.transport import Address, Network

__all__ = ["Changing", "Outcome"]

BIND_PATIENCE = 10.0
"""Seconds that a channel has to listen."""

_log = structlog.get_logger(kind="cluster")


class _Changeable(Protocol):
    """A cluster, as far as changing it needs it."""

    name: str
    registry: Registry

    @property
    def settings(self) -> ClusterSettings:
        """What it is set to."""
        ...

    @settings.setter
    def settings(self, settings: ClusterSettings) -> None: ...

    @property
    def classes(self) -> Sequence[type[Actor]]:
        """The users' actors that run."""
        ...

    def spec_of(self, section: str, name: str) -> ChildSpec:
        """Return the actor of a table of clusters.toml, as the cluster is set now."""
        ...

    def deployer_spec(self) -> ChildSpec | None:
        """Return the actor that deploys changed files, where there is to be one."""
        ...

    async def deploy(self, classes: Sequence[type[Actor]]) -> None:
        """Have other versions of users' actors run."""
        ...


@frozen
class Outcome:
    """What became of a step: why it was not taken, empty where it was."""

    step: Step
    problem: str = ""


class _NotTaken(IsthmusError):
    """A step could not be taken."""


class Changing:
    """Changes one cluster, one change at a time.

    Args:
        cluster: The cluster.
        root: Its actors.
        network: Where channels listen.
        nursery: Where a change goes on when nobody waits for it any more.
    """

    def __init__(self, cluster: _Changeable, root: Supervisor, network: Network, nursery: trio.Nursery) -> None:
        self._cluster = cluster
        self._root = root
        self._network = network
        self._nursery = nursery
        self._ended = trio.Event()
        self._ended.set()
        self._is_stopping = False

    async def change(self, target: ClusterSettings, classes: Sequence[type[Actor]]) -> Sequence[Outcome]:
        """Become what other settings say, and return what became of each step.

        Steps that cost a restart of the server are not taken. After a step that could not be taken no further one is
        begun. Cancellation leaves the change to go on: half of one would be nobody's wish.

        Args:
            target: The settings, which have been checked.
            classes: The users' actors then.

        Raises:
            Conflict: While another change is under way.
            Overloaded: When the cluster is being stopped.
        """
        if self._is_stopping:
            msg = f"cluster {self._cluster.name!r} is shutting down; nothing has been changed"
            raise Overloaded(msg)
        if not self._ended.is_set():
            msg = f"the configuration of cluster {self._cluster.name!r} is being changed already"
            raise Conflict(msg)
        ended = self._ended = trio.Event()
        outcomes: list[Outcome] = []
        self._nursery.start_soon(self._change, target, classes, outcomes, ended)
        await ended.wait()
        return outcomes

    async def stop(self) -> None:
        """Begin no further step, and return when the one under way has ended."""
        self._is_stopping = True
        await self._ended.wait()

    async def _change(
        self, target: ClusterSettings, classes: Sequence[type[Actor]], outcomes: list[Outcome], ended: trio.Event
    ) -> None:
        problem = ""
        try:
            for step in plan(self._cluster.settings, target):
                if step.cost is Cost.SERVER:
                    outcomes.append(Outcome(step, "takes a restart of the server"))
                elif problem:
                    outcomes.append(Outcome(step, "not begun"))
                elif self._is_stopping:
                    outcomes.append(Outcome(step, "not begun: the server is shutting down"))
                else:
                    problem = await self._take(step, target, classes)
                    outcomes.append(Outcome(step, problem))
        finally:
            ended.set()

    async def _take(self, step: Step, target: ClusterSettings, classes: Sequence[type[Actor]]) -> str:
        """Take a step; return why it could not be taken, and then the settings are as they were."""
        before = self._cluster.settings
        self._cluster.settings = taken(before, step, target)
        facts = {"action": step.action.value, "section": step.section, "name": step.name, "keys": list(step.keys)}
        try:
            await self._way_of(step)(step, before, classes)
        except Exception as error:  # whatever it was, the rest goes on
            self._cluster.settings = before
            _log.error("a change of the configuration failed", reason=str(error), **facts)
            return str(error) or repr(error)
        _log.info("configuration changed", **facts)
        return ""

    def _way_of(self, step: Step) -> Callable[[Step, ClusterSettings, Sequence[type[Actor]]], Awaitable[None]]:
        ways = {
            "services": self._services,
            "topics": self._topics,
            "security": self._security,
            "endpoints": self._endpoints,
            "subscriptions": self._subscriptions,
            "outgoing": self._outgoing,
            "channels": self._channels,
        }
        return ways.get(step.section, self._own_key)

    # One way for each table

    async def _own_key(self, step: Step, _before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        match step.name:
            case "hook_service":
                for channel in self._cluster.settings.channels:
                    self._root.revise(self._cluster.spec_of("channels", channel))
            case "hot_deploy":
                await self._set_deployer()
            case "config":
                async with trio.open_nursery() as nursery:
                    for cls in self._cluster.classes:
                        nursery.start_soon(self._root.replace, ChildSpec.of(cls))

    async def _services(self, step: Step, _before: ClusterSettings, classes: Sequence[type[Actor]]) -> None:
        """Have the new ones run beside those that are to go, which are stopped at the end."""
        wanted = {(cls.kind, cls.name): cls for cls in classes}
        if step.action is Action.START:
            wanted = {(cls.kind, cls.name): cls for cls in self._cluster.classes} | wanted
        await self._cluster.deploy(list(wanted.values()))
        await self._set_deployer()

    async def _set_deployer(self) -> None:
        """Have files watched, or not; where they are, those that are listed now."""
        spec = self._cluster.deployer_spec()
        if spec is None:
            await self._root.stop(Deployer.kind, Deployer.name)
        else:
            await self._root.replace(spec)

    async def _topics(self, _step: Step, _before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        await self._ask("topics", TOPICS, ConfigureTopics(self._cluster.settings.topics))

    async def _security(self, step: Step, _before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        for channel, settings in self._cluster.settings.channels.items():
            if step.name in settings.definitions:
                self._root.revise(self._cluster.spec_of("channels", channel))

    async def _endpoints(self, step: Step, before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        now = self._cluster.settings
        for one in filter(None, (before.endpoints.get(step.name), now.endpoints.get(step.name))):
            for channel, settings in now.channels.items():
                if channel == one.channel or one.security in settings.definitions:
                    self._root.revise(self._cluster.spec_of("channels", channel))
            for cls in self._cluster.classes:
                if (cls.kind, cls.name) == ("service", one.service):
                    await self._root.replace(ChildSpec.of(cls))

    async def _subscriptions(self, step: Step, before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        old = before.subscriptions.get(step.name)
        new = self._cluster.settings.subscriptions.get(step.name)
        if new is None:
            await self._root.stop("subscriber", step.name)
        elif old is None:
            self._root.start(self._cluster.spec_of("subscriptions", step.name))
        else:
            await self._root.replace(self._cluster.spec_of("subscriptions", step.name))
        if old is not None:
            await self._unsubscribe(step.name, old, () if new is None else new.topics)

    async def _unsubscribe(self, name: str, old: SubscriptionSettings, kept: Sequence[str]) -> None:
        for topic in old.topics:
            if topic not in kept and self._cluster.registry.find_mailbox(actor_name("topic", topic)) is not None:
                await self._ask("topic", topic, Unsubscribe(PeerIdentity(LOCAL, ".", name)))

    async def _outgoing(self, step: Step, before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        name = connection_name(step.name)
        if step.action is Action.STOP:
            await self._end_subscriptions(step, before)
            await self._root.stop("outgoing", name)
        elif step.action is Action.START:
            self._root.start(self._cluster.spec_of("outgoing", step.name))
        elif step.cost is Cost.NOTHING:
            self._root.revise(self._cluster.spec_of("outgoing", step.name))
        else:
            await self._root.replace(self._cluster.spec_of("outgoing", step.name))

    async def _end_subscriptions(self, step: Step, before: ClusterSettings) -> None:
        """Unsubscribe over a link that is to go, as long as its remote may take for an answer."""
        old, after = before.outgoing[step.name], self._cluster.settings
        ending = evolve(old, subscribe=(), subscriptions={}, on_subscribe=None)
        self._cluster.settings = evolve(before, outgoing={**before.outgoing, step.name: ending})
        self._root.revise(self._cluster.spec_of("outgoing", step.name))
        self._cluster.settings = after
        with trio.move_on_after(old.timeout):
            await self._until("outgoing", connection_name(step.name), lambda one: not one["detail"].get("subscribed"))

    async def _channels(self, step: Step, before: ClusterSettings, _classes: Sequence[type[Actor]]) -> None:
        if step.action is Action.STOP:
            await self._root.stop("channel", step.name)
        elif step.action is Action.START:
            self._root.start(self._cluster.spec_of("channels", step.name))
            try:
                await self._listening(step.name)
            except _NotTaken:
                await self._root.stop("channel", step.name)
                raise
        elif step.cost is Cost.NOTHING:
            self._root.revise(self._cluster.spec_of("channels", step.name))
        else:
            await self._move_channel(step.name, before)

    async def _move_channel(self, name: str, before: ClusterSettings) -> None:
        """Have a channel listen elsewhere, or otherwise; where it cannot, it goes on as it was."""
        after = self._cluster.settings
        old, new = Address.parse(before.channels[name].address), Address.parse(after.channels[name].address)
        if new.port != old.port and after.channels[name].active:
            for listener in await self._network.listen(new):  # so that no session ends for an address that is taken
                await listener.aclose()
        await self._root.replace(self._cluster.spec_of("channels", name))
        try:
            await self._listening(name)
        except _NotTaken:
            self._cluster.settings = before
            await self._root.replace(self._cluster.spec_of("channels", name))
            raise

    async def _listening(self, name: str) -> None:
        """Wait until a channel listens.

        Raises:
            _NotTaken: When it cannot.
        """
        if not self._cluster.settings.channels[name].active:
            return
        with trio.move_on_after(BIND_PATIENCE):
            entry = await self._until("listener", name, lambda one: one["state"] in ("listening", "cannot listen"))
            if entry["state"] == "listening":
                return
            detail = entry["detail"]
            raise _NotTaken(f"cannot listen on {detail['address']}: {detail['reason']}")
        raise _NotTaken(f"the channel did not listen within {BIND_PATIENCE:g} s")

    # Talking to actors

    async def _ask(self, kind: str, name: str, message: object) -> None:
        await ActorRef(actor_name(kind, name), self._cluster.registry).ask(message)

    async def _until(self, kind: str, name: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the registry's entry of an actor is as it is to be, and return it."""
        revision = 0
        while True:
            changes = await self._cluster.registry.wait_changes(revision)
            revision = changes.revision
            for one in changes.changed:
                if (one["kind"], one["name"]) == (kind, name) and is_so(one):
                    return one
