"""Deliveries of an outgoing connection whose link, service or own life ends in the middle."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import ActorRef, ChildSpec, MessageReceived, Service
from actors.messages import Acknowledge, Deliver, Extend, Refuse
from actors.services.call import Call
from tests.actors.test_outgoing_cancellation import Peer, World
from tests.runtime.test_crashes import Poison


class Hook(Service):
    """Handles messages, shielded where its test wants that, and waits at a gate meanwhile."""

    runs: list[list[str]]
    running: int = 0
    most: int = 0
    gate: trio.Event
    is_shielded = False

    async def handle(self) -> None:
        ctx = self.request.payload["ctx"]
        if not isinstance(ctx, MessageReceived):
            return
        cls: Any = type(self)
        cls.running += 1
        cls.most = max(cls.most, cls.running)
        try:
            with trio.CancelScope(shield=cls.is_shielded):
                await cls.gate.wait()
            cls.runs.append([one["msg_id"] for one in ctx.data.data])
        finally:
            cls.running -= 1


class Deliveries(World):
    """A connection and a hook that waits at a gate; where `dials` is set, so does the first dial."""

    dials: trio.Event | None = None

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Peer, None]:
        if self.dials is not None:
            await self.dials.wait()
        async with super().dial() as link:
            yield link

    async def begin(self, *, is_shielded: bool = False, concurrency: int = 100, **settings: Any) -> Peer:
        """Start both, and return the first link."""
        facts: dict[str, Any] = {"runs": [], "gate": trio.Event(), "is_shielded": is_shielded}
        facts |= {"name": "test.deliveries", "concurrency": concurrency}
        self.hook: Any = type("Deliveries", (Hook,), facts)
        self.root.start(ChildSpec.of(self.hook))
        await self.start(on_message="test.deliveries", **settings)
        return self.links[0]

    async def again(self) -> Peer:
        """Wait for the next link and have everything delivered again over it."""
        known = len(self.links)
        await trio.sleep(60)
        assert len(self.links) >= known
        link = self.links[-1]
        link.says(delivery("again", "a", "b"))
        await wait_all_tasks_blocked()
        return link

    def end(self, how: str) -> None:
        """End the link, or crash the connection."""
        if how == "the link is lost":
            self.links[-1].end()
        else:
            self.ref.send_nowait(Poison(None))


def delivery(name: str, *ids: str, ack_timeout: float = 0.0) -> Deliver:
    return Deliver(name, "zpsk.1", [{"msg_id": one, "has_gd": True} for one in ids], ack_timeout=ack_timeout)


@pytest.fixture
async def world(nursery: trio.Nursery, clock: MockClock) -> AsyncGenerator[Deliveries, None]:
    with capture_logs():
        found = Deliveries(nursery)
        yield found
        found.hook.gate.set()
        await found.root.stop_all(at_once=True)


ENDS = pytest.mark.parametrize("how", ["the link is lost", "the connection crashes"])


@ENDS
async def test_a_run_that_outlives_its_link_is_joined(world: Deliveries, how: str) -> None:
    """The redelivery waits for it, runs nothing beside it, and is acknowledged by what it did."""
    link = await world.begin(is_shielded=True, hook_timeout=1000.0)
    link.says(delivery("d1", "a", "b"))
    await wait_all_tasks_blocked()
    world.end(how)
    second = await world.again()
    assert second is not link
    assert (world.hook.running, second.answers()) == (1, [])
    world.hook.gate.set()
    await wait_all_tasks_blocked()
    assert (world.hook.runs, world.hook.most) == ([["a", "b"]], 1)
    assert [(type(one), getattr(one, "in_reply_to", "")) for one in second.answers()] == [(Acknowledge, "again")]
    assert link.answers() == []


@ENDS
async def test_a_cancelled_run_is_run_again(world: Deliveries, how: str) -> None:
    """It has not handled anything; nothing of it runs any more when the redelivery comes."""
    link = await world.begin(hook_timeout=1000.0)
    link.says(delivery("d1", "a", "b"))
    await wait_all_tasks_blocked()
    world.end(how)
    await wait_all_tasks_blocked()
    assert world.hook.running == 0
    world.hook.gate.set()
    second = await world.again()
    assert (world.hook.runs, world.hook.most) == ([["a", "b"]], 1)
    assert isinstance(second.answers()[-1], Acknowledge)


@ENDS
async def test_what_ends_while_it_is_recorded_is_recorded_again_and_not_run(world: Deliveries, how: str) -> None:
    """The service did its part; the acknowledgement follows the record, over the next link."""
    store: Any = world.store
    store.gate = trio.Event()
    link = await world.begin()
    world.hook.gate.set()
    link.says(delivery("d1", "a", "b"))
    await wait_all_tasks_blocked()
    assert (world.hook.runs, link.answers()) == ([["a", "b"]], [])
    world.end(how)
    second = await world.again()
    assert second.answers() == []
    store.gate.set()
    await wait_all_tasks_blocked()
    assert (world.hook.runs, store.ids) == ([["a", "b"]], {"zpsk.1": ["a", "b"]})
    assert isinstance(second.answers()[-1], Acknowledge)


async def test_a_run_over_its_time_is_refused_and_joined(world: Deliveries) -> None:
    """A blocking or shielded hook goes on after `hook_timeout`; what comes again meanwhile waits for its end."""
    link = await world.begin(is_shielded=True, hook_timeout=5.0)
    link.says(delivery("d1", "a", "b"))
    await trio.sleep(6)
    [refused] = link.answers()
    assert isinstance(refused, Refuse)
    assert (refused.reason, refused.messages) == ("no answer within 5 s", [])
    link.says(delivery("d2", "a"), delivery("d3", "b"))
    await trio.sleep(6)
    assert world.hook.running == 1
    world.hook.gate.set()
    await wait_all_tasks_blocked()
    assert [(type(one), getattr(one, "in_reply_to", "")) for one in link.answers()[1:]] == [
        (Acknowledge, "d2"),
        (Acknowledge, "d3"),
    ]
    assert (world.hook.runs, world.hook.most) == ([["a", "b"]], 1)


async def test_the_service_stops_while_deliveries_wait_for_it(world: Deliveries) -> None:
    """The one in hand is refused or, having ended well, acknowledged; later ones are refused; the link stays."""
    link = await world.begin(hook_timeout=1000.0)
    link.says(delivery("d1", "a"), delivery("d2", "b"))
    await wait_all_tasks_blocked()
    await world.root.stop_all(("service",), at_once=True)
    await wait_all_tasks_blocked()
    assert [(type(one), getattr(one, "in_reply_to", "")) for one in link.answers()] == [(Refuse, "d1"), (Refuse, "d2")]
    assert (link.ended, world.hook.runs) == (None, [])
    world.hook.gate.set()
    world.root.start(ChildSpec.of(world.hook))
    link.says(delivery("d3", "a", "b"))
    await wait_all_tasks_blocked()
    assert world.hook.runs == [["a", "b"]]
    assert isinstance(link.answers()[-1], Acknowledge)


async def test_a_crash_of_the_service_refuses_what_it_had_in_hand(world: Deliveries) -> None:
    """What waited for its turn is handled by the next instance."""
    link = await world.begin(hook_timeout=1000.0)
    link.says(delivery("d1", "a"))
    await wait_all_tasks_blocked()
    ActorRef("service:test.deliveries", world.registry).send_nowait(Poison(None))
    await trio.sleep(60)
    assert [type(one) for one in link.answers()] == [Refuse]
    world.hook.gate.set()
    link.says(delivery("d2", "a"))
    await wait_all_tasks_blocked()
    assert world.hook.runs == [["a"]]
    assert isinstance(link.answers()[-1], Acknowledge)


async def test_deliveries_that_wait_for_on_connect_are_extended(world: Deliveries) -> None:
    """The sender goes on waiting for them though nothing of them runs yet."""
    world.gates["connect"] = trio.Event()
    await world.start(hooks=True, hook_timeout=1000.0)
    world.hook = type("None", (), {"gate": trio.Event()})
    [link] = world.links
    link.says(delivery("d1", "a", ack_timeout=30.0))
    await trio.sleep(35)
    assert [one.in_reply_to for one in link.answers() if isinstance(one, Extend)] == [["d1"]] * 3
    world.gates["connect"].set()
    await wait_all_tasks_blocked()
    assert world.events == ["connect", "d1"]
    assert isinstance(link.answers()[-1], Acknowledge)


@pytest.mark.parametrize("links", [1, 2])
async def test_a_crash_while_on_close_waits_for_its_service_has_it_run(
    world: Deliveries, links: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, also when the next link is there already, whose hooks have not begun."""
    world.hook = type("None", (), {"gate": trio.Event()})
    monkeypatch.setattr("tests.actors.test_outgoing_cancellation.Hook.concurrency", 1)
    await world.start(hooks=True, hook_timeout=1000.0)
    busy = world.gates["'busy'"] = trio.Event()
    ActorRef("service:test.hook", world.registry).tell_nowait(Call("busy"))
    world.links[0].end()
    await trio.sleep(60 if links == 2 else 0.1)
    assert (len(world.links), world.events) == (links, ["connect", "'busy'"])
    world.end("the connection crashes")
    await wait_all_tasks_blocked()
    busy.set()
    await trio.sleep(60)
    assert world.events == ["connect", "'busy'", "close", "connect"]


