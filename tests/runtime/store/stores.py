"""Stores on disk for tests of opening, backing up and restoring them."""

from __future__ import annotations

import datetime
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from actors.publication import Publish
from runtime.store.files import companions
from runtime.store.schema import open_database
from runtime.store.sqlite import SqliteStore
from runtime.testing import InlineThreads, SeededEntropy

NOW = datetime.datetime(2026, 1, 1)
TOPIC = "/customer/new"


def store_on(database: sqlite3.Connection) -> SqliteStore:
    return SqliteStore(database, thread=InlineThreads(SeededEntropy(1)), entropy=SeededEntropy(2))


async def publish(store: SqliteStore, *data: object) -> None:
    for one in data:
        await store.append(Publish.of(one, {}), TOPIC, now=NOW, guaranteed=True)


async def make_store(path: Path, *data: object) -> Path:
    """Make a store that holds messages, and is closed."""
    with closing(open_database(path)) as database:
        await publish(store_on(database), *data)
    return path


async def make_killed_store(path: Path, *data: object) -> Path:
    """Make a store whose server was killed: what it holds is in its log still."""
    working = path.with_name("working")
    with closing(open_database(working)) as database:
        await publish(store_on(database), *data)
        path.parent.mkdir(exist_ok=True)
        for source, target in zip((working, companions(working)[0]), (path, companions(path)[0]), strict=True):
            shutil.copy(source, target)
    working.unlink()
    return path


def messages_in(path: Path) -> list[str]:
    """Open a store, and return the ids of all its messages."""
    with closing(open_database(path)) as database:
        return [row[0] for row in database.execute("SELECT msg_id FROM messages ORDER BY topic, place")]


def contents(folder: Path) -> dict[str, bytes]:
    """Return all that is in the files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damage_message(path: Path, msg_id: str) -> None:
    """Change the content of a message behind its checksum."""
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE messages SET checksum = checksum + 1 WHERE msg_id = ?", (msg_id,))


def damage_pages(path: Path) -> None:
    """Write over a page in the middle of the table of messages."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(size // 2 // 4096 * 4096)
        file.write(b"\xa5" * 4096)
