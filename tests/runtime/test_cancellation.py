"""Cancellation at each await that holds state: nothing is lost, leaked or done twice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Actor, ActorRef, ActorStopped, ChildSpec, MailboxFull, MailboxLimits, Service, Strategy
from actors.envelope import Envelope
from actors.errors import LinkClosed
from actors.mailbox import Mailbox
from actors.messages import Invoke
from actors.services.call import Call
from runtime.supervisor import Supervisor
from runtime.testing import InlineThreads, MemoryNetwork, SeededEntropy, SimulatedClock
from runtime.transport import LinkOptions
from tests.runtime.families import Family
from tests.runtime.transport.support import goes_on, pair, receive_invokes, rest_of


@pytest.fixture
async def family(nursery: trio.Nursery, clock: MockClock) -> AsyncGenerator[Family, None]:
    with capture_logs():
        yield Family(nursery)


async def cancel_while_waiting(function: Callable[..., Awaitable[object]], *args: object) -> None:
    """Run something until it waits, cancel it there, and see that it ends."""
    ended: list[str] = []

    async def run() -> None:
        await function(*args)
        ended.append("by itself")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await wait_all_tasks_blocked()
        assert ended == []
        nursery.cancel_scope.cancel()
    assert ended == []


# Mailboxes and refs


@pytest.mark.parametrize("verb", ["get", "drain"])
async def test_a_cancelled_receiver_takes_nothing(verb: str) -> None:
    """What comes after the cancellation, or at the same moment, is there for the next receiver."""
    mailbox = Mailbox()
    await cancel_while_waiting(getattr(mailbox, verb))
    mailbox.put_nowait(Envelope(1))
    with trio.CancelScope() as scope:
        scope.cancel()
        await mailbox.drain()
    mailbox.return_lent()
    assert (await mailbox.get()).payload == 1
    assert len(mailbox) == 0


async def test_a_receiver_cancelled_with_its_message_on_the_way_loses_nothing() -> None:
    """The message came first: either this receiver has it or the next one gets it."""
    mailbox = Mailbox()
    found: list[Any] = []

    async def receive() -> None:
        found.append((await mailbox.get()).payload)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        await wait_all_tasks_blocked()
        mailbox.put_nowait(Envelope(1))
        nursery.cancel_scope.cancel()
    assert len(found) + len(mailbox) == 1


async def test_a_cancelled_tell_is_not_sent(family: Family) -> None:
    """While it waits for room, a tell can be taken back, by cancellation and by its time-out alike."""
    family.root.start(ChildSpec("actor", "busy", Busy, mailbox=MailboxLimits(max_count=1)))
    ref = ActorRef("actor:busy", family.registry)
    await ref.tell("in hand")
    await wait_all_tasks_blocked()
    await ref.tell("waits")
    await cancel_while_waiting(ref.tell, "cancelled")
    with pytest.raises(MailboxFull, match="no room for 5 s"):
        await ref.tell("too late", timeout=5)
    assert family.entry("busy")["mailbox"] == 1


async def test_a_cancelled_ask_is_not_handled(family: Family) -> None:
    """A question that nobody waits for any more is passed over, whether it waited for room or in the mailbox."""
    family.root.start(ChildSpec("actor", "busy", Busy, mailbox=MailboxLimits(max_count=1)))
    ref = ActorRef("actor:busy", family.registry)
    await ref.tell("in hand")
    await wait_all_tasks_blocked()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ref.ask, "waits for its answer")
        await wait_all_tasks_blocked()
        await cancel_while_waiting(ref.ask, "waits for room")
        nursery.cancel_scope.cancel()
    Busy.go_on.set()
    assert await ref.ask("last") == ["in hand", "last"]


class Busy(Actor):
    """Answers with all that it was given; the first message takes until `go_on`."""

    go_on = trio.Event()

    async def setup(self) -> None:
        self.seen: list[object] = []
        type(self).go_on = trio.Event()

    async def receive(self, message: Any) -> Any:
        self.seen.append(message)
        if message == "in hand":
            await self.go_on.wait()
        return self.seen


# Services


async def test_a_cancelled_request_frees_its_worker(family: Family) -> None:
    """The caller goes away in the middle: the handler is cancelled, and the one worker takes the next request."""
    handled: list[str] = []

    class Waits(Service):
        name = "test.waits"
        concurrency = 1

        async def handle(self, data: Any) -> Any:
            if data == "forever":
                try:
                    await trio.sleep_forever()
                finally:
                    handled.append("cancelled")
            return data

    supervisor = with_services(family)
    supervisor.start(ChildSpec.of(Waits))
    ref = ActorRef("service:test.waits", family.registry)
    await cancel_while_waiting(ref.ask, Call("forever"))
    assert await ref.ask(Call("next"), timeout=5) == "next"
    assert handled == ["cancelled"]


async def test_a_worker_cancelled_as_its_request_comes_answers_it(family: Family) -> None:
    """A service that is cancelled at the moment a request comes answers it all the same: it was stopped."""

    class Plain(Service):
        name = "test.plain"

        async def handle(self) -> Any:
            await trio.sleep(1)

    supervisor = with_services(family)
    supervisor.start(ChildSpec.of(Plain))
    await wait_all_tasks_blocked()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(ActorStopped):
                    await ActorRef("service:test.plain", family.registry).ask(Call())

            nursery.start_soon(ask)
            nursery.start_soon(lambda: supervisor.stop_all(at_once=True))


def with_services(family: Family) -> Supervisor:
    """Return a supervisor beside the family's root that can run services, too."""
    entropy = SeededEntropy(0)
    threads = InlineThreads(entropy)

    def prepare(actor: Actor) -> None:
        if isinstance(actor, Service):
            actor.equip(threads=threads, processes=threads, clock=SimulatedClock(), entropy=entropy)

    return family.supervisor(prepare)


