"""An outgoing connection and its hooks: what is cancelled or stopped in the middle is answered and leaves no trace."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, ActorRef, ActorStopped, ChildSpec, Closed, Connected, MessageReceived, Service
from actors.connections.login import LinkIdentity
from actors.connections.outgoing import OutgoingConnection
from actors.errors import AskTimeout, LinkLost
from actors.messages import Cancel, Deliver, Failure, Hello, Invoke, Message, Reply, Welcome
from actors.services.call import RemoteCall
from actors.settings import OutgoingSettings
from actors.topics.handling import Handling
from runtime.registry import Registry
from runtime.supervisor import Supervisor
from runtime.testing import InlineThreads, SeededEntropy, SimulatedClock
from tests.actors.handled import HandledInMemory
from tests.actors.links import FakeLink


class Peer(FakeLink):
    """A link whose peer welcomes whoever says hello; `after_welcome` comes in the same frame."""

    after_welcome: Sequence[Message] = ()

    async def send(self, message: Message) -> None:
        await super().send(message)
        if isinstance(message, Hello):
            self.frame()
            self.says(Welcome("w", message.id), *self.after_welcome)

    def says(self, *messages: Message) -> None:
        self.inbox += messages
        self.changed()

    def answers(self) -> list[Message]:
        """Return what the connection has sent since its hello, framed or not."""
        return [one for one in (*self.framed, *self.queued) if not isinstance(one, Hello)]


class Hook(Service):
    """Writes down what it is told; an event for which it has a gate waits there."""

    name = "test.hook"
    events: list[str]
    gates: dict[str, trio.Event]

    async def handle(self, data: Any) -> Any:
        match data:
            case Connected():
                what = "connect"
            case Closed():
                what = "close"
            case MessageReceived():
                what = str(data.request.id if hasattr(data, "request") else data.data.id)
            case _:
                what = repr(data)
        self.events.append(what)
        try:
            if what in self.gates:
                await self.gates[what].wait()
        except trio.Cancelled:
            self.events.append(f"{what} cancelled")
            raise
        return what


class World:
    """One outgoing connection, its hook and the links that it dials, in order."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.links: list[Peer] = []
        self.refuses = False
        self.events: list[str] = []
        self.gates: dict[str, trio.Event] = {}
        self.after_welcome: Sequence[Message] = ()
        self.registry = Registry(SimulatedClock())
        self.entropy = SeededEntropy(0)
        self.threads = InlineThreads(self.entropy)
        self.store = HandledInMemory()
        self.handling = Handling(self.store)
        self.root = Supervisor(nursery, self.registry, self.entropy, prepare=self._prepare)
        self.ref = ActorRef("outgoing:out", self.registry)

    def _prepare(self, actor: Actor) -> None:
        if isinstance(actor, Service):
            actor.equip(threads=self.threads, processes=self.threads, clock=SimulatedClock(), entropy=self.entropy)

    address = "ws://peer"

    @asynccontextmanager
    async def dial(self) -> AsyncGenerator[Peer, None]:
        if self.refuses:
            await trio.sleep_forever()
        link = Peer()
        link.after_welcome = self.after_welcome
        self.links.append(link)
        try:
            yield link
        finally:
            await link.aclose()

    async def start(self, *, hooks: bool = False, **settings: Any) -> None:
        names = dict.fromkeys(("on_connect", "on_message", "on_close"), "test.hook") if hooks else {}
        hook = type("Hook", (Hook,), {"name": "test.hook", "events": self.events, "gates": self.gates})
        self.root.start(ChildSpec.of(hook))
        options = OutgoingSettings(self.address, **names, **settings)
        identity = LinkIdentity("apac", "server1", "1")
        self.root.start(
            ChildSpec(
                "outgoing",
                "out",
                lambda: OutgoingConnection(
                    options,
                    dialers=[self],
                    identity=identity,
                    entropy=self.entropy,
                    clock=SimulatedClock(),
                    threads=self.threads,
                    handling=self.handling,
                ),
            )
        )
        await wait_all_tasks_blocked()

    def entry(self) -> dict[str, Any]:
        return next(one for one in self.registry.snapshot() if one["kind"] == "outgoing")


@pytest.fixture
async def world(nursery: trio.Nursery, clock: MockClock) -> AsyncGenerator[World, None]:
    with capture_logs():
        found = World(nursery)
        yield found
        await found.root.stop_all(at_once=True)


async def test_a_call_that_waits_for_a_link_is_answered_when_the_connection_is_stopped(world: World) -> None:
    """The call in hand and those behind it are told at once, long before their time is over."""
    world.refuses = True
    await world.start()
    told: list[float] = []

    async def ask() -> None:
        with pytest.raises(ActorStopped):
            await world.ref.ask(RemoteCall("x"), timeout=1000)
        told.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        await world.root.stop("outgoing", "out")
    assert len(told) == 2
    assert max(told) <= 5


async def test_a_call_cancelled_while_it_waits_for_a_link_is_never_sent(world: World) -> None:
    """It holds up no other call, and the link that comes later does not carry it."""
    world.refuses = True
    await world.start(dial_timeout=10)
    with trio.move_on_after(3):
        await world.ref.ask(RemoteCall("cancelled"), timeout=1000)
    with pytest.raises(AskTimeout):
        await world.ref.ask(RemoteCall("too late"), timeout=3)
    await world.root.stop("outgoing", "out")
    world.refuses = False
    await world.start()
    assert world.links[0].answers() == []


