"""An older database is brought to a newer version whole or not at all, and what it was is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from actors.errors import StoreFailed
from runtime.store.migrations import Migration, migrate


def fill_size(database: sqlite3.Connection) -> None:
    for number, name in database.execute("SELECT number, name FROM parcels").fetchall():
        database.execute("UPDATE parcels SET size = ? WHERE number = ?", (len(name), number))


STEPS = (
    Migration(
        4,
        "CREATE TABLE marks (number INTEGER, mark TEXT DEFAULT ';'); INSERT INTO marks (number) SELECT number FROM parcels;"
        " CREATE TRIGGER gone AFTER DELETE ON parcels BEGIN DELETE FROM marks WHERE number = old.number; END",
    ),
    Migration(2, "ALTER TABLE parcels ADD COLUMN size INTEGER;\n\n"),
    Migration(3, fill_size),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def older(path: Path) -> Iterator[sqlite3.Connection]:
    """An invented store of version 1, which holds two rows, one of them in its log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE parcels (number INTEGER PRIMARY KEY, name TEXT)")
        database.execute("INSERT INTO parcels VALUES (1, 'one')")
        database.execute("PRAGMA user_version = 1")
        database.execute("INSERT INTO parcels VALUES (2, 'second')")
        yield database


def one(database: sqlite3.Connection, sql: str) -> Any:
    return database.execute(sql).fetchone()[0]


def test_all_steps_are_done_in_order_and_what_it_was_is_kept(older: sqlite3.Connection, path: Path) -> None:
    """Statements and functions alike; the copy beside it is whole and old, and the log names it."""
    with capture_logs() as logs:
        kept = migrate(older, path, STEPS, 4)
    assert one(older, "PRAGMA user_version") == 4
    assert older.execute("SELECT number, name, size FROM parcels").fetchall() == [(1, "one", 3), (2, "second", 6)]
    assert older.execute("SELECT * FROM marks").fetchall() == [(1, ";"), (2, ";")]
    older.execute("DELETE FROM parcels WHERE number = 1")
    assert one(older, "SELECT count(*) FROM marks") == 1
    assert kept.name.startswith("store.db.v1-backup-")
    with closing(sqlite3.connect(kept)) as backup:
        assert one(backup, "PRAGMA user_version") == 1
        assert backup.execute("SELECT * FROM parcels").fetchall() == [(1, "one"), (2, "second")]
    assert [(entry["event"], entry["before"], entry["version"]) for entry in logs] == [("store migrated", 1, 4)]
    assert logs[0]["backup"] == str(kept)


def test_only_what_is_missing_is_done(older: sqlite3.Connection, path: Path) -> None:
    """Up to a version in between, and on from there."""
    migrate(older, path, STEPS, 2)
    assert one(older, "SELECT count(size) FROM parcels") == 0
    migrate(older, path, STEPS, 4)
    assert one(older, "SELECT sum(size) FROM parcels") == 9


def test_a_step_that_fails_leaves_it_as_it_was(older: sqlite3.Connection, path: Path) -> None:
    """Steps before it are undone, and the copy is taken away, since each further attempt would add one."""
    steps = (*STEPS[1:], Migration(4, "INSERT INTO parcels VALUES (3, 'x', 0); INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(StoreFailed, match="from version 1 to 4, and is as it was: no such table: nowhere"):
        migrate(older, path, steps, 4)
    assert one(older, "PRAGMA user_version") == 1
    assert older.execute("SELECT * FROM parcels").fetchall() == [(1, "one"), (2, "second")]
    assert sorted(found.name for found in path.parent.iterdir()) == ["store.db", "store.db-shm", "store.db-wal"]


def test_a_version_that_nothing_leads_on_from_is_refused(older: sqlite3.Connection, path: Path) -> None:
    """It says where the chain of steps breaks, before anything is done."""
    with pytest.raises(StoreFailed, match="has version 1, and nothing leads on to version 3"):
        migrate(older, path, [STEPS[0], STEPS[1]], 4)
    assert one(older, "PRAGMA user_version") == 1


def test_without_a_copy_nothing_is_migrated(older: sqlite3.Connection, path: Path) -> None:
    """Where the copy cannot be written the database keeps its version."""
    elsewhere = path.parent / "no-such-folder" / "store.db"
    with pytest.raises(StoreFailed, match="is as it was"):
        migrate(older, elsewhere, STEPS, 4)
    assert one(older, "PRAGMA user_version") == 1
