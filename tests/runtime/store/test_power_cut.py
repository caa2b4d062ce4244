"""A power cut: whatever no sync covers is gone, and every publish that was confirmed before is there."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
import trio

from actors.settings import TopicSettings
from actors.topics.catalogue import Catalogue
from actors.topics.publication import Publish
from runtime.store.group import SystemStoreThread
from runtime.store.schema import open_database, set_up
from runtime.store.sqlite import SqliteStore
from runtime.testing import SeededEntropy
from tests.runtime.store.power import Disk, RecordedDatabase
from tests.runtime.store.support import TOPIC, SetClock

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


async def test_without_syncs_a_power_cut_costs_confirmed_publishes(tmp_path: Path) -> None:
    """The recorded disk shows the loss where there is one: the test above can fail."""
    disk, confirmed = await publish(tmp_path, "OFF")
    disk.after_power_cut(len(disk.events) - 1, tmp_path / "cut")
    kept = (tmp_path / "cut" / "store.db").exists()
    lost = lost_by(disk, confirmed, [len(disk.events) - 1], tmp_path) if kept else {0: {one for _at, one in confirmed}}
    assert lost
