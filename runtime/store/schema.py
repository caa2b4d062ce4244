"""The database of a store: its tables, and opening it.

A message is stored once, at its place in its topic; `key` joins both (`key_of`), so that a topic's messages lie side
by side in the order of their places. A subscription has a position, `acked_upto`: it is done with every place up to
there; what it is done with beyond stands in `done`, as runs. So in order consumption writes one row for any number of
messages. `sent_upto` tells after a crash which messages may have been delivered before. A subscription that has ended
stays, with `upto` as its last place, until what is left in it has gone where `fate` says.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from actors.errors import StoreFailed
from runtime.store.files import reading
from runtime.store.from_version_1 import upgrade
from runtime.store.integrity import DamagedStore, checksum, examine, is_damage
from runtime.store.migrations import Migration, migrate, run_script

__all__ = [
    "MAX_PLACE",
    "VERSION",
    "DamagedStore",
    "check_version",
    "checksum",
    "key_of",
    "open_database",
    "place_of",
    "set_up",
]

VERSION = 2

_TABLES = """
CREATE TABLE topics (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    backlog_from INTEGER NOT NULL DEFAULT 0,
    settings TEXT
);
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    msg_id TEXT NOT NULL,
    priority INTEGER NOT NULL,
    recv_time REAL NOT NULL,
    expires_at REAL,
    extra TEXT,
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL
);
CREATE INDEX messages_by_urgency ON messages (priority, key) WHERE priority != 5;
CREATE INDEX messages_by_expiry ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE published (
    key INTEGER PRIMARY KEY,
    topic INTEGER NOT NULL,
    msg_id TEXT NOT NULL,
    digest BLOB NOT NULL,
    at REAL NOT NULL,
    UNIQUE (topic, msg_id)
);
CREATE TABLE subscriptions (
    sub_key TEXT PRIMARY KEY,
    topic INTEGER NOT NULL,
    security TEXT NOT NULL,
    cluster TEXT NOT NULL,
    connection TEXT NOT NULL,
    options TEXT NOT NULL,
    pattern TEXT NOT NULL,
    client TEXT NOT NULL,
    is_lasting INTEGER NOT NULL,
    acked_upto INTEGER NOT NULL,
    sent_upto INTEGER NOT NULL,
    seen_at REAL NOT NULL,
    upto INTEGER,
    fate TEXT
) WITHOUT ROWID;
CREATE TABLE done (
    sub_key TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (sub_key, first)
) WITHOUT ROWID;
CREATE TABLE failures (
    sub_key TEXT NOT NULL,
    place INTEGER NOT NULL,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sub_key, place)
) WITHOUT ROWID;
CREATE TABLE handled (
    sub_key TEXT NOT NULL,
    number INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (sub_key, number)
) WITHOUT ROWID;
"""

_PLACE_BITS = 40


def key_of(topic: int, place: int) -> int:
    """Return the key of a place of a topic."""
    return topic << _PLACE_BITS | place


def place_of(key: int) -> int:
    """Return the place that a key stands for."""
    return key & ((1 << _PLACE_BITS) - 1)


def _from_version_1(database: sqlite3.Connection) -> None:
    upgrade(database, lambda: run_script(database, _TABLES), key_of)


_MIGRATIONS = (Migration(2, _from_version_1),)
"""What leads from each version to the next; `runtime.store.integrity` knows where each has its messages."""

MAX_PLACE = (1 << _PLACE_BITS) - 1


_REMEDY = (
    "nothing was changed: `isthmus store verify` lists all of it, `isthmus store restore` puts a backup in its place,"
    " `isthmus store salvage` keeps what can be read"
)


def open_database(path: Path | None, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a database, made now where there is none, and brought to this version where it has an older one.

    One that is refused is left as it is, byte for byte.

    Args:
        path: The file; None for one in memory.
        synchronous: SQLite's setting: `FULL` syncs each commit before it is confirmed, `NORMAL` does not.

    Raises:
        DamagedStore: When it is damaged, or was made by a newer version.
        StoreFailed: When it cannot be opened, or not be brought to this version.
    """
    try:
        version = 0 if path is None or not path.exists() else _check(path)
        database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    except (sqlite3.Error, OSError) as error:
        msg = f"{path}: the store cannot be opened: {error}"
        raise StoreFailed(msg) from error
    try:
        if path is not None and 0 < version < VERSION:
            migrate(database, path, _MIGRATIONS, VERSION)
        set_up(database, version, synchronous)
    except sqlite3.Error as error:
        database.close()
        msg = f"{path}: the store cannot be used: {error}"
        raise StoreFailed(msg) from error
    except StoreFailed:
        database.close()
        raise
    return database


def set_up(database: sqlite3.Connection, version: int, synchronous: str) -> None:
    """Say how a database writes, and make the tables where it is new."""
    database.execute("PRAGMA journal_mode = WAL")
    database.execute(f"PRAGMA synchronous = {synchronous}")
    if version == 0:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def check_version(database: sqlite3.Connection, path: Path) -> int:
    """Return the version of a database's tables, 0 where it is empty.

    Raises:
        DamagedStore: When it was made by a newer version, or by something else.
    """
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        msg = f"{path}: the store has version {version}, this Isthmus knows version {VERSION}; it was left untouched"
        raise DamagedStore(msg)
    if version == 0 and database.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        msg = f"{path}: this is a database of something else; it was left untouched"
        raise DamagedStore(msg)
    return version


def _check(path: Path) -> int:
    """Return the version of a file that may be opened; look at all of it, and change nothing."""
    try:
        with reading(path) as database:
            version = check_version(database, path)
            report = examine(database, path) if version else None
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        msg = f"{path}: the store cannot be used: {error}; {_REMEDY}"
        raise DamagedStore(msg) from error
    if report is not None and not report.is_whole:
        msg = f"{report.sentence()}; {_REMEDY}"
        raise DamagedStore(msg)
    return version