async def test_calls_under_way_are_lost_with_a_stop_and_leave_the_table(world: World) -> None:
    """Stopping says goodbye to the peer first; what still waits for an answer then is lost, and sent."""
    await world.start()
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            with pytest.raises(LinkLost) as lost:
                await world.ref.ask(RemoteCall("x"), timeout=1000)
            assert lost.value.sent

        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        world.links[0].frame()
        assert world.entry()["gauges"]["pending"] == 1
        await world.root.stop("outgoing", "out")
    ended = world.links[0].ended
    assert ended is not None
    assert (ended.code, ended.reason) == (1001, "Going away")


async def test_what_comes_with_the_welcome_is_taken(world: World) -> None:
    """A peer may send at once what waits for the session; messages of the same frame are not lost."""
    world.after_welcome = [Deliver("d1", "zpsk.1", [{"data": 1}]), Invoke("q1", "question")]
    await world.start(hooks=True)
    assert world.events[0] == "connect"
    assert sorted(world.events[1:]) == ["d1", "q1"]
    assert {getattr(one, "in_reply_to", "") for one in world.links[0].answers()} == {"d1", "q1"}


async def test_cancelled_requests_of_the_peer_make_room_for_others(world: World) -> None:
    """A request that the peer takes back ends its handler and counts no longer as under way."""
    await world.start(hooks=True, max_in_flight=2)
    [link] = world.links
    for number in range(5):
        world.gates[f"q{number}"] = trio.Event()
        link.says(Invoke(f"q{number}"))
        await wait_all_tasks_blocked()
        link.says(Cancel(f"q{number}"))
        await wait_all_tasks_blocked()
        assert world.events[-2:] == [f"q{number}", f"q{number} cancelled"]
    assert link.answers() == []
    link.says(Invoke("last"))
    await wait_all_tasks_blocked()
    assert [type(one) for one in link.answers()] == [Reply]


async def test_a_request_cancelled_before_its_hook_began_is_never_handled(world: World) -> None:
    """While on_connect runs requests wait; one that the peer takes back meanwhile is dropped."""
    world.gates["connect"] = trio.Event()
    await world.start(hooks=True, max_unhandled=1)
    [link] = world.links
    link.says(Invoke("q1"), Invoke("q2"), Cancel("q1"))
    await wait_all_tasks_blocked()
    world.gates["connect"].set()
    await wait_all_tasks_blocked()
    assert world.events == ["connect", "q2"]
    assert [(type(one), getattr(one, "in_reply_to", "")) for one in link.answers()] == [(Reply, "q2")]
    assert world.entry()["state"] == "ready"  # and not throttled, as though something still waited


async def test_the_end_of_a_link_cancels_its_hooks_and_has_one_on_close(world: World) -> None:
    """What runs is cancelled, what waits is dropped, on_close comes last, and nothing is answered any more."""
    world.gates["d1"] = trio.Event()
    await world.start(hooks=True)
    [first] = world.links
    first.says(Deliver("d1", "zpsk.1", [{}]), Deliver("d2", "zpsk.1", [{}]))
    await wait_all_tasks_blocked()
    first.end()
    await trio.sleep(60)
    assert world.events == ["connect", "d1", "d1 cancelled", "close", "connect"]
    assert first.answers() == []
    assert len(world.links) == 2


async def test_a_shutdown_waits_for_on_close_within_its_bound(world: World) -> None:
    """on_close may take its time; where it takes more than the bound the shutdown cancels it and ends."""
    world.gates["close"] = trio.Event()
    await world.start(hooks=True)
    began = trio.current_time()
    await world.root.stop("outgoing", "out")
    assert 5 <= trio.current_time() - began <= 10
    assert world.events == ["connect", "close", "close cancelled"]


async def test_each_session_has_its_on_close_also_when_the_connection_is_cut_short(world: World) -> None:
    """on_connect still runs when the connection is cancelled: it is cancelled, and on_close comes all the same."""
    world.gates["connect"] = trio.Event()
    await world.start(hooks=True, hook_timeout=1000)
    await world.root.stop_all(("outgoing",), at_once=True)
    assert world.events == ["connect", "connect cancelled", "close"]


async def test_hooks_that_wait_for_those_of_the_link_before_have_no_on_close(world: World) -> None:
    """A session whose on_connect never began has no on_close, and holds no shutdown up."""
    world.gates["close"] = trio.Event()
    await world.start(hooks=True, hook_timeout=1000)
    world.links[0].end()
    await trio.sleep(60)
    assert (len(world.links), world.events) == (2, ["connect", "close"])
    await world.root.stop("outgoing", "out")
    assert world.events == ["connect", "close", "close cancelled"]


async def test_requests_over_the_limit_are_refused_at_once(world: World) -> None:
    """The peer is told 503 for what is over `max_in_flight`; what is under way goes on."""
    world.gates["q1"] = trio.Event()
    await world.start(hooks=True, max_in_flight=1)
    [link] = world.links
    link.says(Invoke("q1"), Invoke("q2"))
    await wait_all_tasks_blocked()
    assert [(one.in_reply_to, one.status) for one in link.answers() if isinstance(one, Failure)] == [("q2", 503)]
    world.gates["q1"].set()
    await wait_all_tasks_blocked()
    assert [one.in_reply_to for one in link.answers() if isinstance(one, Reply)] == ["q1"]
