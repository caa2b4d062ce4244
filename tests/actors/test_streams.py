"""Streams within a cluster: order, back-pressure, leaving, errors, time-outs, clean-up."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio
from attrs import frozen
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import (
    AskTimeout,
    BadInput,
    InvokeTimeout,
    IsthmusError,
    MethodNotAllowed,
    NotFound,
    Service,
    ServiceNotFound,
    service,
)
from actors.streams.flow import MAX_BYTES, MAX_ITEMS
from actors.streams.outlet import MAX_LISTED
from actors.streams.stream import Stream
from tests.supervised import Supervised


@frozen
class Tick:
    number: int


class Counts(Service):
    """Yields numbers up to a limit, and notes how far it has come and how it ended."""

    name = "test.counts"
    made = 0
    ended: list[str]

    async def setup(self) -> None:
        type(self).made = 0
        type(self).ended = []

    async def handle(self, limit: Any) -> AsyncGenerator[Any, None]:
        task = trio.lowlevel.current_task()
        try:
            for number in range(limit):
                type(self).made = number + 1
                yield number
                assert trio.lowlevel.current_task() is task
        except BaseException as error:
            self.ended.append(type(error).__name__)
            raise
        else:
            self.ended.append("end")


class Waits(Service):
    """Yields one item, then waits for ever."""

    name = "test.waits"
    ended = trio.Event()

    async def setup(self) -> None:
        type(self).ended = trio.Event()

    async def handle(self) -> AsyncGenerator[str, None]:
        try:
            yield "first"
            await trio.sleep_forever()
        finally:
            assert trio.lowlevel.in_trio_task()
            self.ended.set()


async def extend(seen: list[Any], stream: Stream) -> None:
    async for item in stream:
        seen.append(item)  # noqa: PERF401 - it is there when the stream fails


def asking(function: Any) -> type[Service]:
    """Return a service that does what a test says, with itself."""

    class Asks(Service):
        name = "test.asks"

        async def handle(self) -> Any:
            return await function(self)

    return Asks


async def run(nursery: trio.Nursery, function: Any, *classes: type[Service], timeout: float = 30.0) -> Any:
    running = Supervised(nursery, {})
    running.start(Counts, Waits, *classes, asking(function))
    return await running.ask("test.asks", timeout=timeout)


async def test_items_come_in_order_and_then_the_end(nursery: trio.Nursery) -> None:
    """More items than there is credit for at once arrive one by one; the generator's end ends the loop."""

    async def ask(self: Service) -> list[Any]:
        return [item async for item in self.stream(Counts, 3 * MAX_ITEMS)]

    assert await run(nursery, ask) == list(range(3 * MAX_ITEMS))
    assert Counts.ended == ["end"]


async def test_a_caller_that_does_not_iterate_stops_the_generator(nursery: trio.Nursery) -> None:
    """It makes as many items as there is credit for, and one that waits for more."""

    async def ask(self: Service) -> int:
        stream = self.stream("test.counts", 10_000)
        await anext(stream)
        await wait_all_tasks_blocked()
        made = Counts.made
        await stream.aclose()
        return made

    assert await run(nursery, ask) == MAX_ITEMS + 1
    await wait_all_tasks_blocked()
    assert Counts.ended == ["Cancelled"]


