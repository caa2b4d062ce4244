"""A backup holds what was committed before it, or there is none; a restore replaces a store whole, and keeps it."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import trio

from actors.errors import BadInput, StoreFailed
from runtime.store.backup import back_up, restore, verify
from runtime.store.files import companions
from runtime.store.schema import VERSION, DamagedStore, key_of
from runtime.testing import MemoryNetwork, run_simulated
from tests.runtime.store.stores import (
    contents,
    damage_message,
    make_killed_store,
    make_store,
    messages_in,
    publish,
)
from tests.runtime.store.support import Opened
from tests.support import emea_settings, start

# ruff: noqa: ASYNC240 - the event loop of these tests has nothing else to do

pytestmark = pytest.mark.trio(run=run_simulated)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "store.db"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "monday.db"


class Abandoned(Exception):
    """Somebody wants no backup any more."""


async def test_a_backup_ends_while_every_step_sees_a_write(path: Path, target: Path) -> None:
    """It holds what was there when it began, takes many steps, and is not begun anew by what is written meanwhile."""
    steps: list[tuple[str, int]] = []
    opened = Opened(path)
    with closing(opened.database) as database:
        await publish(opened, *("x" * 500 for _ in range(3000)))
        written = 0

        def write(what: str, done: int, _total: int) -> None:
            nonlocal written
            steps.append((what, done))
            assert len(steps) < 1000, "it begins anew with each write"
            database.execute(
                "INSERT INTO messages SELECT key + 100000 + ?, msg_id, priority, recv_time, expires_at, extra, body, checksum"
                " FROM messages WHERE key = ?",
                (written, key_of(1, 1)),
            )
            written += 1

        report = back_up(path, target, is_open=True, on_step=write)
        assert database.execute("SELECT count(*) FROM messages").fetchone()[0] == 3000 + written
    copying = [done for what, done in steps if what == "copying"]
    assert len(copying) > 5
    assert copying == sorted(set(copying))
    assert (report.messages, report.topics, report.path) == (3000, 1, str(target))
    assert list(contents(target.parent)) == ["monday.db"]
    assert len(messages_in(target)) == 3000


async def test_a_backup_does_not_hold_up_the_writer(path: Path, target: Path) -> None:
    """A commit in the middle of a backup, from the thread that the store has, waits for nothing."""
    opened = Opened(path)
    with closing(opened.database) as database:
        await publish(opened, *("x" * 500 for _ in range(1000)))
        database.execute("PRAGMA busy_timeout = 0")
        errors: list[Exception] = []

        def commit() -> None:
            try:
                database.execute("UPDATE topics SET backlog_from = backlog_from + 1")
            except sqlite3.Error as error:
                errors.append(error)

        def step(_what: str, _done: int, _total: int) -> None:
            thread = threading.Thread(target=commit)
            thread.start()
            thread.join()

        back_up(path, target, is_open=True, on_step=step)
    assert errors == []


async def test_a_backup_that_is_abandoned_leaves_nothing(path: Path, target: Path) -> None:
    """Neither under its name nor under its temporary one, whatever step it ends in; an earlier one stays."""
    await make_store(path, *("x" * 500 for _ in range(1000)))
    for last in ("copying", "checking"):

        def step(what: str, _done: int, _total: int, last: str = last) -> None:
            if what == last:
                raise Abandoned

        with pytest.raises(Abandoned):
            back_up(path, target, is_open=False, on_step=step)
        assert contents(target.parent) == {}
    target.write_text("earlier")
    with pytest.raises(Abandoned):
        back_up(path, target, is_open=False, overwrite=True, on_step=step)
    assert contents(target.parent) == {"monday.db": b"earlier"}


async def test_nothing_is_overwritten_unless_that_is_asked_for(path: Path, target: Path) -> None:
    """A file, or the log of one, is left alone; replaced, it takes nothing of the earlier one along."""
    await make_store(path, 1)
    target.write_text("earlier")
    log = companions(target)[0]
    log.write_text("log of the earlier one")
    for left in (target, log):
        with pytest.raises(StoreFailed, match=f"{left.name}: there is such a file already"):
            back_up(path, target, is_open=False)
        if left is target:
            target.unlink()
    back_up(path, target, is_open=False, overwrite=True)
    assert list(contents(target.parent)) == ["monday.db"]
    assert verify(target).messages == 1


async def test_a_backup_never_replaces_the_store_itself(path: Path, tmp_path: Path) -> None:
    """By its name, by another way there, or in the place of its log."""
    await make_store(path, 1)
    (tmp_path / "link.db").symlink_to(path)
    (tmp_path / "second.db").hardlink_to(path)
    for target in (path, tmp_path / "link.db", tmp_path / "second.db", companions(path)[0]):
        with pytest.raises(StoreFailed, match="this is the store itself"):
            back_up(path, target, is_open=False, overwrite=True)
    assert verify(path).messages == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [("no-such-folder/x.db", "x.db: No such file or directory"), ("", "expected the name of a new file")],
)
async def test_where_no_file_can_be_made_there_is_no_backup(name: str, expected: str, path: Path, target: Path) -> None:
    """It says which file, and why."""
    await make_store(path, 1)
    with pytest.raises(StoreFailed, match=expected):
        back_up(path, target.parent / name, is_open=False)


async def test_a_damaged_store_has_no_backup(path: Path, target: Path) -> None:
    """The store is named with what is lost of it, and no file is left."""
    await make_store(path, 1, 2, 3)
    lost = messages_in(path)[1]
    damage_message(path, lost)
    with pytest.raises(DamagedStore, match=f"{path}: the store is damaged: .* message '{lost}'"):
        back_up(path, target, is_open=False)
    assert contents(target.parent) == {}


async def test_verifying_says_what_is_there_and_what_is_wrong(path: Path, target: Path) -> None:
    """Of a whole store, of one in use, and of a damaged one; what is no store is an error."""
    await make_store(path, 1, 2, 3)
    opened = Opened(path)
    with closing(opened.database):
        await publish(opened, 4)
        assert verify(path, is_open=True).messages == 4
    report = verify(path)
    assert (report.topics, report.messages, report.subscriptions, report.version) == (1, 4, 0, VERSION)
    assert report.size == path.stat().st_size
    assert report.is_whole
    ids = messages_in(path)
    damage_message(path, ids[2])
    assert verify(path).lost == (f"message '{ids[2]}' of /customer/new",)
    assert not verify(path).is_whole
    with pytest.raises(StoreFailed, match="no such file"):
        verify(target)
    target.touch()
    with pytest.raises(DamagedStore, match="this is no store: it is empty"):
        verify(target)
    target.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedStore, match="is damaged: file is not a database"):
        verify(target)


async def test_a_restored_store_is_the_backup_and_what_was_there_is_kept(path: Path, target: Path) -> None:
    """Of a server that was killed, what stood in its log is kept, too, and nothing of it comes into the new store."""
    await make_store(path, 1, 2)
    saved = messages_in(path)
    back_up(path, target, is_open=False)
    path.unlink()
    await make_killed_store(path, *range(5))
    assert companions(path)[0].stat().st_size
    restored = restore(path, target)
    assert messages_in(path) == saved
    assert restored.aside is not None
    assert restored.aside.name.startswith("store.db.before-restore-")
    assert sorted(contents(path.parent)) == ["store.db", restored.aside.name]
    assert len(messages_in(restored.aside)) == 5
    assert verify(target).messages == 2
    again = restore(path, target)
    assert again.aside not in (None, restored.aside)


async def test_a_store_is_restored_where_there_is_none(path: Path, target: Path) -> None:
    """Nothing is kept then, and nothing is left of it but the store."""
    await make_store(path, 1, 2)
    back_up(path, target, is_open=False)
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    assert restore(elsewhere / "store.db", target).aside is None
    assert messages_in(elsewhere / "store.db") == messages_in(path)
    assert list(contents(elsewhere)) == ["store.db"]


async def test_a_store_beyond_repair_is_kept_with_its_log(path: Path, target: Path) -> None:
    """What SQLite cannot open at all is set aside as it is."""
    await make_store(path, 1)
    back_up(path, target, is_open=False)
    path.write_bytes(b"no database at all" * 100)
    companions(path)[0].write_bytes(b"its log")
    aside = restore(path, target).aside
    assert aside is not None
    assert aside.read_bytes() == b"no database at all" * 100
    assert companions(aside)[0].read_bytes() == b"its log"
    assert len(messages_in(path)) == 1


async def test_a_backup_that_is_not_whole_or_newer_is_not_restored(path: Path, target: Path) -> None:
    """The store is what it was, and so is the backup."""
    await make_store(path, 1)
    await make_store(target, 1, 2)
    damage_message(target, messages_in(target)[0])
    before = contents(path.parent)
    steps: set[str] = set()
    with pytest.raises(DamagedStore, match=f"{target}: the store is damaged"):
        restore(path, target, on_step=lambda what, _done, _total: steps.add(what))
    assert steps == {"checking"}
    with closing(sqlite3.connect(target, isolation_level=None)) as raw:
        raw.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(DamagedStore, match=f"has version {VERSION + 1}, this Isthmus knows version {VERSION}"):
        restore(path, target)
    with pytest.raises(StoreFailed, match="this is the store itself"):
        restore(path, path)
    assert contents(path.parent) == before


async def test_a_store_in_memory_cannot_be_backed_up(
    target: Path, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A running cluster says so, and wants a path that does not depend on where its server stands."""
    emea = await start(nursery, network, "emea", emea_settings())
    with pytest.raises(StoreFailed, match="this cluster's store is in memory"):
        await emea.invoke("isthmus.admin.back-up-store", {"file": str(target)})
    with pytest.raises(BadInput, match=r"file: expected an absolute path, got 'x\.db'"):
        await emea.invoke("isthmus.admin.back-up-store", {"file": "x.db"})
    assert await emea.invoke("isthmus.admin.backup-progress") == {"what": "", "done": 0, "total": 0}
