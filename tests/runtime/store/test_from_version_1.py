"""A store of version 1 is brought to this version with all that it kept."""

from __future__ import annotations

import sqlite3
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.errors import Conflict
from actors.topics.publication import NEVER
from runtime.store.schema import open_database
from runtime.testing import run_simulated
from tests.runtime.store.support import OWNER, TOPIC, Opened

pytestmark = pytest.mark.trio(run=run_simulated)

TABLES = """
CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, backlog_from INTEGER NOT NULL DEFAULT 0);
CREATE TABLE messages (topic INTEGER NOT NULL, place INTEGER NOT NULL, msg_id TEXT NOT NULL, priority INTEGER NOT NULL,
    body BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY KEY (topic, place)) WITHOUT ROWID;
CREATE INDEX messages_by_urgency ON messages (topic, priority DESC, place) WHERE priority != 5;
CREATE TABLE published (topic INTEGER NOT NULL, msg_id TEXT NOT NULL, digest BLOB NOT NULL, body BLOB NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (topic, msg_id)) WITHOUT ROWID;
CREATE TABLE subscriptions (sub_key TEXT PRIMARY KEY, topic INTEGER NOT NULL, security TEXT NOT NULL,
    cluster TEXT NOT NULL, connection TEXT NOT NULL, acked_upto INTEGER NOT NULL, sent_upto INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE done (sub_key TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (sub_key, place)) WITHOUT ROWID;
CREATE TABLE failures (sub_key TEXT NOT NULL, place INTEGER NOT NULL, count INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (sub_key, place)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""


def old_body(place: int, data: Any, priority: int, **more: Any) -> bytes:
    message = {
        "topic": TOPIC,
        "place": place,
        "msg_id": f"m{place}",
        "data": data,
        "size": 3,
        "priority": priority,
        "expiration": NEVER,
        "has_gd": True,
        "mime_type": "text/plain",
        "correl_id": "",
        "in_reply_to": "",
        "ext_client_id": "",
        "pub_time": "2025-12-31T12:00:00",
        "recv_time": "2025-12-31T12:00:00.500000",
        **more,
    }
    return msgspec.msgpack.encode(message)


def make_old(path: Path) -> None:
    """Write a store as version 1 did: six messages, of which a subscription is done with some and failed with one."""
    database = sqlite3.connect(path)
    database.executescript(TABLES)
    database.execute("INSERT INTO topics VALUES (3, ?, 0)", (TOPIC,))
    for place, (data, priority) in enumerate(
        (("a", 5), ({"b": 1}, 5), ("c", 9), ("d", 5), ("e", 5), ("f", 5)), start=1
    ):
        more = {"expiration": 10, "pub_time": "2026-01-01T00:00:00"} if data == "f" else {}
        body = old_body(place, data, priority, **more)
        row = (3, place, f"m{place}", priority, body, zlib.crc32(body))
        database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", row)
    database.execute("INSERT INTO published VALUES (3, 'm2', x'00', ?, 7.0)", (old_body(2, {"b": 1}, 5),))
    key = (OWNER.security, OWNER.cluster, OWNER.connection)
    database.execute("INSERT INTO subscriptions VALUES ('zpsk.1', 3, ?, ?, ?, 1, 4)", key)
    database.execute("INSERT INTO done VALUES ('zpsk.1', 5)")
    database.execute("INSERT INTO failures VALUES ('zpsk.1', 4, 2, 'on purpose')")
    database.commit()
    database.close()


def messages_of_copy(folder: Path) -> int:
    """Return how many messages the copy beside a store has."""
    [kept] = folder.glob("store.db.v1-backup*")
    database = sqlite3.connect(kept)
    [(count,)] = database.execute("SELECT count(*) FROM messages")
    database.close()
    return int(count)


async def test_what_version_1_kept_is_delivered(tmp_path: Path) -> None:
    """In order and with its counts; ids that were used still are; a copy of what it was stands beside it."""
    path = tmp_path / "store.db"
    make_old(path)
    opened = Opened(path)
    assert await opened.take_counted("zpsk.1") == [("c", 1), ({"b": 1}, 1), ("d", 2), ("f", 0)]
    assert await opened.store.missed(OWNER) == 4
    assert await opened.publish({"b": 1}, msg_id="m2") == "m2"
    with pytest.raises(Conflict):
        await opened.publish("other", msg_id="m2")
    await opened.publish("g")
    await opened.store.begin_anew("zpsk.1")
    opened.clock.advance(11)
    await opened.store.clean(TOPIC, ())
    assert await opened.waiting("zpsk.1") == ["c", {"b": 1}, "d", "g"]
    opened.database.close()
    assert messages_of_copy(tmp_path) == 6
    open_database(path).close()
