"""Stores on disk for tests of opening, backing up and restoring them."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from runtime.store.files import companions
from runtime.store.schema import open_database
from tests.runtime.store.support import Opened


async def publish(opened: Opened, *data: object) -> None:
    for one in data:
        await opened.publish(one)


async def make_store(path: Path, *data: object) -> Path:
    """Make a store that holds messages, and is closed."""
    opened = Opened(path)
    with closing(opened.database):
        await publish(opened, *data)
    return path


async def make_killed_store(path: Path, *data: object) -> Path:
    """Make a store whose server was killed: what it holds is in its log still."""
    working = path.with_name("working")
    opened = Opened(working)
    with closing(opened.database):
        await publish(opened, *data)
        for source, target in zip((working, companions(working)[0]), (path, companions(path)[0]), strict=True):
            shutil.copy(source, target)
    working.unlink()
    return path


def messages_in(path: Path) -> list[str]:
    """Open a store, and return the ids of all its messages."""
    with closing(open_database(path)) as database:
        return [row[0] for row in database.execute("SELECT msg_id FROM messages ORDER BY key")]


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