# Supervisors


async def test_a_cancelled_start_goes_on_where_it_was(family: Family) -> None:
    """A parent that is restarted while its children start keeps those that are there and starts the others once."""
    held = trio.Event()
    specs = [family.child("a"), family.child("b", setup=held.wait), family.child("c")]
    family.root.start(
        family.child("all", strategy=Strategy.ONE_FOR_ALL, specs=[family.child("x"), family.child("top", specs=specs)])
    )
    await wait_all_tasks_blocked()
    family.tell("x", "crash")
    await trio.sleep(10)
    held.set()
    await trio.sleep(10)
    assert family.running() == ["all", "x", "top", "a", "b", "c"]
    assert sorted(family.log) == sorted(["+all", "+x", "+top", "+a", "-x", "-top", "+x", "+top", "+b", "+c"])


async def test_a_cancelled_stop_can_be_repeated(family: Family) -> None:
    """The child was asked and goes on ending; another stop bounds its time and returns when it has ended."""

    async def slow() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(8)

    family.root.start(family.child("a", ending=slow))
    await wait_all_tasks_blocked()
    began = trio.current_time()
    with trio.move_on_after(2) as scope:
        await family.root.stop("actor", "a")
    assert scope.cancelled_caught
    await family.root.stop("actor", "a")
    await family.root.stop("actor", "a")
    assert trio.current_time() - began == 8
    assert family.registry.snapshot() == []


# Links


async def test_a_cancelled_receive_leaves_messages_for_the_next(network: MemoryNetwork) -> None:
    """What comes while nobody receives is returned by the next call, once and in order."""
    async with pair(network) as (client, server):
        await cancel_while_waiting(server.receive)
        for number in range(3):
            await client.send(Invoke(f"i{number}", number))
        assert await receive_invokes(server, 3) == [0, 1, 2]


async def test_a_cancelled_send_is_not_sent(network: MemoryNetwork) -> None:
    """A sender that is cancelled while it waits for room has queued nothing; those before it arrive."""
    async with pair(network, LinkOptions(ping_interval=3600.0)) as (client, server):
        network.throttle("client", "server", 1000)
        accepted: list[int] = []

        async def fill() -> None:
            for number in range(10_000):
                await client.send(Invoke(f"i{number}", "x" * 1000))
                accepted.append(number)

        await cancel_with_time(fill, 5.0)
        network.heal()
        await client.send(Invoke("last", "last"))
        seen: list[str] = []
        while seen[-1:] != ["last"]:
            seen += [str(getattr(one, "id", "")) for one in await server.receive()]
        assert seen == [*(f"i{number}" for number in accepted), "last"]


async def cancel_with_time(function: Callable[[], Awaitable[object]], seconds: float) -> None:
    with trio.move_on_after(seconds) as scope:
        await function()
    assert scope.cancelled_caught


async def test_a_cancelled_close_still_says_goodbye(network: MemoryNetwork) -> None:
    """Closing is shielded within its bound: what was queued arrives, with the code and the reason."""
    async with pair(network) as (client, server):
        await client.send(Invoke("i1", "before"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await client.aclose(1001, "Going away")
        messages, end = await rest_of(server)
        assert [one.id for one in messages if isinstance(one, Invoke)] == ["i1"]
        assert (end.code, end.reason, end.origin) == (1001, "Going away", "remote")
        with pytest.raises(LinkClosed):
            await client.receive()


async def test_a_cancelled_ping_leaves_the_link_as_it_was(network: MemoryNetwork) -> None:
    """Whoever asks whether the peer lives may go away; the next one gets an answer."""
    async with pair(network) as (client, server):
        network.silence("server", "client")
        await cancel_while_waiting(client.is_alive)
        network.heal()
        assert await client.is_alive()
        await goes_on(client, server)
