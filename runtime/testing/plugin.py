"""The pytest plugin: clusters, their network and their clock as fixtures.

A test that takes `clusters`, `network` or `clock` runs on a mock clock, in an order of tasks that depends on the seed
alone; where it fails, the report says which seed that was. Fixtures of the same names that are not these, and tests
that are not async, are left alone.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Generator

import pytest
import trio
from trio.abc import Clock

from runtime.testing.clusters import Clusters
from runtime.testing.run import run_simulated
from runtime.transport.memory import MemoryNetwork

__all__: list[str] = []

_IS_SIMULATED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--isthmus-seed`."""
    group = parser.getgroup("isthmus")
    group.addoption("--isthmus-seed", type=int, default=0, help="the seed of simulated clusters (default: 0)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the tests that use the simulator run in it."""
    run = functools.partial(run_simulated, seed=_seed(config))
    for item in items:
        takes_ours = "isthmus_simulation" in getattr(item, "fixturenames", ())
        if takes_ours and inspect.iscoroutinefunction(getattr(item, "function", None)):
            item.stash[_IS_SIMULATED] = True
            item.add_marker(pytest.mark.trio(run=run), append=False)  # before that of pytest-trio's own mode


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say with which seed a simulated test failed."""
    report = yield
    if report.failed and item.stash.get(_IS_SIMULATED, False):
        seed = _seed(item.config)
        again = f"seed {seed}; to repeat: pytest {item.nodeid!r} --isthmus-seed {seed}"
        report.sections.append(("isthmus", again))
    return report


@pytest.fixture
def isthmus_simulation() -> None:
    """Mark the tests that take a fixture of the simulator: by its name among the fixtures that they need."""


@pytest.fixture
def network(isthmus_simulation: None) -> MemoryNetwork:
    """The network between the test's clusters, and its faults."""
    return MemoryNetwork()


@pytest.fixture
async def clock(isthmus_simulation: None) -> Clock:
    """The mock clock: it jumps over every wait, and `clock.jump(seconds)` goes further."""
    return trio.lowlevel.current_clock()


@pytest.fixture
async def clusters(
    nursery: trio.Nursery, network: MemoryNetwork, request: pytest.FixtureRequest
) -> AsyncGenerator[Clusters, None]:
    """The test's clusters: `await clusters.start(TOML)`, then `clusters["apac"].invoke(...)`."""
    found = Clusters(nursery, network, seed=_seed(request.config))
    yield found
    await found.stop()


def _seed(config: pytest.Config) -> int:
    return int(config.getoption("--isthmus-seed") or 0)
