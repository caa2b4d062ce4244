"""Opening a store: damage and newer versions are named, and nothing is passed over."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from actors.errors import StoreFailed
from runtime.store.schema import VERSION, DamagedStore, key_of, open_database, place_of


def test_damage_is_named(tmp_path: Path) -> None:
    """A message whose content is wrong, a file that is no database and a newer one are refused untouched."""
    path = tmp_path / "store.db"
    database = open_database(path)
    database.execute("INSERT INTO topics (name) VALUES ('/t')")
    database.execute("INSERT INTO messages VALUES (?, 'm1', 5, 0.0, NULL, NULL, x'00', 7)", (key_of(1, 1),))
    database.close()
    with pytest.raises(DamagedStore, match="the content of 1 messages is wrong: message 'm1' of /t"):
        open_database(path)
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM messages")
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(DamagedStore, match=f"version 99, this Isthmus knows version {VERSION}; it was left untouched"):
        open_database(path)
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(DamagedStore, match="cannot be used"):
        open_database(path)
    with pytest.raises(StoreFailed, match="cannot be opened"):
        open_database(tmp_path / "no-such-folder" / "store.db")


def test_a_key_is_a_topic_and_a_place() -> None:
    """Places of one topic are side by side, and every place can be told."""
    assert key_of(1, 2**40 - 1) + 1 == key_of(2, 0)
    assert place_of(key_of(7, 12345)) == 12345
