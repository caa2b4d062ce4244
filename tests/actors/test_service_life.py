"""The life of a service: setup and teardown, requests at intervals, errors, deadlines and the end."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors import Backoff, BadInput, Service, service
from actors.errors import ActorStopped, AskTimeout
from tests.supervised import Supervised


@pytest.fixture
def running(nursery: trio.Nursery) -> Supervised:
    return Supervised(nursery, {})


async def test_every_invokes_at_intervals(running: Supervised, autojump_clock: MockClock) -> None:
    """The first time after one interval; without input, with a cid; an error ends nothing."""
    at: list[float] = []
    third = trio.Event()
    began = trio.current_time()

    class Ticks(Service):
        name = "test.ticks"
        every = 60.0

        async def handle(self) -> None:
            assert self.request.payload is None
            assert self.cid
            at.append(trio.current_time() - began)
            if len(at) == 3:
                third.set()
            msg = "ignored"
            raise ValueError(msg)

    running.start(Ticks)
    await third.wait()
    assert at == [60.0, 120.0, 180.0]
    assert running.entry("test.ticks")["restarts"] == 0


async def test_every_keeps_at_most_one_invocation_waiting(running: Supervised, autojump_clock: MockClock) -> None:
    """A handler slower than its interval is not chased by a growing queue."""

    class Slow(Service):
        name = "test.slow"
        every = 1.0
        concurrency = 1

        async def handle(self) -> None:
            await trio.sleep_forever()

    running.start(Slow)
    await trio.sleep(100)
    assert running.entry("test.slow")["mailbox"] == 1


@pytest.mark.parametrize("error", [ValueError("wrong"), ExceptionGroup("several", [ValueError("wrong")])])
async def test_an_error_is_an_answer_and_no_restart(error: Exception, running: Supervised) -> None:
    """Whoever asked gets it, alone where it was alone in a group; the service goes on with its state."""

    class Fails(Service):
        name = "test.fails"
        setups = 0

        async def setup(self) -> None:
            self.setups += 1

        async def handle(self, data: Any) -> int:
            if data == "fail":
                raise error
            return self.setups

    running.start(Fails)
    with pytest.raises(ValueError, match="wrong"):
        await running.ask("test.fails", "fail")
    assert await running.ask("test.fails", "count") == 1
    entry = running.entry("test.fails")
    assert (entry["restarts"], entry["last_error"]) == (0, "")


async def test_a_result_that_cannot_be_sent_is_an_error_of_the_request(running: Supervised) -> None:
    """It names the type and leaves the service as it is."""

    @service("test.object")
    async def give_object() -> object:
        return object()

    running.start(give_object)
    with pytest.raises(TypeError, match="type object cannot be sent"):
        await running.ask("test.object")
    assert running.entry("test.object")["restarts"] == 0


async def test_setup_and_teardown_bracket_its_life(running: Supervised, autojump_clock: MockClock) -> None:
    """Setup before the first request, teardown after the last: what is in hand when it is stopped is finished."""
    steps: list[str] = []
    in_hand = trio.Event()

    class Lives(Service):
        name = "test.lives"

        async def setup(self) -> None:
            await trio.sleep(1)
            steps.append("setup")

        async def handle(self) -> str:
            in_hand.set()
            await trio.sleep(3)
            steps.append("handle")
            return "answer"

        async def teardown(self) -> None:
            await trio.sleep(1)
            steps.append("teardown")

    running.start(Lives)
    answers: list[str] = []

    async def ask() -> None:
        answers.append(await running.ask("test.lives"))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await in_hand.wait()
        await running.root.stop("service", "test.lives")
    assert steps == ["setup", "handle", "teardown"]
    assert answers == ["answer"]


async def test_a_setup_that_fails_is_tried_again(running: Supervised, autojump_clock: MockClock) -> None:
    """It is a crash with a restart; requests wait meanwhile, and teardown runs for each attempt."""
    attempts: list[str] = []

    class Stumbles(Service):
        name = "test.stumbles"

        async def setup(self) -> None:
            attempts.append("setup")
            if attempts.count("setup") < 3:
                msg = "not yet"
                raise OSError(msg)

        async def handle(self) -> str:
            return "answer"

        async def teardown(self) -> None:
            attempts.append("teardown")

    running.start(Stumbles)
    assert await running.ask("test.stumbles") == "answer"
    assert attempts == ["setup", "teardown", "setup", "teardown", "setup"]
    entry = running.entry("test.stumbles")
    assert (entry["restarts"], entry["last_error"]) == (2, "OSError: not yet")


async def test_a_request_whose_time_is_up_is_cancelled(running: Supervised, autojump_clock: MockClock) -> None:
    """The handler ends at the deadline, so that it does not hold a place for nobody; the service goes on."""
    ended: list[float] = []
    began = trio.current_time()

    class Hangs(Service):
        name = "test.hangs"
        concurrency = 1

        async def handle(self, data: Any) -> Any:
            if data == "hang":
                try:
                    await trio.sleep_forever()
                finally:
                    ended.append(trio.current_time() - began)
            return self.deadline - trio.current_time()

    running.start(Hangs)
    with pytest.raises(AskTimeout):
        await running.ask("test.hangs", "hang", timeout=7)
    assert await running.ask("test.hangs", timeout=5) == 5
    assert ended == [7]


async def test_a_handler_that_is_cancelled_answers(running: Supervised, autojump_clock: MockClock) -> None:
    """Whoever waits for a service that is cancelled in the middle is told, and the error names the service."""
    in_hand = trio.Event()

    class Stubborn(Service):
        name = "test.stubborn"

        async def handle(self) -> None:
            in_hand.set()
            await trio.sleep_forever()

    running.start(Stubborn)
    told: list[str] = []

    async def ask() -> None:
        with pytest.raises(ActorStopped) as caught:
            await running.ask("test.stubborn", timeout=1000)
        told.append(str(caught.value))

    async with trio.open_nursery() as asking:
        asking.start_soon(ask)
        await in_hand.wait()
        await running.root.stop("service", "test.stubborn")
    assert told == ["'service:test.stubborn' was stopped before it answered"]


async def test_an_error_may_rebuild_the_state_of_a_classic_actor(running: Supervised) -> None:
    """With restart_on_error the caller has the error, and the next call a fresh instance; an answer restarts nothing."""

    class Counter(Service):
        name = "test.counter"
        concurrency = 1
        restart_on_error = True
        backoff = Backoff(first=0.001, longest=0.001)

        async def setup(self) -> None:
            self.count = 0

        async def handle(self, data: Any) -> int:
            self.count += 1
            if data == "refuse":
                msg = "no"
                raise BadInput(msg)
            if data == "fail":
                msg = "on purpose"
                raise RuntimeError(msg)
            return self.count

    running.start(Counter)
    assert await running.ask("test.counter") == 1
    with pytest.raises(BadInput):
        await running.ask("test.counter", "refuse")
    assert await running.ask("test.counter") == 3
    with pytest.raises(RuntimeError, match="on purpose"):
        await running.ask("test.counter", "fail")
    assert await running.ask("test.counter") == 1
    assert running.entry("test.counter")["restarts"] == 1
