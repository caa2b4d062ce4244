"""Of a damaged store all that can be read is kept, and what cannot is listed: nothing is lost in silence."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.errors import StoreFailed
from runtime.store.backup import verify
from runtime.store.salvage import salvage
from runtime.store.schema import DamagedStore
from runtime.testing import run_simulated
from tests.runtime.store.stores import (
    contents,
    damage_message,
    damage_pages,
    make_killed_store,
    make_store,
    messages_in,
    publish,
)
from tests.runtime.store.support import Opened

pytestmark = pytest.mark.trio(run=run_simulated)


async def test_only_wrong_messages_are_lost_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Subscriptions have their positions, what was handled for other clusters is known; the damaged store is kept."""
    path = tmp_path / "store.db"
    opened = Opened(path)
    with closing(opened.database):
        await opened.subscribe("a")
        await publish(opened, *range(10))
        await opened.take("a", 5)
        await opened.store.settle("a", [1, 2, 5])
        await opened.store.record("of another cluster", ["m1"])
    ids = messages_in(path)
    damage_message(path, ids[3])
    before = path.read_bytes()
    salvaged = salvage(path)
    assert salvaged.lost == (f"row of messages, topic 1, place 6, msg_id '{ids[3]}': its content is wrong",)
    assert salvaged.aside is not None
    assert salvaged.aside.read_bytes() == before
    assert sorted(contents(tmp_path)) == ["store.db", salvaged.aside.name]
    opened = Opened(path)
    with closing(opened.database):
        waiting = await opened.waiting("a")
        handled = await opened.store.handled("of another cluster")
    assert waiting == [2, 3, 6, 7, 8, 9]
    assert list(handled) == ["m1"]


@pytest.mark.parametrize("size", [100, 3000])
async def test_what_stands_on_both_sides_of_a_damaged_page_is_kept(tmp_path: Path, size: int) -> None:
    """Whether the page holds many messages or a part of one: the others are kept, and what is lost is said."""
    path = await make_store(tmp_path / "store.db", *("x" * size for _ in range(1000)))
    ids = messages_in(path)
    damage_pages(path)
    salvaged = salvage(path)
    kept = messages_in(path)
    assert salvaged.report.messages == len(kept) < len(ids)
    assert len(kept) > 900
    assert (kept[0], kept[-1]) == (ids[0], ids[-1])
    assert set(kept) < set(ids)
    assert salvaged.lost
    assert all("of messages" in one for one in salvaged.lost)


async def test_what_belonged_to_a_lost_topic_is_said_to_be_lost(tmp_path: Path) -> None:
    """Messages without a topic would keep the store from starting."""
    path = await make_store(tmp_path / "store.db", 1, 2)
    damage_message(path, messages_in(path)[0])
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("DELETE FROM topics")
    assert salvage(path).lost[-1] == "1 rows of messages, which belonged to lost rows of topics"
    assert messages_in(path) == []


async def test_a_store_that_needs_none_or_is_beyond_it_is_left(tmp_path: Path) -> None:
    """A whole store, one of a killed server too, and one that is no database at all."""
    path = await make_killed_store(tmp_path / "store.db", 1, 2)
    before = contents(tmp_path)
    with pytest.raises(StoreFailed, match="is whole, and was left as it is"):
        salvage(path)
    assert contents(tmp_path) == before
    other = tmp_path / "other.db"
    other.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedStore, match="file is not a database"):
        salvage(other)
    assert other.read_bytes() == b"no database at all" * 100
    assert verify(path).is_whole
