"""Services under a supervisor: their forms, their input and output, and how many requests at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
import trio.testing
from attrs import frozen
from trio.testing import MockClock

from actors import BadInput, Dict, Opaque, RemoteError, Service, service
from actors.secret import Secret
from tests.supervised import Supervised


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {"retries": 3, "password": Secret.of("sesame-open")})


@frozen
class Query:
    customer_id: int


@frozen
class Customer:
    customer_id: int
    name: str


@service("test.async")
async def with_await(query: Query) -> Customer:
    """Return a customer."""
    await trio.lowlevel.checkpoint()
    return Customer(query.customer_id, "async")


@service("test.sync")
def without_await(query: Query) -> Customer:
    """Return a customer, from a worker thread, where there is no event loop."""
    with pytest.raises(RuntimeError):
        trio.lowlevel.current_task()
    return Customer(query.customer_id, "sync")


@service("test.nothing")
def nothing() -> list[int]:
    """Take nothing."""
    return [1]


class GetCustomer(Service):
    name = "test.class"

    async def handle(self, query: Query) -> Customer:
        return Customer(query.customer_id, "class")


class GetCustomerBlocking(Service):
    name = "test.blocking"

    def handle(self, query: Query) -> Customer:
        return Customer(query.customer_id, "blocking")


@pytest.mark.parametrize("form", ["async", "sync", "class", "blocking"])
async def test_typed_input_and_output_work_in_every_form(form: str, running: Supervised) -> None:
    """An attrs class is read from the request and written to the response; wrong input names the element."""
    running.start(with_await, without_await, GetCustomer, GetCustomerBlocking)
    name = f"test.{form}"
    assert await running.ask(name, {"customer_id": 7}) == {"customer_id": 7, "name": form}
    with pytest.raises(BadInput, match="customer_id: expected int, got '7'"):
        await running.ask(name, {"customer_id": "7"})
    with pytest.raises(BadInput, match="customer_id: missing"):
        await running.ask(name, {})
    assert running.entry(name)["restarts"] == 0


async def test_a_function_may_take_nothing(running: Supervised) -> None:
    """Its input is ignored then."""
    running.start(nothing)
    assert await running.ask("test.nothing", {"anything": 1}) == [1]


def counting(concurrency: int) -> tuple[type[Service], list[int], Callable[[], Awaitable[None]]]:
    """Return a service that notes how many of its invocations run at once, and what lets them end."""
    at_once: list[int] = []
    release = trio.Semaphore(0)

    class Counting(Service):
        name = "test.counting"
        running_now = 0

        async def handle(self, data: Any) -> Any:
            self.running_now += 1
            at_once.append(self.running_now)
            await release.acquire()
            self.running_now -= 1
            return data

    async def let_one_end() -> None:
        release.release()
        await trio.testing.wait_all_tasks_blocked()

    Counting.concurrency = concurrency
    return Counting, at_once, let_one_end


@pytest.mark.parametrize("concurrency", [1, 2, 5])
async def test_concurrency_is_a_bound_that_is_reached_and_kept(concurrency: int, running: Supervised) -> None:
    """So many requests are handled at once and no more; each that ends lets the next one begin; all are answered."""
    cls, at_once, let_one_end = counting(concurrency)
    running.start(cls)
    answers: list[int] = []

    async def ask(number: int) -> None:
        answers.append(await running.ask("test.counting", number))

    async with trio.open_nursery() as asking:
        for number in range(12):
            asking.start_soon(ask, number)
        await trio.testing.wait_all_tasks_blocked()
        for ended in range(12):
            assert len(at_once) == min(12, concurrency + ended)
            await let_one_end()
    assert max(at_once) == concurrency
    assert sorted(answers) == list(range(12))


async def test_a_classic_actor_needs_no_locks(running: Supervised, autojump_clock: MockClock) -> None:
    """With `concurrency = 1` a read and a write with a wait in between lose nothing, and requests keep their order."""

    class Counter(Service):
        name = "test.counter"
        concurrency = 1

        async def setup(self) -> None:
            self.count = 0

        async def handle(self) -> int:
            count = self.count
            await trio.sleep(0.1)
            self.count = count + 1
            return self.count

    running.start(Counter)
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await running.ask("test.counter"))

    async with trio.open_nursery() as asking:
        for _ in range(10):
            asking.start_soon(ask)
    assert answers == list(range(1, 11))


@pytest.mark.parametrize("is_blocking", [False, True])
async def test_each_invocation_has_its_own_request(is_blocking: bool, running: Supervised) -> None:
    """`self.request`, `self.response` and `self.cid` are right though all invocations overlap, in threads as well."""
    everyone_is_in = trio.Event()
    waiting = 0

    async def meet() -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 10:
            everyone_is_in.set()
        await everyone_is_in.wait()

    class Base(Service):
        name = "test.request"

        def answer(self) -> None:
            self.response.payload = [self.request.payload, self.request.input, self.cid]

    class Native(Base):
        name = "test.request"

        async def handle(self) -> None:
            await meet()
            self.answer()

    class Blocking(Base):
        name = "test.request"

        def handle(self) -> None:
            trio.from_thread.run(meet)
            self.answer()

    running.start(Blocking if is_blocking else Native)
    answers: dict[int, Any] = {}

    async def ask(number: int) -> None:
        answers[number] = await running.ask("test.request", number, cid=f"cid{number}")

    async with trio.open_nursery() as asking:
        for number in range(10):
            asking.start_soon(ask, number)
    assert answers == {number: [number, number, f"cid{number}"] for number in range(10)}


async def test_outside_of_an_invocation_there_is_no_request(running: Supervised) -> None:
    """In `setup`, `self.request` is an error and not the request of somebody else."""
    found: list[str] = []

    class Early(Service):
        name = "test.early"

        async def setup(self) -> None:
            with pytest.raises(LookupError):
                _ = self.request
            found.append("setup")

        async def handle(self) -> str:
            return self.cid

    running.start(Early)
    assert await running.ask("test.early", cid="abc") == "abc"
    assert len(await running.ask("test.early")) == 24, "an invocation without a cid is given one"
    assert found == ["setup"]


async def test_config_holds_values_and_secrets(running: Supervised) -> None:
    """`self.config` is what clusters.toml says; a secret is revealed on purpose only."""

    class Configured(Service):
        name = "test.configured"

        async def handle(self) -> list[Any]:
            return [self.config["retries"], str(self.config["password"]), self.config["password"].reveal()]

    running.start(Configured)
    assert await running.ask("test.configured") == [3, "***", "sesame-open"]


async def test_simple_io_works_as_zato_declares_it(running: Supervised) -> None:
    """Input and output are those declared: elements converted, others left out, what is required demanded."""

    class Zato(Service):
        name = "test.zato"

        class SimpleIO:
            input_required = ("customer_id",)
            input_optional = ("is_new", Opaque("extra"))
            output_required = ("customer_id",)
            output_optional = ("note",)

        def handle(self) -> None:
            given = self.request.input
            self.response.payload.customer_id = given.customer_id
            self.response.payload.unknown = [given.is_new, given.extra]

    running.start(Zato)
    assert await running.ask("test.zato", {"customer_id": "7", "is_new": "yes"}) == {"customer_id": 7, "note": ""}
    with pytest.raises(BadInput, match="'customer_id' is missing"):
        await running.ask("test.zato", {})


async def test_what_is_nested_too_deep_is_told_in_a_sentence(
    running: Supervised, capsys: pytest.CaptureFixture[str]
) -> None:
    """As input and as result, and without a page of traceback in the log each time."""

    class Echo(Service):
        name = "echo"

        async def handle(self, data: Any) -> Any:
            return data

    class Reads(Service):
        name = "reads"
        input = Dict("data")

        async def handle(self) -> None: ...

    nested: Any = {}
    for _ in range(5000):
        nested = {"inner": nested}
    running.start(Echo, Reads)
    with pytest.raises(RemoteError, match="the result is nested too deep"):
        await running.ask("echo", nested)
    with pytest.raises(BadInput, match="the input is nested too deep"):
        await running.ask("reads", {"data": nested})
    assert "Traceback" not in "".join(capsys.readouterr())


def test_a_private_method_of_services_is_not_replaced_unawares() -> None:
    """The name is told when the service is declared, not when something odd happens; others are free."""

    class Worker(Service):
        async def handle(self) -> None:
            await self._work_hard()

        async def _work_hard(self) -> None: ...

    Worker.check_declaration()

    class Clash(Worker):
        async def _invoke_at_intervals(self) -> None: ...

    with pytest.raises(
        TypeError, match=r"Clash\._invoke_at_intervals: every Service has a method of this name already"
    ):
        Clash.check_declaration()
