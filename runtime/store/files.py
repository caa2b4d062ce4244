"""Files of databases: reading one without changing it, copying one whole, setting one aside.

Knows nothing of tables. SQLite keeps a database in its file and in companions beside it, `-wal` above all, which
belong to that file alone: beside another one they damage it.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from runtime.ports import SystemClock

__all__ = ["OnStep", "companions", "copy", "free_name", "in_place", "nothing", "reading", "set_aside", "sync"]

OnStep = Callable[[str, int, int], None]
"""Called between the small steps of long work: with what is being done, how much of it, and of how much.

What it raises ends the work.
"""

PAGES_AT_ONCE = 64
PAGES_TO_SYNC = 4096
"""Written pages are synced now and then, so that the last sync does not hold up those of the store."""


def nothing(_what: str, _done: int, _total: int) -> None:
    """Do nothing between two steps."""


def companions(path: Path) -> tuple[Path, Path, Path]:
    """Return where SQLite keeps what belongs to a database beside it: the log, its index, and the rollback journal."""
    return (
        path.with_name(f"{path.name}-wal"),
        path.with_name(f"{path.name}-shm"),
        path.with_name(f"{path.name}-journal"),
    )


def sync(path: Path) -> None:
    """Have a file or a folder on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_name(path: Path, what: str) -> Path:
    """Return a name beside a file that says what it is and when it was made, and that nothing has yet."""
    stamped = f"{path.name}.{what}-{SystemClock().utc_now():%Y%m%dT%H%M%SZ}"
    name, number = path.with_name(stamped), 1
    while name.exists():
        number += 1
        name = path.with_name(f"{stamped}-{number}")
    return name


@contextmanager
def reading(path: Path, *, is_open: bool = False) -> Iterator[sqlite3.Connection]:
    """Give a connection that sees what is committed now, whatever is written meanwhile; it changes no byte.

    Args:
        path: The file, which must be there.
        is_open: Whether others may have it open.

    Raises:
        sqlite3.Error: When it cannot be read.
    """
    wal, shm, journal = companions(path)
    had_index = shm.exists()
    if journal.exists():
        how = "mode=rw"  # its writer was killed while it made the file, which SQLite has to undo first
    elif is_open or (wal.exists() and wal.stat().st_size):
        how = "mode=ro"
    else:
        how = "immutable=1"
    uri = f"{path.resolve().as_uri()}?{how}"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as database:
            database.execute("BEGIN")
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield database
    finally:
        if not is_open and not had_index:
            shm.unlink(missing_ok=True)


def copy(source: sqlite3.Connection, target: Path, *, on_step: OnStep = nothing) -> None:
    """Copy what a connection sees into a new file, which is on disk afterwards.

    The connection has to have a transaction open: without one SQLite begins anew with each write of another
    connection, and never ends while messages are published. A copy that fails leaves no file.

    Raises:
        OSError: When the file cannot be made.
        sqlite3.Error: When it cannot be read or written.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    synced = 0

    def step(_status: int, left: int, total: int) -> None:
        nonlocal synced
        if total - left - synced >= PAGES_TO_SYNC:
            os.fsync(descriptor)
            synced = total - left
        on_step("copying", total - left, total)

    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            source.backup(database, pages=PAGES_AT_ONCE, progress=step)
        os.fsync(descriptor)
    except BaseException:
        target.unlink()
        raise
    finally:
        os.close(descriptor)


@contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """Give a temporary name beside a path; what is made there takes that path once the block has ended well.

    A file that stands at the path is replaced at once, and what is left under the temporary name is removed.
    """
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    try:
        yield part
        part.replace(path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def set_aside(path: Path, what: str) -> Path | None:
    """Keep a database that is about to be replaced under a second name, and take its companions away.

    Nobody may have it open. What its log holds is written to the file itself, so that at no moment the file stands
    there without it; where SQLite cannot do this with a damaged one, its log is kept beside the second name.

    Returns:
        The second name; None where there is no database.

    Raises:
        OSError: When it cannot be kept; then it is what it was.
    """
    aside = free_name(path, what)
    for one, kept in zip((path, *companions(path)), (aside, *companions(aside)), strict=True):
        if one.exists():
            kept.hardlink_to(one)
    sync(path.parent)
    found = aside if aside.exists() else None
    needless = list(companions(path))
    if found is not None and _take_log_in(path):
        needless += companions(aside)
    for one in needless:
        one.unlink(missing_ok=True)
    sync(path.parent)
    return found


def _take_log_in(path: Path) -> bool:
    """Write to a database's file what its log holds, and tell whether that was done."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            _is_busy, in_log, written = database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:
        return False
    return bool(in_log == written)