async def test_a_link_whose_on_connect_failed_has_its_on_close_after_a_crash(
    world: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service had no time for on_connect; the session went on all the same."""
    world.hook = type("None", (), {"gate": trio.Event()})
    monkeypatch.setattr("tests.actors.test_outgoing_cancellation.Hook.concurrency", 1)
    busy = world.gates["'busy'"] = trio.Event()
    world.dials = trio.Event()
    await world.start(hooks=True, hook_timeout=5.0)
    ActorRef("service:test.hook", world.registry).tell_nowait(Call("busy"))
    await wait_all_tasks_blocked()
    world.dials.set()
    await trio.sleep(6)
    busy.set()
    world.end("the connection crashes")
    await trio.sleep(60)
    assert world.events == ["'busy'", "close", "connect"]


async def test_a_crash_while_on_connect_waits_for_its_service_has_neither_run(
    world: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What never began is not ended; the next link has both."""
    world.hook = type("None", (), {"gate": trio.Event()})
    monkeypatch.setattr("tests.actors.test_outgoing_cancellation.Hook.concurrency", 1)
    busy = world.gates["'busy'"] = trio.Event()
    world.dials = trio.Event()
    await world.start(hooks=True, hook_timeout=1000.0)
    ActorRef("service:test.hook", world.registry).tell_nowait(Call("busy"))
    await wait_all_tasks_blocked()
    world.dials.set()
    await wait_all_tasks_blocked()
    world.end("the connection crashes")
    await wait_all_tasks_blocked()
    busy.set()
    await trio.sleep(60)
    assert world.events == ["'busy'", "connect"]
