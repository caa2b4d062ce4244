"""The pytest plugin: clusters, their network and their clock as fixtures.

A test that takes `clusters` or `network` runs on a mock clock, in an order of tasks that depends on the seed alone.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator

import pytest
import trio
from trio.abc import Clock

from runtime.testing.clusters import Clusters
from runtime.testing.run import run_simulated
from runtime.transport.memory import MemoryNetwork

__all__: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--isthmus-seed`."""
    group = parser.getgroup("isthmus")
    group.addoption("--isthmus-seed", type=int, default=0, help="the seed of simulated clusters (default: 0)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have the tests that use the simulator run in it."""
    run = functools.partial(run_simulated, seed=_seed(config))
    for item in items:
        if {"clusters", "network", "clock"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.trio(run=run))


@pytest.fixture
def network() -> MemoryNetwork:
    """The network between the test's clusters, and its faults."""
    return MemoryNetwork()


@pytest.fixture
async def clock() -> Clock:
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
