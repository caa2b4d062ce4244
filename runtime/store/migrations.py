"""Brings a database's tables from an older version to a newer one, with a copy of the older one kept beside it.

Knows no table: which steps there are stands beside the tables, in `runtime.store.schema`. All steps that a database
needs are one transaction, so it has the older version or the newer, whatever happens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog
from attrs import frozen

from actors.errors import StoreFailed
from runtime.store.files import copy, free_name, in_place

__all__ = ["Migration", "migrate", "run_script"]

_log = structlog.get_logger(kind="store")


@frozen
class Migration:
    """One step.

    Args:
        version: The version that it leads to, from the one before.
        change: What it does: SQL statements, or a function that is given the connection and leaves its transaction
            open.
    """

    version: int
    change: str | Callable[[sqlite3.Connection], None]


def migrate(database: sqlite3.Connection, path: Path, steps: Sequence[Migration], target: int) -> Path:
    """Bring a database to a version.

    Args:
        database: A connection to it, without a transaction, that nobody shares.
        path: Where it is.
        steps: All there are, in any order.
        target: The version that it is to have.

    Returns:
        Where a copy of what it was is kept.

    Raises:
        StoreFailed: When steps are missing, or one of them failed; then the database is what it was.
    """
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    by_version = {step.version: step for step in steps}
    missing = [str(one) for one in range(version + 1, target + 1) if one not in by_version]
    if missing:
        msg = f"{path}: the store has version {version}, and nothing leads on to version {missing[0]}"
        raise StoreFailed(msg)
    kept = free_name(path, f"v{version}-backup")
    try:
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        with in_place(kept) as part:
            copy(database, part)
        database.execute("COMMIT")
        database.execute("BEGIN IMMEDIATE")
        for number in range(version + 1, target + 1):
            _run(database, by_version[number].change)
        database.execute(f"PRAGMA user_version = {target}")
        database.execute("COMMIT")
    except Exception as error:
        if database.in_transaction:
            database.execute("ROLLBACK")
        kept.unlink(missing_ok=True)  # what it would keep is there still, and each further attempt would add one
        msg = f"{path}: the store could not be brought from version {version} to {target}, and is as it was: {error}"
        raise StoreFailed(msg) from error
    _log.info("store migrated", path=str(path), version=target, before=version, backup=str(kept))
    return kept


def _run(database: sqlite3.Connection, change: str | Callable[[sqlite3.Connection], None]) -> None:
    if callable(change):
        change(database)
        return
    run_script(database, change)


def run_script(database: sqlite3.Connection, script: str) -> None:
    """Execute the statements of a script one by one: `executescript` would end the transaction first."""
    for statement in _statements(script):
        database.execute(statement)


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for part in script.split(";"):
        statement += part + ";"
        if sqlite3.complete_statement(statement):
            if statement.strip(" \n\t;"):
                yield statement
            statement = ""
    if statement.strip(" \n\t;"):
        yield statement
