"""Whether a store's database is whole: what is damaged in it, and which messages are lost with that."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path

from attrs import frozen

from actors.errors import IsthmusError
from runtime.store.files import OnStep, nothing

__all__ = ["DamagedStore", "Report", "checksum", "examine", "is_damage", "said_of_file"]

NAMED_AT_MOST = 10
ROWS_AT_ONCE = 50

_CONTENTS = {
    1: "SELECT coalesce(topics.name, 'an unknown topic'), place, msg_id, body, checksum"
    " FROM messages LEFT JOIN topics ON topics.id = messages.topic",
    2: "SELECT coalesce(topics.name, 'an unknown topic'), key & 0xffffffffff, msg_id, body, checksum"
    " FROM messages LEFT JOIN topics ON topics.id = messages.key >> 40",
}
"""By the version of the tables: each message's topic, place, id and body, and the checksum that the body was given."""


class DamagedStore(IsthmusError):
    """The database is damaged, or of another version; the message says what is wrong and where."""


def checksum(body: bytes) -> int:
    """Return the checksum that a message's body is stored with."""
    return zlib.crc32(body)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell what is wrong with a file's content from what is wrong with its surroundings, such as a full disk."""
    return not isinstance(error, sqlite3.OperationalError) or error.sqlite_errorcode == sqlite3.SQLITE_ERROR


@frozen
class Report:
    """What a store's database holds, and what is wrong with it.

    Args:
        path: The file.
        version: Of its tables; 0 where it has none.
        size: Of the file, in bytes.
        topics: How many there are, as subscriptions and messages; None where they cannot be counted.
        messages: How many guaranteed messages could be read.
        subscriptions: How many there are.
        damage: What SQLite finds wrong, a sentence each.
        lost: The messages whose content is wrong.
    """

    path: str
    version: int
    size: int
    topics: int | None
    messages: int
    subscriptions: int | None
    damage: tuple[str, ...]
    lost: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.damage and not self.lost

    def sentence(self) -> str:
        """Return what is wrong in one sentence, which names the first of many."""
        wrong = list(self.damage[:NAMED_AT_MOST])
        if self.lost:
            named = ", ".join(self.lost[:NAMED_AT_MOST])
            more = ", ..." if len(self.lost) > NAMED_AT_MOST else ""
            wrong.append(f"the content of {len(self.lost)} messages is wrong: {named}{more}")
        return f"{self.path}: the store is damaged: {'; '.join(wrong)}"


def examine(database: sqlite3.Connection, path: Path, *, on_step: OnStep = nothing) -> Report:
    """Look at everything in a database.

    Args:
        database: A connection to it; see `runtime.store.files.reading`.
        path: Where it is.
        on_step: Called between small steps.

    Raises:
        sqlite3.OperationalError: When it cannot be read for a reason that is not in the file.
    """
    damage: list[str] = []
    lost: list[str] = []
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    on_step("checking", 0, 0)
    try:
        found = "\n".join(row[0] for row in database.execute("PRAGMA quick_check(100)"))
        damage += [line for line in found.splitlines() if line != "ok" and not line.startswith("***")]
    except sqlite3.DatabaseError as error:
        damage.append(said_of_file(error))
    topics, stored, subscriptions = (_count(database, table) for table in ("topics", "messages", "subscriptions"))
    read, last = 0, "the beginning"
    try:
        rows = database.execute(_CONTENTS[version]) if version in _CONTENTS else None
        while rows is not None and (chunk := rows.fetchmany(ROWS_AT_ONCE)):
            for topic, place, msg_id, body, expected in chunk:
                last = f"message {msg_id!r} of {topic}, place {place}"
                if checksum(body) != expected:
                    lost.append(f"message {msg_id!r} of {topic}")
            read += len(chunk)
            on_step("checking", read, stored or read)
    except sqlite3.DatabaseError as error:
        damage.append(f"messages beyond {last} cannot be read: {said_of_file(error)}")
    messages = read if version in _CONTENTS else stored or 0
    size = database.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]
    return Report(str(path), version, size, topics, messages, subscriptions, tuple(damage), tuple(lost))


def said_of_file(error: sqlite3.DatabaseError) -> str:
    """Return what an error says of the file; one that is not about it is raised."""
    if not is_damage(error):
        raise error
    return str(error)


def _count(database: sqlite3.Connection, table: str) -> int | None:
    try:
        count: int = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - fixed names
    except sqlite3.DatabaseError as error:
        said_of_file(error)
        return None
    return count
