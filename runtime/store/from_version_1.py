"""Brings a store from version 1 of its tables to version 2.

In version 1 a message's body was a map with times as text; where it stands was two columns; and what a subscription is
done with beyond its position was a row for each place.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from actors.topics.publication import Published
from runtime.store.integrity import checksum
from runtime.store.places import Places

__all__ = ["upgrade"]

_OLD = ("topics", "messages", "published", "subscriptions", "done", "failures")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def upgrade(database: sqlite3.Connection, make_tables: Callable[[], None], key_of: Callable[[int, int], int]) -> None:
    """Make the new tables, and fill them with what the old ones have."""
    database.execute("DROP INDEX messages_by_urgency")
    for table in _OLD:
        database.execute(f"ALTER TABLE {table} RENAME TO old_{table}")
    make_tables()
    database.execute("INSERT INTO topics SELECT id, name, backlog_from, NULL FROM old_topics")
    for topic, place, body in database.execute("SELECT topic, place, body FROM old_messages"):
        message = _published(_decode(body))
        encoded = _encode(message)
        expires = None if message.expires_at == math.inf else message.expires_at
        values = (message.msg_id, message.priority, message.recv_time, expires, None, encoded, checksum(encoded))
        database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (key_of(topic, place), *values))
    numbers: dict[int, int] = {}
    for topic, msg_id, body, at in database.execute("SELECT topic, msg_id, body, at FROM old_published ORDER BY at"):
        number = numbers[topic] = numbers.get(topic, 0) + 1
        digest = hashlib.blake2b(_encode(_decode(body)["data"]), digest_size=16).digest()
        database.execute(
            "INSERT INTO published VALUES (?, ?, ?, ?, ?)", (key_of(topic, number), topic, msg_id, digest, at)
        )
    _bring_subscriptions(database)
    for table in _OLD:
        database.execute(f"DROP TABLE old_{table}")


def _bring_subscriptions(database: sqlite3.Connection) -> None:
    options = json.dumps({"own": {}, "set": {}})
    for sub_key, topic, security, cluster, connection, acked_upto, sent_upto in database.execute(
        "SELECT sub_key, topic, security, cluster, connection, acked_upto, sent_upto FROM old_subscriptions"
    ):
        is_lasting = bool(cluster and connection)
        database.execute(
            "INSERT INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, '', '', ?, ?, ?, unixepoch(), NULL, NULL)",
            (sub_key, topic, security, cluster, connection, options, is_lasting, acked_upto, sent_upto),
        )
        done = database.execute("SELECT place, place FROM old_done WHERE sub_key = ?", (sub_key,))
        runs = [(sub_key, first, last) for first, last in Places(done.fetchall())]
        database.executemany("INSERT INTO done VALUES (?, ?, ?)", runs)
    database.execute("INSERT INTO failures SELECT * FROM old_failures")


def _published(old: dict[str, Any]) -> Published:
    fields = {name: old[name] for name in Published.__struct_fields__ if name in old}
    return Published(**{**fields, "pub_time": _unix(old["pub_time"]), "recv_time": _unix(old["recv_time"])})


def _unix(text: str) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC).timestamp()
