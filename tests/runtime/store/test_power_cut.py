"""A power cut: whatever no sync covers is gone, and every publish that was confirmed before is there."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from actors.settings import TopicSettings
from actors.topics.catalogue import Catalogue
from actors.topics.publication import Publish, SubscriptionRecord
from runtime.store.group import SystemStoreThread
from runtime.store.schema import open_database, set_up
from runtime.store.sqlite import SqliteStore
from runtime.testing import SeededEntropy
from tests.runtime.store.power import Disk, RecordedDatabase
from tests.runtime.store.support import OWNER, TOPIC, Opened, SetClock

CUTS = 60


async def publish(folder: Path, synchronous: str) -> tuple[Disk, list[tuple[int, str]]]:
    """Publish from many tasks, in real threads; return the disk, and after which of its events each id was confirmed."""
    disk = Disk()
    database: Any = RecordedDatabase(folder / "store.db", disk)
    set_up(database, 0, synchronous)
    database.execute("PRAGMA wal_autocheckpoint = 20")  # so that checkpoints happen within the run
    store = SqliteStore(
        database,
        thread=SystemStoreThread(),
        clock=SetClock(),
        entropy=SeededEntropy(1),
        catalogue=Catalogue({TOPIC: TopicSettings(guaranteed=True)}),
        cluster="emea",
    )
    confirmed: list[tuple[int, str]] = []

    async def work(name: str) -> None:
        for number in range(15):
            msg_id = f"{name}-{number}"
            assert await store.append(TOPIC, [Publish.of("x" * 500, {"msg_id": msg_id})]) == [msg_id]
            confirmed.append((len(disk.events), msg_id))

    async with trio.open_nursery() as nursery:
        for name in "abcdefgh":
            nursery.start_soon(work, name)
    database.close()
    return disk, confirmed


def lost_by(disk: Disk, confirmed: list[tuple[int, str]], cuts: list[int], folder: Path) -> dict[int, set[str]]:
    """Return, for each power cut that cost any, which confirmed messages it cost."""
    lost: dict[int, set[str]] = {}
    for cut in cuts:
        before = {msg_id for at, msg_id in confirmed if at <= cut}
        place = folder / f"cut-{cut}"
        disk.after_power_cut(cut, place)
        database = open_database(place / "store.db")
        found = {row[0] for row in database.execute("SELECT msg_id FROM messages")}
        database.close()
        if missing := before - found:
            lost[cut] = missing
    return lost


@pytest.mark.parametrize("seed", range(3))
async def test_a_power_cut_costs_no_confirmed_publish(tmp_path: Path, seed: int) -> None:
    """At any point of the recorded writes and syncs, checkpoints among them."""
    disk, confirmed = await publish(tmp_path, "FULL")
    assert len(confirmed) == 8 * 15
    assert any(what == "sync" and name == "store.db" for what, name, _place, _data in disk.events[20:])
    random = Random(seed)
    cuts = sorted({len(disk.events), *(random.randrange(len(disk.events)) for _ in range(CUTS))})
    assert lost_by(disk, confirmed, cuts, tmp_path) == {}


async def test_a_power_cut_may_bring_back_what_was_acknowledged_and_nothing_else(tmp_path: Path) -> None:
    """Acknowledgements are not synced by themselves; what was handed out for good, and what is published, is."""
    disk = Disk()
    database: Any = RecordedDatabase(tmp_path / "store.db", disk)
    set_up(database, 0, "FULL")
    database.execute("PRAGMA wal_autocheckpoint = 20")
    catalogue = Catalogue({TOPIC: TopicSettings(guaranteed=True)})
    store = SqliteStore(
        database,
        thread=SystemStoreThread(),
        clock=SetClock(),
        entropy=SeededEntropy(1),
        catalogue=catalogue,
        cluster="emea",
    )
    await store.subscribe(SubscriptionRecord("a", TOPIC, OWNER))
    await store.take("a", 100, 1 << 20)
    published: list[tuple[int, int]] = []
    acknowledged: dict[int, int] = {}
    handed_out: list[tuple[int, int]] = []
    syncs_of_acknowledgements = 0
    for number in range(40):
        await store.append(TOPIC, [Publish.of("x" * 500, {}) for _ in range(3)])
        places = [one.place for one in (await store.take("a", 100, 1 << 20)).messages]
        published += [(len(disk.events), place) for place in places]
        acknowledged |= dict.fromkeys(places[:2], len(disk.events))
        before = len(disk.events)
        await store.settle("a", places[:2], may_come_again=True)
        syncs_of_acknowledgements += sum(what == "sync" and "wal" in name for what, name, *_ in disk.events[before:])
        if number % 2:
            await store.settle("a", places[2:])
            handed_out.append((len(disk.events), places[2]))
    database.close()
    assert syncs_of_acknowledgements < 20, "but for those of checkpoints"
    random = Random(1)
    came_again = 0
    for cut in sorted({random.randrange(published[0][0], len(disk.events)) for _ in range(CUTS)}):
        disk.after_power_cut(cut, tmp_path / f"cut-{cut}")
        opened = Opened(tmp_path / f"cut-{cut}" / "store.db")
        waiting = {one.place for one in (await opened.store.take("a", 1000, 1 << 30)).messages}
        opened.database.close()
        known = {place for at, place in published if at <= cut}
        gone = {place for at, place in handed_out if at <= cut}
        done = {place for place, at in acknowledged.items() if at <= cut}
        assert not waiting & gone
        assert known - waiting - done <= {place for _at, place in handed_out}
        came_again += len(waiting & done)
    assert came_again


async def test_without_syncs_a_power_cut_costs_confirmed_publishes(tmp_path: Path) -> None:
    """The recorded disk shows the loss where there is one: the test above can fail."""
    disk, confirmed = await publish(tmp_path, "OFF")
    disk.after_power_cut(len(disk.events) - 1, tmp_path / "cut")
    kept = (tmp_path / "cut" / "store.db").exists()
    lost = lost_by(disk, confirmed, [len(disk.events) - 1], tmp_path) if kept else {0: {one for _at, one in confirmed}}
    assert lost
