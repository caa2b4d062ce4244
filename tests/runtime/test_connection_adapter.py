"""Hooks with a method for each event, and what a server's request is answered with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

import actors
from actors import BadInput, ConnectionAdapter, OnClosed, OnConnected, OnMessageReceived, RemoteError, Service
from actors.messages import Failure, Hello, Invoke, Message, Reply, Welcome
from actors.ports import Link
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from tests.runtime.test_two_clusters import until
from tests.runtime.transport.support import serving
from tests.support import ADDRESS, CONNECTION, apac_settings, start

NAMES = dict.fromkeys(("on_connect", "on_message", "on_close"), "test.adapter")


class Channel:
    """A channel that a test plays itself: it welcomes whoever says hello, and asks what the test wants."""

    def __init__(self) -> None:
        self.link: Link | None = None

    async def serve(self, link: Link) -> None:
        [hello] = await link.receive()
        assert isinstance(hello, Hello)
        link.send_nowait(Welcome("welcome", hello.id, token="token"))
        self.link = link
        await trio.sleep_forever()

    async def ask(self, data: object) -> Message:
        """Ask the client, and return what it answers."""
        await until(lambda: self.link)
        assert self.link is not None
        await self.link.send(Invoke("question", data))
        [answer] = await self.link.receive()
        return answer


@asynccontextmanager
async def asking(
    nursery: trio.Nursery, network: MemoryNetwork, *classes: type[Service], **outgoing: Any
) -> AsyncIterator[tuple[Channel, SimulatedCluster]]:
    """Start a cluster whose connection has a session with a channel of the test's own."""
    channel = Channel()
    async with serving(network.node("emea"), channel.serve, address=Address.parse(ADDRESS)):
        apac = await start(nursery, network, "apac", apac_settings(hooks=False, **outgoing), classes)
        await apac.until("outgoing", CONNECTION, "ready")
        yield channel, apac


async def test_each_event_reaches_its_method_and_the_result_is_the_answer(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Blocking and async methods alike; what on_message_received returns is what the server gets."""
    seen: list[str] = []

    class Adapter(ConnectionAdapter):
        name = "test.adapter"

        async def on_connected(self, ctx: OnConnected) -> None:
            seen.append(f"connected, attempt {ctx.attempt}, to {ctx.config.address}")

        def on_message_received(self, ctx: OnMessageReceived) -> dict[str, Any]:
            seen.append(f"received {ctx.data.data} in {ctx.data.id}")
            return {"you said": ctx.data.data}

        async def on_closed(self, ctx: OnClosed) -> None:
            seen.append(f"closed {ctx.code} {ctx.origin}")

    async with asking(nursery, network, Adapter, **NAMES) as (channel, apac):
        answer = await channel.ask({"a": 1})
        assert isinstance(answer, Reply)
        assert (answer.in_reply_to, answer.data) == ("question", {"you said": {"a": 1}})
        network.cut()
        await apac.until("outgoing", CONNECTION, "backoff")
        await until(lambda: len(seen) >= 3)
    assert seen[:3] == [f"connected, attempt 1, to {ADDRESS}", "received {'a': 1} in question", "closed 1006 network"]


async def test_methods_that_are_not_overridden_are_not_called(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adapter of one method may serve all three events; a request then is answered with nothing."""
    closed: list[Any] = []

    def called(_adapter: ConnectionAdapter, _ctx: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ConnectionAdapter, "on_message_received", called)

    class Adapter(ConnectionAdapter):
        name = "test.adapter"

        def on_closed(self, ctx: OnClosed) -> None:
            closed.append(ctx)

    async with asking(nursery, network, Adapter, **NAMES) as (channel, apac):
        answer = await channel.ask("anything")
        assert isinstance(answer, Reply)
        assert answer.data is None
        assert apac.entry("service", "test.adapter")["counts"] == {"handled": 2}
        network.cut()
        await until(lambda: closed)


@pytest.mark.parametrize("is_adapter", [True, False])
async def test_what_a_hook_raises_over_a_request_is_told_where_the_wire_can_say_it(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, is_adapter: bool
) -> None:
    """Errors meant for callers with their text, others without; Zato's format knows only an empty answer."""

    def fail(ctx: OnMessageReceived) -> None:
        if ctx.data.data == "bad":
            msg = "ask better"
            raise BadInput(msg)
        msg = "an internal detail"
        raise RuntimeError(msg)

    class Adapter(ConnectionAdapter):
        name = "test.adapter"

        async def on_message_received(self, ctx: OnMessageReceived) -> None:
            fail(ctx)

    class Plain(Service):
        name = "test.adapter"

        async def handle(self, ctx: OnMessageReceived) -> None:
            fail(ctx)

    async with asking(nursery, network, Adapter if is_adapter else Plain, on_message="test.adapter") as (channel, _):
        bad, worse = await channel.ask("bad"), await channel.ask("worse")
    if wire == "zato":
        assert [(type(one), one.data) for one in (bad, worse) if isinstance(one, Reply)] == [(Reply, None)] * 2
    else:
        assert isinstance(bad, Failure)
        assert (bad.status, bad.message) == (400, "ask better")
        assert isinstance(worse, Failure)
        assert (worse.status, worse.message) == (500, "Internal server error")


async def test_a_hook_calls_over_its_own_connection(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """ctx.conn gives clients and has short cuts; the server's request is answered when its own answer has come."""

    class Adapter(ConnectionAdapter):
        name = "test.adapter"

        def on_message_received(self, ctx: OnMessageReceived) -> Any:
            if ctx.data.data == "client":
                with ctx.conn.client() as client:
                    return client.invoke_service("remote.service", 1).data
            return ctx.conn.invoke({"service": "remote.service", "request": 1}).data

    async with asking(nursery, network, Adapter, on_message="test.adapter") as (channel, _apac):
        await until(lambda: channel.link)
        link = channel.link
        assert link is not None
        for way in ("client", "short cut"):
            question = await channel.ask(way)
            assert isinstance(question, Invoke)
            assert question.data == {"service": "remote.service", "request": 1}
            link.send_nowait(Reply("answer", question.id, "what was asked for"))
            [answer] = await link.receive()
            assert isinstance(answer, Reply)
            assert (answer.in_reply_to, answer.data) == ("question", "what was asked for")


async def test_an_adapter_is_no_service_to_invoke(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Whoever invokes it by name is told what it is."""

    class Adapter(ConnectionAdapter):
        name = "test.adapter"

    apac = await start(nursery, network, "apac", apac_settings(hooks=False, active=False), [Adapter])
    with pytest.raises(RemoteError, match=r"'test.adapter' is a connection's hook and cannot be invoked"):
        await apac.invoke("test.adapter", {"a": 1})


def test_zatos_names_are_the_same_classes() -> None:
    """A hook written for Zato needs its import changed, no more."""
    assert actors.WSXAdapter is ConnectionAdapter
    assert (OnConnected, OnMessageReceived, OnClosed) == (actors.Connected, actors.MessageReceived, actors.Closed)
