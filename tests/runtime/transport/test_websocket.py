"""The life of a link as a context: what leaving it means to the peer, to other links, and to an error under way."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.errors import DialFailed, LinkClosed
from actors.messages import Denied, Goodbye, Invoke
from actors.ports import Arrival, Link
from runtime.testing import MemoryNetwork
from runtime.transport import LinkOptions
from runtime.transport.buffered import FLUSH_TIMEOUT
from runtime.transport.options import CLOSE_TIMEOUT
from runtime.wire.native import NativeWire
from tests.runtime.transport.support import ADDRESS, dial, goes_on, make_listener, open_session, pair, rest_of, serving

BOUND = CLOSE_TIMEOUT + 2 * FLUSH_TIMEOUT
QUIET = LinkOptions(ping_interval=3600.0)


class BodyError(Exception):
    """What the body of a test's context raises."""


class Handled:
    """A handler of links that keeps each until it is told how to end it, and notes how it ended."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.endings: list[trio.Event] = []
        self.errors: list[BaseException] = []
        self.came = trio.Event()
        self.gone = trio.Event()

    async def __call__(self, link: Link) -> None:
        ending = trio.Event()
        self.links.append(link)
        self.endings.append(ending)
        self.came.set()
        await ending.wait()
        raise BodyError

    async def next(self) -> Link:
        """Return the link that came."""
        await self.came.wait()
        self.came = trio.Event()
        return self.links[-1]


async def goodbye_and_end(link: Link) -> tuple[list[Any], LinkClosed]:
    """Receive the peer's last messages and how the link ended."""
    with trio.fail_after(BOUND):
        return await rest_of(link)


# One connection and the others


async def test_an_error_in_one_handler_ends_only_its_link(network: MemoryNetwork) -> None:
    """A link whose handler raises is closed with a goodbye; other links and the listener go on."""
    handled = Handled()
    client, server = network.node("client"), network.node("server")

    async def handle(link: Link) -> None:
        try:
            await handled(link)
        except BodyError as error:
            handled.errors.append(error)
            raise DialFailed("test", "given up") from error

    async with serving(server, handle), dial(client) as first, dial(client) as second:
        with trio.fail_after(10):
            while len(handled.links) < 2:
                await handled.next()
        await open_session(first, handled.links[0])
        await open_session(second, handled.links[1])
        handled.endings[0].set()
        messages, end = await goodbye_and_end(first)
        assert messages == [Goodbye(1001, "Going away")]
        assert (end.code, end.origin) == (1001, "remote")
        assert len(handled.errors) == 1
        await goes_on(second, handled.links[1])
        async with dial(client) as third:
            with trio.fail_after(10):
                there = await handled.next()
            await open_session(third, there)
            await goes_on(third, there)


async def test_a_failing_accept_does_not_end_the_listener(network: MemoryNetwork) -> None:
    """The system refuses a connection; links go on, and the next peer comes in."""
    async with pair(network) as (client, server):
        network.fail_accepting(OSError(24, "Too many open files"))
        await goes_on(client, server)
        with trio.fail_after(10):
            async with dial(network.node("client")):
                await goes_on(server, client)


