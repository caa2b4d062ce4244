"""The database of a store: its tables, opening it, and finding what is damaged.

A message is stored once, at its place in its topic; `key` joins both (`key_of`), so that a topic's messages lie side
by side in the order of their places. A subscription has a position, `acked_upto`: it is done with every place up to
there; what it is done with beyond stands in `done`, as runs. So in order consumption writes one row for any number of
messages. `sent_upto` tells after a crash which messages may have been delivered before. A subscription that has ended
stays, with `upto` as its last place, until what is left in it has gone where `fate` says.
"""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

from actors.errors import IsthmusError, StoreFailed

__all__ = ["MAX_PLACE", "DamagedStore", "checksum", "key_of", "open_database", "place_of"]

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


MAX_PLACE = (1 << _PLACE_BITS) - 1


class DamagedStore(IsthmusError):
    """The database is damaged, or of another version; the message says what is wrong and where."""


def checksum(body: bytes) -> int:
    """Return the checksum that a message's body is stored with."""
    return zlib.crc32(body)


def open_database(path: Path | None, *, synchronous: str = "FULL") -> sqlite3.Connection:
    """Open a database, made now where there is none.

    Args:
        path: The file; None for one in memory.
        synchronous: SQLite's setting: `FULL` syncs each commit before it is confirmed, `NORMAL` does not.

    Raises:
        DamagedStore: When it is damaged, or was made by a newer version.
        StoreFailed: When it cannot be opened.
    """
    try:
        database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        msg = f"{path}: the store cannot be opened: {error}"
        raise StoreFailed(msg) from error
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {synchronous}")
        _check_version(database, path)
        _check_damage(database, path)
    except sqlite3.DatabaseError as error:
        database.close()
        msg = f"{path}: the store cannot be used: {error}"
        if isinstance(error, sqlite3.OperationalError):
            raise StoreFailed(msg) from error
        raise DamagedStore(msg) from error
    except DamagedStore:
        database.close()
        raise
    return database


def _check_version(database: sqlite3.Connection, path: Path | None) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        msg = f"{path}: the store has version {version}, this Isthmus knows version {VERSION}; it was left untouched"
        raise DamagedStore(msg)
    if version == 0:
        database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def _check_damage(database: sqlite3.Connection, path: Path | None) -> None:
    found = [row[0] for row in database.execute("PRAGMA quick_check(10)") if row[0] != "ok"]
    if found:
        msg = f"{path}: the store is damaged: {'; '.join(found)}"
        raise DamagedStore(msg)
    lost = [
        f"message {msg_id!r} of {topic}"
        for topic, msg_id, body, stored in database.execute(
            "SELECT topics.name, msg_id, body, checksum FROM messages JOIN topics ON topics.id = messages.key >> ?",
            (_PLACE_BITS,),
        )
        if checksum(body) != stored
    ]
    if lost:
        msg = f"{path}: the store is damaged: the content of {len(lost)} messages is wrong: {', '.join(lost[:10])}"
        raise DamagedStore(msg)
