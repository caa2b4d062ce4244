"""What is refused when a store is opened is left as it is, byte for byte, and the refusal says what to do."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runtime.store.backup import restore
from runtime.store.files import reading
from runtime.store.migrations import Migration
from runtime.store.schema import VERSION, DamagedStore, open_database
from runtime.testing import run_simulated
from tests.runtime.store.stores import (
    contents,
    damage_message,
    damage_pages,
    make_killed_store,
    make_store,
    messages_in,
)

# ruff: noqa: ASYNC240 - the event loop of these tests has nothing else to do

pytestmark = pytest.mark.trio(run=run_simulated)


def set_version(path: Path, version: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA user_version = {version}")


@pytest.mark.parametrize("journal_mode", ["WAL", "DELETE"])
async def test_a_newer_store_is_refused_untouched(tmp_path: Path, journal_mode: str) -> None:
    """Both versions are named; no byte is changed, not even its journal mode, and no file appears beside it."""
    path = await make_store(tmp_path / "store.db", 1, 2)
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA journal_mode = {journal_mode}")
    set_version(path, VERSION + 1)
    before = contents(tmp_path)
    with pytest.raises(DamagedStore, match=f"version {VERSION + 1}, this Isthmus knows version {VERSION}; .*untouched"):
        open_database(path)
    assert contents(tmp_path) == before
    assert list(before) == ["store.db"]


async def test_a_newer_version_in_the_log_of_a_killed_server_is_refused_untouched(tmp_path: Path) -> None:
    """The file itself says nothing of it yet; neither the file nor its log is changed."""
    folder = tmp_path / "killed"
    folder.mkdir()
    working = tmp_path / "working"
    path = folder / "store.db"
    with closing(open_database(working)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute(f"PRAGMA user_version = {VERSION + 7}")
        path.write_bytes(working.read_bytes())
        path.with_name("store.db-wal").write_bytes(working.with_name("working-wal").read_bytes())
    before = contents(folder)
    assert before["store.db"][60:64] == VERSION.to_bytes(4, "big")
    with pytest.raises(DamagedStore, match=f"version {VERSION + 7}"):
        open_database(path)
    assert contents(folder) == before


async def test_a_store_whose_server_was_killed_has_all_that_is_in_its_log(tmp_path: Path) -> None:
    """Looking at it first costs nothing of it."""
    assert len(messages_in(await make_killed_store(tmp_path / "store.db", 1, 2, 3))) == 3


async def test_a_damaged_message_is_named_with_what_to_do(tmp_path: Path) -> None:
    """The store is refused and left as it is; each lost message is named."""
    path = await make_store(tmp_path / "store.db", *range(30))
    ids = messages_in(path)
    damage_message(path, ids[7])
    damage_message(path, ids[21])
    before = contents(tmp_path)
    with pytest.raises(DamagedStore) as caught:
        open_database(path)
    assert f"content of 2 messages is wrong: message '{ids[7]}' of /customer/new, message '{ids[21]}'" in str(
        caught.value
    )
    assert "isthmus store restore" in str(caught.value)
    assert contents(tmp_path) == before


async def test_damage_of_the_file_is_found_and_left(tmp_path: Path) -> None:
    """A page that is overwritten in the middle of the messages refuses the store, and says from where on."""
    path = await make_store(tmp_path / "store.db", *("x" * 100 for _ in range(2000)))
    damage_pages(path)
    before = contents(tmp_path)
    with pytest.raises(DamagedStore, match=r"messages beyond message '[^']+' of /customer/new, place [0-9]+ cannot be"):
        open_database(path)
    assert contents(tmp_path) == before


async def test_a_database_of_something_else_is_refused_untouched(tmp_path: Path) -> None:
    """No table is added to it."""
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE invoices (number INTEGER)")
    before = contents(tmp_path)
    with pytest.raises(DamagedStore, match="database of something else"):
        open_database(path)
    assert contents(tmp_path) == before


async def test_a_store_whose_making_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    """An empty file is what a server leaves that was killed at once."""
    path = tmp_path / "store.db"
    path.touch()
    assert messages_in(path) == []


async def test_looking_at_a_store_makes_no_file_beside_it(tmp_path: Path) -> None:
    """So a backup on a medium that cannot be written can be looked at, too."""
    path = await make_store(tmp_path / "store.db", 1)
    with reading(path) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone()[0] == 1
        assert list(contents(tmp_path)) == ["store.db"]


async def test_an_older_store_is_migrated_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a killed server, too; the copy that is kept is a store that can be restored by what made it."""
    path = await make_killed_store(tmp_path / "store.db", 1, 2, 3)
    with monkeypatch.context() as newer:
        newer.setattr("runtime.store.schema.VERSION", VERSION + 1)
        newer.setattr(
            "runtime.store.schema._MIGRATIONS",
            (Migration(VERSION + 1, "ALTER TABLE topics ADD COLUMN paused INTEGER NOT NULL DEFAULT 0"),),
        )
        with closing(open_database(path)) as database:
            assert database.execute("SELECT name, paused FROM topics").fetchall() == [("/customer/new", 0)]
            assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    [kept] = tmp_path.glob(f"store.db.v{VERSION}-backup-*")
    with pytest.raises(DamagedStore, match=f"version {VERSION + 1}"):
        open_database(path)
    restore(path, kept)
    assert len(messages_in(path)) == 3