async def test_what_nobody_opened_ends_with_the_listener(network: MemoryNetwork) -> None:
    """A peer that was accepted and never opened loses its connection when listening ends."""
    arrivals: list[Arrival] = []
    listening = trio.Event()
    listener = make_listener(network.node("server"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listener.listen, arrivals.append, listening.set)
        await listening.wait()
        stream = await network.node("client").connect(ADDRESS)
        await trio.testing.wait_all_tasks_blocked()
        assert len(arrivals) == 1
        nursery.cancel_scope.cancel()
    with trio.fail_after(1):
        assert await stream.receive_some() == b""
    await stream.aclose()


async def test_places_for_handshakes_are_bounded_and_freed(network: MemoryNetwork) -> None:
    """A peer that says nothing holds its place until the time for shaking hands is over; then the next comes in."""
    options = LinkOptions(handshake_timeout=5.0)
    async with serving(network.node("server"), Handled(), options=options, max_handshakes=1):
        node = network.node("client")
        silent = await node.connect(ADDRESS)
        began = trio.current_time()
        async with dial(node):
            assert trio.current_time() - began == pytest.approx(5.0)
        assert await silent.receive_some() == b""
        await silent.aclose()


# The last word


@pytest.mark.parametrize("is_server", [False, True])
async def test_a_cancelled_owner_says_goodbye_first(network: MemoryNetwork, is_server: bool) -> None:
    """Whichever owner is cancelled, its peer gets what was queued, a goodbye and a close frame."""
    handled = Handled()
    scope = trio.CancelScope()

    async def handle(link: Link) -> None:
        if is_server:
            with scope:
                await handled(link)
            handled.gone.set()
        else:
            await handled(link)

    async def own(task_status: trio.TaskStatus[Link]) -> None:
        with trio.CancelScope() if is_server else scope:
            async with dial(network.node("client")) as link:
                task_status.started(link)
                await trio.sleep_forever()

    async with serving(network.node("server"), handle), trio.open_nursery() as nursery:
        client: Link = await nursery.start(own)
        server = await handled.next()
        await open_session(client, server)
        owner, peer = (server, client) if is_server else (client, server)
        owner.send_nowait(Invoke("last", "queued"))
        began = trio.current_time()
        scope.cancel()
        messages, end = await goodbye_and_end(peer)
        assert [type(one) for one in messages] == [Invoke, Goodbye]
        assert (end.code, end.reason, end.origin) == (1001, "Going away", "remote")
        assert trio.current_time() == began
        nursery.cancel_scope.cancel()


async def _leave(network: MemoryNetwork, fault: str) -> None:
    """Raise an error in the body of a link's context, after a fault."""
    async with dial(network.node("client"), options=QUIET) as link:
        if fault == "silence":
            network.partition(["client"], ["server"])
        elif fault == "cut":
            network.cut()
        elif fault == "full":
            network.silence("client", "server")
            link.send_nowait(Invoke("large", "x" * 500_000))
        elif fault == "closed":
            await link.aclose()
        raise BodyError


@pytest.mark.parametrize("fault", ["none", "silence", "cut", "full", "closed"])
async def test_leaving_never_masks_an_error(network: MemoryNetwork, fault: str) -> None:
    """The error of the body comes out as it is, in bounded time, also when the peer never answers the close."""
    handled = Handled()
    async with serving(network.node("server"), handled, options=QUIET):
        began = trio.current_time()
        with pytest.raises(BodyError):
            await _leave(network, fault)
        assert trio.current_time() - began <= BOUND
        network.heal()


async def test_a_ping_that_crosses_the_close_is_no_error(network: MemoryNetwork) -> None:
    """The peer pings while its close is on its way to it: leaving the context raises nothing, in bounded time."""
    handled = Handled()
    async with serving(network.node("server"), handled, options=QUIET):
        node = network.node("client")
        began = trio.current_time()
        async with dial(node, options=QUIET) as client:
            server = await handled.next()
            network.delay("server", "client", 0.5)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.is_alive)
                await trio.testing.wait_all_tasks_blocked()
                await client.aclose()
            left = True
        assert left
        assert trio.current_time() - began <= BOUND


async def test_a_failure_of_a_link_s_own_task_is_one_error(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault inside a link ends its owner with that error alone, not with a group."""

    def fail(self: NativeWire, frame: Any) -> Any:
        raise BodyError

    monkeypatch.setattr(NativeWire, "receive", fail)

    async def speak(link: Link) -> None:
        link.send_nowait(Denied("denied", "no"))
        await trio.sleep_forever()

    async with serving(network.node("server"), speak, options=QUIET):
        with pytest.raises(BodyError):
            async with dial(network.node("client"), options=QUIET):
                await trio.sleep_forever()
