"""A service that is asked for more than it can do goes on answering as many as it can, and refuses the others in time."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, ClassVar

import pytest
import trio

from actors import AskTimeout, InvokeTimeout, Service
from actors.errors import Overloaded
from actors.services.overload import Overload
from runtime.testing import Clusters, MemoryNetwork
from tests.support import CONNECTION, apac_settings, emea_settings, start


def test_nothing_is_known_before_a_request_is_cut_off() -> None:
    """One that is given up long before its deadline tells nothing; the first that is cut off begins it."""
    overload = Overload()
    overload.cancelled(1.0, deadline=1.3, began_at=None)
    overload.cancelled(1.0, deadline=float("inf"), began_at=None)
    assert (overload.is_on, overload.least(1.0)) == (False, 0.0)
    overload.cancelled(1.0, deadline=1.2, began_at=None)
    assert (overload.is_on, overload.least(1.0)) == (True, 0.0)


def test_the_median_of_the_last_requests_counts() -> None:
    """A request needs a quarter more, half a second at most; what was cut off counts twice, or as long as it went on."""
    overload = Overload()
    overload.cancelled(1.0, deadline=1.0, began_at=None)
    overload.cancelled(2.0, deadline=2.0, began_at=1.0)
    assert overload.least(2.0) == 2.5
    overload.cancelled(9.0, deadline=2.0, began_at=1.0)
    overload.handled(3.0)
    assert overload.least(9.0) == 3.5
    for _ in range(16):
        overload.handled(0.4)
    assert overload.least(9.0) == 0.5


def test_it_is_over_when_no_request_came_too_late_for_long() -> None:
    """A refused one makes it go on for ten seconds, as one that is cut off does; then nothing of it is left."""
    overload = Overload()
    overload.cancelled(1.0, deadline=1.0, began_at=0.0)
    assert overload.least(11.0) == 2.5
    overload.refused(11.0)
    assert (overload.least(21.0), overload.is_on) == (2.5, True)
    assert (overload.least(21.1), overload.is_on) == (0.0, False)
    overload.cancelled(30.0, deadline=30.0, began_at=None)
    assert overload.least(30.0) == 0.0


class Crowd:
    """Callers that ask one service again and again, each waiting `timeout` seconds at most; outcomes by kind."""

    def __init__(self, service: type[Service], callers: int, timeout: float, connection: str = "") -> None:
        self.outcomes: Counter[str] = Counter()
        crowd, entropy = self, random.Random(callers)

        class Drive(Service):
            """Runs the callers for so many seconds."""

            name = "test.drive"

            async def handle(self, data: float) -> dict[str, int]:
                crowd.outcomes.clear()
                with trio.move_on_after(data):
                    async with trio.open_nursery() as nursery:
                        for _ in range(callers):
                            nursery.start_soon(self._call)
                return dict(crowd.outcomes)

            async def _call(self) -> None:
                await trio.sleep(entropy.uniform(0.0, timeout))
                while True:
                    try:
                        if connection:
                            async with self.out.wsx.get(connection).conn.client() as client:
                                await client.invoke(service.name, 0, timeout=timeout)
                        else:
                            await self.invoke(service, 0, timeout=timeout)
                        crowd.outcomes["answered"] += 1
                    except (InvokeTimeout, Overloaded) as error:
                        crowd.outcomes[type(error).__name__] += 1
                        await trio.sleep(0.05)

        self.service = Drive


def working(seconds: float, spread: float, concurrency: int) -> type[Service]:
    """Return a service that takes about so many seconds, give or take a part of that."""
    entropy = random.Random(concurrency)

    class Works(Service):
        """Takes its time."""

        name = "test.works"

        async def handle(self, data: Any) -> Any:
            await trio.sleep(seconds * (1 + entropy.uniform(-spread, spread)))
            return data

    Works.concurrency = concurrency
    return Works


@pytest.mark.parametrize(
    ("concurrency", "seconds", "spread", "callers"),
    [
        (1, 0.5, 0.0, 20),
        (1, 0.5, 0.5, 20),
        (4, 0.5, 0.5, 60),
        (1, 1.5, 0.2, 20),
        (1, 1.9, 0.0, 20),
        (10, 0.1, 0.9, 500),
    ],
)
async def test_an_overloaded_service_answers_as_many_as_it_can(
    clusters: Clusters, concurrency: int, seconds: float, spread: float, callers: int
) -> None:
    """Of callers that wait two seconds as many are answered as there is time for, but for a tenth or so."""
    works = working(seconds, spread, concurrency)
    crowd = Crowd(works, callers, timeout=2.0)
    await clusters.start("[clusters.one]", services=lambda _name: [works, crowd.service])
    outcomes = await clusters["one"].invoke("test.drive", 60.0, timeout=100.0)
    most = 60.0 * concurrency / seconds
    assert 0.85 * most < outcomes["answered"] <= 1.1 * most
    counts = clusters["one"].entry("service", "test.works")["counts"]
    assert counts["refused"] == outcomes["Overloaded"] > 0
    await trio.sleep(20.0)
    assert await clusters["one"].invoke("test.works", 1, timeout=2.0) == 1


async def test_callers_elsewhere_are_answered_too(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """They give up a moment before their requests are cut off, which is known for what it is."""
    works = working(0.5, 0.2, 1)
    crowd = Crowd(works, 20, timeout=2.0, connection=CONNECTION)
    await start(nursery, network, "emea", emea_settings(), [works])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [crowd.service])
    await apac.until("outgoing", CONNECTION, "ready")
    for one, other in (("apac", "emea"), ("emea", "apac")):
        network.delay(one, other, 0.05)
    outcomes = await apac.invoke("test.drive", 60.0, timeout=100.0)
    assert outcomes["answered"] > 100
    assert outcomes["Overloaded"] > 0


async def test_what_came_while_a_worker_was_free_is_begun(clusters: Clusters) -> None:
    """However short its time, and whatever others took: nothing is refused but what had to wait."""
    works = working(1.0, 0.0, 1)
    await clusters.start("[clusters.one]", services=lambda _name: [works])
    for _ in range(5):
        with pytest.raises(AskTimeout):
            await clusters["one"].invoke("test.works", 1, timeout=0.5)
    assert "refused" not in clusters["one"].entry("service", "test.works")["counts"]
    assert await clusters["one"].invoke("test.works", 1, timeout=1.1) == 1


async def test_a_service_that_hung_is_as_it_was_once_it_answers_again(clusters: Clusters) -> None:
    """While all are cut off most are refused; as soon as what they wait for is there, all are answered."""
    is_there = trio.Event()

    class Waits(Service):
        """Waits for something."""

        name = "test.waits"
        concurrency = 2

        async def handle(self, data: Any) -> Any:
            await is_there.wait()
            await trio.sleep(0.01)
            return data

    crowd = Crowd(Waits, 20, timeout=2.0)
    await clusters.start("[clusters.one]", services=lambda _name: [Waits, crowd.service])
    hung = await clusters["one"].invoke("test.drive", 30.0, timeout=100.0)
    assert set(hung) <= {"InvokeTimeout", "Overloaded"}
    is_there.set()
    outcomes = await clusters["one"].invoke("test.drive", 30.0, timeout=100.0)
    assert outcomes["answered"] > 5000
    assert outcomes["answered"] > 20 * (outcomes.get("InvokeTimeout", 0) + outcomes.get("Overloaded", 0))


class InThread(Service):
    """Takes its time in a thread, which cannot be cancelled."""

    name = "test.in-thread"
    concurrency = 1
    begun: ClassVar[list[Any]] = []

    async def handle(self, data: Any) -> Any:
        self.begun.append(data)
        with trio.CancelScope(shield=True):
            await trio.sleep(1.0)
        await trio.lowlevel.checkpoint_if_cancelled()
        return data


async def test_what_goes_on_after_its_deadline_counts_as_long_as_it_took(clusters: Clusters) -> None:
    """Of requests that come together, those after the first that was cut off are not begun without a second left."""
    InThread.begun.clear()
    await clusters.start("[clusters.one]", services=lambda _name: [InThread])
    outcomes: dict[int, str] = {}

    async def call(number: int) -> None:
        try:
            await clusters["one"].invoke("test.in-thread", number, timeout=4.9)
            outcomes[number] = "answered"
        except (AskTimeout, Overloaded) as error:
            outcomes[number] = str(error)

    for first in (0, 10):
        async with trio.open_nursery() as nursery:
            for number in range(first, first + 10):
                nursery.start_soon(call, number)
                await trio.sleep(0.01)
    answered = [number for number, outcome in outcomes.items() if outcome == "answered"]
    assert answered == [0, 1, 2, 3, 10, 11, 12, 13]
    assert len(InThread.begun) == 9
    assert "never begun: a request takes about" in outcomes[14]