async def test_large_items_use_up_the_credit_in_bytes(nursery: trio.Nursery) -> None:
    """Few large items are as far as the generator gets; one beyond the whole credit passes, too."""
    made: list[int] = []

    @service("test.large")
    async def large() -> AsyncGenerator[Any, None]:
        for number in range(10):
            made.append(number)
            yield "x" * (MAX_BYTES // 2 if number else 2 * MAX_BYTES)

    async def ask(self: Service) -> list[int]:
        async with self.stream("test.large") as stream:
            first = len(await anext(stream))
            await wait_all_tasks_blocked()
            before = len(made)
            return [first, before, *[len(item) async for item in stream][:1]]

    assert await run(nursery, ask, large) == [2 * MAX_BYTES, 4, MAX_BYTES // 2]


@pytest.mark.parametrize("way", ["break", "return", "exception", "cancellation", "aclose", "async with"])
async def test_leaving_the_loop_cancels_the_generator(way: str, nursery: trio.Nursery) -> None:
    """However a loop is left, the generator has ended one step later, without any collection of garbage."""

    async def leave(self: Service) -> None:
        async for _item in self.stream("test.waits"):
            if way == "break":
                break
            if way == "return":
                return
            if way == "exception":
                raise NotFound(way)

    async def ask(self: Service) -> bool:
        if way == "aclose":
            stream = self.stream("test.waits")
            await anext(stream)
            await stream.aclose()
            with pytest.raises(IsthmusError, match="was left"):
                await anext(stream)
        elif way == "async with":
            async with self.stream("test.waits") as items:
                await anext(items)
        elif way == "cancellation":
            with trio.move_on_after(1):
                async for _item in self.stream("test.waits"):
                    pass
        elif way == "exception":
            with pytest.raises(NotFound):
                await leave(self)
        else:
            await leave(self)
        await wait_all_tasks_blocked()
        return Waits.ended.is_set()

    gc.disable()
    try:
        assert await run(nursery, ask)
    finally:
        gc.enable()


async def test_an_error_comes_after_what_was_yielded_before_it(nursery: trio.Nursery) -> None:
    """The loop gets all items, then the error of the generator."""

    @service("test.fails")
    async def fails() -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        msg = "no third"
        raise NotFound(msg)

    async def ask(self: Service) -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(NotFound, match="no third"):
            await extend(seen, self.stream("test.fails"))
        return seen

    assert await run(nursery, ask, fails) == [1, 2]


async def test_an_item_that_does_not_come_in_time_is_an_error(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """The time-out is of each item, the time of the loop's body not counted; the generator is cancelled."""

    async def ask(self: Service) -> float:
        began_at = trio.current_time()

        async def iterate() -> None:
            async for _item in self.stream("test.waits", timeout=2.0):
                await trio.sleep(5)

        with pytest.raises(InvokeTimeout, match="no further item within 2 s"):
            await iterate()
        await Waits.ended.wait()
        return trio.current_time() - began_at

    assert await run(nursery, ask) == 7


async def test_the_whole_time_of_a_stream_is_bounded(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A generator that goes on for ever is over after the total time, and knows it as its deadline."""
    left: list[float] = []

    class Ticks(Service):
        name = "test.ticks"

        async def handle(self) -> AsyncGenerator[Tick, None]:
            left.append(self.deadline - trio.current_time())
            for number in range(100):
                yield Tick(number)
                await trio.sleep(1)

    async def ask(self: Service) -> list[Any]:
        seen: list[Any] = []
        with pytest.raises(InvokeTimeout):
            await extend(seen, self.stream(Ticks, total_timeout=2.5))
        return seen

    assert await run(nursery, ask, Ticks) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert left == [2.5]


async def test_the_deadline_of_the_caller_flows_along(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    """A caller that has four seconds left gives a stream no more, and the generator ends with it."""

    async def ask(self: Service) -> None:
        await extend([], self.stream("test.waits"))

    began_at = trio.current_time()
    with pytest.raises((AskTimeout, InvokeTimeout), match="within 4 s"):
        await run(nursery, ask, timeout=4.0)
    await Waits.ended.wait()
    assert trio.current_time() - began_at == 4


async def test_a_scope_around_a_yield_works_as_around_any_wait(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    """A generator that gives its caller only so long to take an item goes on when that time is over."""

    @service("test.hurries")
    async def hurries() -> AsyncGenerator[Any, None]:
        for number in range(MAX_ITEMS):
            yield number
        with trio.move_on_after(1) as scope:
            yield "too late"
        yield scope.cancelled_caught

    async def ask(self: Service) -> Any:
        async with self.stream("test.hurries") as stream:
            await anext(stream)
            await trio.sleep(2)
            return [item async for item in stream][-1]

    assert await run(nursery, ask, hurries) is True


async def test_a_call_that_is_no_stream_gets_a_list(nursery: trio.Nursery) -> None:
    """An invocation of a generator gives all its items at once, and is an error where they are too many."""

    async def ask(self: Service) -> Any:
        with pytest.raises(MethodNotAllowed, match="iterate over it with stream"):
            await self.invoke("test.counts", MAX_LISTED + 1)
        return await self.invoke("test.counts", 3)

    assert await run(nursery, ask) == [0, 1, 2]
    assert Counts.ended == ["MethodNotAllowed", "end"]


async def test_what_gives_no_stream_says_so(nursery: trio.Nursery) -> None:
    """A service that yields nothing, one that is not there and the service itself are errors of the first step."""

    @service("test.plain")
    async def plain() -> str:
        return "one"

    async def ask(self: Service) -> None:
        with pytest.raises(MethodNotAllowed, match="no stream"):
            await anext(self.stream("test.plain"))
        with pytest.raises(ServiceNotFound):
            await anext(self.stream("test.nothing"))
        with pytest.raises(IsthmusError, match="from itself"):
            self.stream("test.asks")
        with pytest.raises(BadInput, match="more than 0"):
            self.stream("test.waits", timeout=0)

    await run(nursery, ask, plain)


def test_a_handler_that_yields_and_blocks_is_refused() -> None:
    """A `def` that yields would need a thread for as long as its caller likes."""

    class Blocks(Service):
        def handle(self) -> Any:
            yield 1

    with pytest.raises(TypeError, match="async def"):
        Blocks.check_declaration()


async def test_a_blocking_service_iterates_too(nursery: trio.Nursery) -> None:
    """`for` in a worker thread gives the same items, and leaving it cancels the generator."""

    class Blocks(Service):
        name = "test.blocks"

        def handle(self) -> Any:
            for item in self.stream("test.waits"):
                return [item, *self.stream("test.counts", 3)]
            return None

    running = Supervised(nursery, {})
    running.start(Counts, Waits, Blocks)
    assert await running.ask("test.blocks") == ["first", 0, 1, 2]
    await Waits.ended.wait()


async def test_streams_count_against_concurrency_and_are_listed_when_overdue(nursery: trio.Nursery) -> None:
    """A stream has a worker until it ends; one that shields itself when its caller leaves is shown."""
    go_on = trio.Event()

    class Shields(Service):
        name = "test.shields"
        concurrency = 1

        async def handle(self) -> AsyncGenerator[int, None]:
            try:
                yield 1
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await go_on.wait()

    running = Supervised(nursery, {})

    async def ask(self: Service) -> list[Any]:
        async for _item in self.stream("test.shields"):
            break
        await wait_all_tasks_blocked()
        overdue = running.entry("test.shields")["gauges"]["overdue"]
        async with self.stream("test.shields") as second:
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as waiting:
                    waiting.start_soon(second.__anext__)
                    await wait_all_tasks_blocked()
                    scope.cancel()
        return [self.cid, overdue]

    running.start(Shields, asking(ask))
    cid, overdue = await running.ask("test.asks", cid="c1")
    assert cid == "c1"
    assert overdue == ["c1"]
    go_on.set()
    await wait_all_tasks_blocked()
    assert running.entry("test.shields")["gauges"]["overdue"] == []
