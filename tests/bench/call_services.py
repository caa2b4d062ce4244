"""The services of the clusters whose calls are measured: handlers, callers over a link, and callers within a cluster."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import trio

from actors import Actor, Service
from actors.errors import MailboxFull
from tests.bench.call_load import PAYLOAD, Calls, check_answer, keep_calling
from tests.bench.services import CONNECTION

TELLS_AT_ONCE = 1000


class Echo(Service):
    """Returns what it is given, at once."""

    name = "bench.echo"

    async def handle(self, data: Any) -> Any:
        return data


class WaitingEcho(Service):
    """Waits for an event before it returns what it is given."""

    name = "bench.waiting-echo"

    async def setup(self) -> None:
        self.waiting: list[trio.Event] = []
        self.has_waiting = trio.Event()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._set_events)
            await super().run()
            nursery.cancel_scope.cancel()

    async def _set_events(self) -> None:
        while True:
            await self.has_waiting.wait()
            self.has_waiting = trio.Event()
            waiting, self.waiting = self.waiting, []
            for event in waiting:
                event.set()

    async def handle(self, data: Any) -> Any:
        event = trio.Event()
        self.waiting.append(event)
        self.has_waiting.set()
        await event.wait()
        return data


class Caller(Service):
    """Has so many callers invoke a service for some seconds, over one link or spread over several."""

    name = "bench.call"

    async def handle(self, order: dict) -> dict:
        names = order.get("connections", [CONNECTION])
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(self.out.wsx.get(name).conn.client()) for name in names]
            ways = [partial(client.invoke, order["service"], PAYLOAD, timeout=30.0) for client in clients]
            check_answer(_bare((await ways[0]()).data))
            calls = Calls.limited_by(order["seconds"], order["rate"])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(calls.pace, trio.sleep)
                for number in range(order["callers"]):
                    nursery.start_soon(keep_calling, calls, ways[number % len(ways)], trio.Event)
        return calls.outcome()


def _bare(data: Any) -> Any:
    """Return what the gateway's service answered, without what Zato's format puts around it."""
    is_wrapped = isinstance(data, dict) and isinstance(data.get("response"), dict)
    return data["response"]["zato_gateway_response"] if is_wrapped else data


class Listener(Actor):
    """Is asked and told."""

    name = "bench.listener"

    async def setup(self) -> None:
        self.last: object = None

    async def receive(self, message: Any) -> Any:
        self.last = message
        return message


class Local(Service):
    """Measures messages from task to task in one process: to an actor, and over Trio's bare channel."""

    name = "bench.local"

    async def handle(self, order: dict) -> float:
        ways = {"ask": self._ask, "tell": self._tell, "tell-nowait": self._tell_nowait}
        bare = {"ask": _bare_ask, "tell": _bare_tell}
        way: Callable[[float], Awaitable[int]] = (bare if order["is_bare"] else ways)[order["row"]]
        began_at = time.monotonic()
        count = await way(began_at + order["seconds"])
        return count / (time.monotonic() - began_at)

    async def _ask(self, end: float) -> int:
        ref, count = self.ref("actor", Listener.name), 0
        while time.monotonic() < end:
            await ref.ask(count)
            count += 1
        return count

    async def _tell(self, end: float) -> int:
        ref, count = self.ref("actor", Listener.name), 0
        while time.monotonic() < end:
            for _ in range(TELLS_AT_ONCE):
                await ref.tell(count)
            count += TELLS_AT_ONCE
        await ref.ask(count)  # all before it have been handled then
        return count

    async def _tell_nowait(self, end: float) -> int:
        ref, count = self.ref("actor", Listener.name), 0
        while time.monotonic() < end:
            for _ in range(TELLS_AT_ONCE):
                try:
                    ref.tell_nowait(count)
                except MailboxFull:
                    await ref.tell(count)
            count += TELLS_AT_ONCE
        await ref.ask(count)
        return count


async def _bare_ask(end: float) -> int:
    send, receive = trio.open_memory_channel[tuple[list[int], trio.Event]](0)
    count = 0

    async def answer() -> None:
        async for box, event in receive:
            box.append(0)
            event.set()

    async with trio.open_nursery() as nursery, send:
        nursery.start_soon(answer)
        while time.monotonic() < end:
            event = trio.Event()
            await send.send(([], event))
            await event.wait()
            count += 1
    return count


async def _bare_tell(end: float) -> int:
    send, receive = trio.open_memory_channel[int](TELLS_AT_ONCE)
    count = 0

    async def take() -> None:
        async for _message in receive:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        async with send:
            while time.monotonic() < end:
                for _ in range(TELLS_AT_ONCE):
                    await send.send(count)
                count += TELLS_AT_ONCE
    return count
