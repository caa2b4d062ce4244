"""What a link costs over which nothing is said: its tasks."""

from __future__ import annotations

from collections.abc import Iterator

import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from runtime.testing import MemoryNetwork
from tests.support import CONNECTION, apac_settings, emea_settings, start


def _all_tasks() -> Iterator[trio.lowlevel.Task]:
    found = [trio.lowlevel.current_root_task()]
    while found:
        task = found.pop()
        if task is not None:
            yield task
            found += [one for nursery in task.child_nurseries for one in nursery.child_tasks]


async def _count_with(network: MemoryNetwork, names: list[str]) -> int:
    """Return how many tasks there are while so many connections are ready and do nothing."""
    settings = apac_settings(hooks=False)
    settings = evolve(settings, outgoing=dict.fromkeys(names, settings.outgoing[CONNECTION]))
    async with trio.open_nursery() as nursery:
        apac = await start(nursery, network, "apac", settings)
        for name in names:
            await apac.until("outgoing", name, "ready")
        await wait_all_tasks_blocked()
        count = sum(1 for _task in _all_tasks())
        await apac.stop()
    return count


async def test_an_idle_link_has_two_tasks_at_each_end(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """At each end the actor's own, and the one that reads."""
    await start(nursery, network, "emea", emea_settings())
    one = await _count_with(network, ["first"])
    three = await _count_with(network, ["first", "second", "third"])
    assert three - one == 2 * (2 + 2)
