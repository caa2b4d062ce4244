"""The groups that are measured one after the other: their rows, and how each contestant is opened."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import trio
from attrs import field, frozen

from tests.bench.call_isthmus import Bare, IsthmusCalls
from tests.bench.call_peer import CALL_PEERS, CallPeer
from tests.bench.call_rows import BARE, CALL_CONTESTANTS, CALL_ROWS, TARGETS
from tests.bench.disk import Disk
from tests.bench.flat import (
    COST_CONTESTANTS,
    LINK_COST_ROWS,
    LINK_COST_TARGETS,
    QUEUE_COST_ROWS,
    QUEUE_COST_TARGETS,
)
from tests.bench.flat_links import LinkCost
from tests.bench.flat_queue import QueueCost
from tests.bench.install import Installer
from tests.bench.isthmus import Isthmus
from tests.bench.links import LINK_CONTESTANTS, LINK_ROWS, LINK_TARGETS, IsthmusLinks, NaiveLinks
from tests.bench.peer import JETSTREAM, REDIS, Kind, Peer
from tests.bench.profiling import Profiler
from tests.bench.push import PUSH_CONTESTANTS, PUSH_ROWS, PUSH_TARGETS
from tests.bench.push_isthmus import IsthmusPush
from tests.bench.push_peer import PUSH_PEERS, PushPeer
from tests.bench.results import Results
from tests.bench.rows import DISK, ISTHMUS, ROWS, Contestant, Load, Row, Skipped
from tests.bench.targets import Target

PEERS: dict[str, Kind] = {kind.name: kind for kind in (REDIS, JETSTREAM)}


@frozen
class Place:
    """Where a contestant is opened, and by what."""

    folder: Path
    load: Load
    installer: Installer
    profiler: Profiler
    stack: AsyncExitStack
    opened: list[Contestant] = field(factory=list)


class Open(Protocol):
    """Opens a contestant until the stack of its place is closed; raises `Skipped` where it cannot be had."""

    async def __call__(self, name: str, place: Place) -> Contestant: ...


@frozen
class Group:
    """What is measured in the same rounds.

    Args:
        name: What `--only` calls it.
        rows: What is measured.
        contestants: The names of those who are.
        open: Opens one.
        targets: Which ratios are to be reached.
    """

    name: str
    rows: Sequence[Row]
    contestants: Sequence[str]
    open: Open
    targets: Sequence[Target] = ()

    def results(self, only: Collection[str]) -> Results:
        """Return what the figures will stand in."""
        rows = [row for row in self.rows if row.name in only] or self.rows
        names = [name for name in self.contestants if name in only] or self.contestants
        return Results(rows, list(names), self.targets)


async def _open_delivery(name: str, place: Place) -> Contestant:
    folder = place.folder / name
    if name == DISK:
        return Disk(place.folder)
    if name == ISTHMUS:
        return await place.stack.enter_async_context(Isthmus.open(folder, place.profiler))
    return await place.stack.enter_async_context(Peer.open(PEERS[name], folder, place.installer))


async def _open_calls(name: str, place: Place) -> Contestant:
    folder = place.folder / name
    if name == ISTHMUS:
        return await place.stack.enter_async_context(IsthmusCalls.open(folder, place.profiler))
    if name == BARE:
        for one in place.opened:
            if isinstance(one, IsthmusCalls):
                return Bare(one)
        raise Skipped("it runs in the process of Isthmus, which does not run")
    return await place.stack.enter_async_context(CallPeer.open(CALL_PEERS[name], folder, place.installer))


async def _open_links(name: str, place: Place) -> Contestant:
    folder, links = place.folder / name, place.load.links
    if name == ISTHMUS:
        return await place.stack.enter_async_context(IsthmusLinks.open(folder, place.profiler, links))
    await trio.Path(folder).mkdir()
    return NaiveLinks(folder, links)


async def _open_push(name: str, place: Place) -> Contestant:
    folder = place.folder / name
    if name == ISTHMUS:
        return await place.stack.enter_async_context(IsthmusPush.open(folder, place.profiler))
    return await place.stack.enter_async_context(PushPeer.open(PUSH_PEERS[name], folder, place.installer))


async def _open_link_cost(name: str, place: Place) -> Contestant:
    links = max(2, place.load.links // 2)
    return await place.stack.enter_async_context(LinkCost.open(place.folder / name, place.profiler, links))


async def _open_queue_cost(name: str, place: Place) -> Contestant:
    opened = QueueCost.open(place.folder / name, place.profiler, place.load.queued)
    return await place.stack.enter_async_context(opened)


DELIVERY = Group("delivery", ROWS, (ISTHMUS, *PEERS, DISK), _open_delivery)
CALLS = Group("calls", CALL_ROWS, CALL_CONTESTANTS, _open_calls, TARGETS)
LINKS = Group("links", LINK_ROWS, LINK_CONTESTANTS, _open_links, LINK_TARGETS)
PUSH = Group("push", PUSH_ROWS, PUSH_CONTESTANTS, _open_push, PUSH_TARGETS)
LINK_COST = Group("link-cost", LINK_COST_ROWS, COST_CONTESTANTS, _open_link_cost, LINK_COST_TARGETS)
QUEUE_COST = Group("queue-cost", QUEUE_COST_ROWS, COST_CONTESTANTS, _open_queue_cost, QUEUE_COST_TARGETS)
GROUPS = (CALLS, PUSH, LINKS, LINK_COST, QUEUE_COST, DELIVERY)


def chosen(only: Collection[str]) -> list[Group]:
    """Return the groups that are named or have a row that is; where none has, those with a contestant that is named."""
    by_row = [group for group in GROUPS if group.name in only or any(row.name in only for row in group.rows)]
    return by_row or [group for group in GROUPS if not only or any(name in only for name in group.contestants)]


def names() -> list[str]:
    """Return all that can be chosen."""
    every = [name for group in GROUPS for name in (group.name, *(row.name for row in group.rows), *group.contestants)]
    return list(dict.fromkeys(every))
