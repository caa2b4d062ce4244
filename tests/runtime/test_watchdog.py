"""Code that holds the event loop is named; heavy code in a worker process holds nothing."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import ActorRef, Service
from actors.ports import Processes
from actors.services.call import Call
from runtime.config import ClusterSettings
from runtime.loading import load_classes
from runtime.processes import open_processes
from runtime.watchdog import watch_loop
from tests.support import start_real

HEAVY = """
def count_to(limit):
    number = 0
    while number < limit:
        number += 1
    return number

def never():
    while True:
        pass

def fail():
    raise ValueError("on purpose")
"""


class Holds(Service):
    name = "test.holds"

    async def handle(self) -> None:
        held = threading.Event()
        held_up.append(held)
        held.wait()


held_up: list[threading.Event] = []


async def test_code_that_holds_the_loop_is_named_with_its_stack(nursery: trio.Nursery) -> None:
    """The watchdog's thread names the service while it still holds the loop, and says where."""
    found: list[tuple[str, str]] = []

    def on_held(actor: str, _seconds: float, stack: str) -> None:
        if held_up:  # a busy machine may hold the loop earlier, too
            found.append((actor, stack))
            held_up[0].set()

    cluster = await start_real(nursery, "emea", ClusterSettings(), [Holds])
    await nursery.start(watch_loop, 0.2, on_held)
    await ActorRef("service:test.holds", cluster.registry).ask(Call())
    [(actor, stack)] = found
    assert actor == "service:test.holds"
    assert "held.wait()" in stack
    nursery.cancel_scope.cancel()


@pytest.fixture
async def processes(tmp_path: Path) -> Any:
    (tmp_path / "heavy.py").write_text(HEAVY)
    async with open_processes(["heavy.py"], tmp_path) as opened:
        yield opened


def functions_of(folder: Path) -> Any:
    """Return the module as a cluster loads it: under a name that only its loader knows."""
    load_classes(["heavy.py"], folder)
    return [module for name, module in sys.modules.items() if name.endswith(".heavy")][-1]


async def test_heavy_code_runs_in_a_worker_and_the_loop_goes_on(processes: Processes, tmp_path: Path) -> None:
    """A function of a user's own file is found by the worker, and the loop turns while it counts."""
    heavy = functions_of(tmp_path)
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.sleep(0.01)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turn)
        assert await processes.run_cpu(heavy.count_to, 10_000_000) == 10_000_000
        nursery.cancel_scope.cancel()
    assert turns > 3


async def test_heavy_code_ends_with_its_caller_and_its_errors_come_back(processes: Processes, tmp_path: Path) -> None:
    """A worker whose caller is cancelled is killed, and the next one works; an exception is the caller's."""
    heavy = functions_of(tmp_path)
    with trio.move_on_after(0.5) as scope:
        await processes.run_cpu(heavy.never)
    assert scope.cancelled_caught
    with pytest.raises(ValueError, match="on purpose"):
        await processes.run_cpu(heavy.fail)
