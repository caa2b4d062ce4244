"""Makes a store of what can be read in a damaged one, and lists what cannot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from actors.errors import StoreFailed
from runtime.store.backup import naming
from runtime.store.files import OnStep, in_place, nothing, reading, set_aside, sync
from runtime.store.integrity import DamagedStore, Report, checksum, examine, said_of_file
from runtime.store.schema import VERSION, check_version, place_of

__all__ = ["Salvaged", "salvage"]

ROWS_AT_ONCE = 100

_BELONGS_TO = (
    ("messages", "key >> 40", "topics", "id"),
    ("published", "topic", "topics", "id"),
    ("subscriptions", "topic", "topics", "id"),
    ("done", "sub_key", "subscriptions", "sub_key"),
    ("failures", "sub_key", "subscriptions", "sub_key"),
)
"""Rows of which table, by what of them, mean nothing without which other one.

What was handled is of subscriptions that other clusters keep.
"""


@frozen
class Salvaged:
    """A salvaged store.

    Args:
        report: What it holds.
        lost: What the damaged one held and it does not, a sentence each.
        aside: Where the damaged one is kept.
    """

    report: Report
    lost: tuple[str, ...]
    aside: Path | None


def salvage(path: Path, *, on_step: OnStep = nothing) -> Salvaged:
    """Put a store in a damaged one's place that holds all that can be read of it; the damaged one is kept beside it.

    Args:
        path: The store, which nobody may have open.
        on_step: Called between small steps.

    Raises:
        DamagedStore: When nothing can be read of it, or it was made by another version; it is what it was.
        StoreFailed: When it is whole, or what is read cannot be written; it is what it was.
    """
    with naming(path, path), in_place(path) as part:
        with reading(path) as damaged:
            version = check_version(damaged, path)
            if version != VERSION:
                msg = f"{path}: the store has version {version}, what can be salvaged is version {VERSION}"
                raise DamagedStore(msg)
            if examine(damaged, path, on_step=on_step).is_whole:
                msg = f"{path}: the store is whole, and was left as it is"
                raise StoreFailed(msg)
            lost = _copy_readable(damaged, part, on_step)
        with reading(part) as made:
            report = evolve(examine(made, path, on_step=on_step), path=str(path))
        if not report.is_whole:
            raise DamagedStore(report.sentence())
        aside = set_aside(path, "damaged")
    return Salvaged(report, tuple(lost), aside)


def _copy_readable(damaged: sqlite3.Connection, part: Path, on_step: OnStep) -> list[str]:
    lost: list[str] = []
    schema = damaged.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    with closing(sqlite3.connect(part, isolation_level=None)) as made:
        made.execute("BEGIN")
        for kind, name, sql in sorted(schema, key=lambda row: str(row[0]) != "table"):
            made.execute(sql)
            if kind == "table":
                lost += _copy_table(damaged, made, name, on_step)
        for table, what, other, key in _BELONGS_TO:
            orphans = f"DELETE FROM {table} WHERE {what} NOT IN (SELECT {key} FROM {other})"  # noqa: S608 - fixed names
            if count := made.execute(orphans).rowcount:
                lost.append(f"{count} rows of {table}, which belonged to lost rows of {other}")
        made.execute(f"PRAGMA user_version = {VERSION}")
        made.execute("COMMIT")
    sync(part)
    return lost


def _copy_table(damaged: sqlite3.Connection, made: sqlite3.Connection, table: str, on_step: OnStep) -> Iterator[str]:
    """Copy the rows of a table that can be read, and whose content is right; give what is lost."""
    columns = [(row[1], row[5]) for row in made.execute(f"PRAGMA table_info({table})")]
    names = [name for name, _ in columns]
    keys = [name for name, place in sorted(columns, key=lambda one: int(one[1])) if place] or ["rowid"]
    place = " AND ".join(f"{key} = ?" for key in keys)
    marks = ", ".join("?" for _ in names)
    found, gap = _readable_keys(damaged, table, keys)
    if gap:
        yield f"rows of {table} {gap}"
    for number, key in enumerate(found):
        if number % ROWS_AT_ONCE == 0:
            on_step(f"salvaging {table}", number, len(found))
        which = _named(keys, key)
        try:
            row = damaged.execute(f"SELECT * FROM {table} WHERE {place}", key).fetchone()  # noqa: S608
        except sqlite3.DatabaseError as error:
            yield f"row of {table}, {which}: {said_of_file(error)}"
            continue
        values = {} if row is None else dict(zip(names, row, strict=True))
        if row is None:
            yield f"row of {table}, {which}: it cannot be found"
        elif "checksum" in values and checksum(values["body"]) != values["checksum"]:
            yield f"row of {table}, {which}, msg_id {values['msg_id']!r}: its content is wrong"
        else:
            made.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


def _named(keys: list[str], key: tuple[Any, ...]) -> str:
    parts = zip(keys, key, strict=True)
    return ", ".join(
        f"topic {value >> 40}, place {place_of(value)}" if name == "key" else f"{name} {value!r}"
        for name, value in parts
    )


def _readable_keys(damaged: sqlite3.Connection, table: str, keys: list[str]) -> tuple[list[tuple[Any, ...]], str]:
    """Return the keys that can be read from either end of a table, and which are not there between the two."""
    found: dict[tuple[Any, ...], None] = {}
    ends: list[tuple[Any, ...] | None] = []
    said = ""
    for order in ("ASC", "DESC"):
        wanted, by = ", ".join(keys), ", ".join(f"{key} {order}" for key in keys)
        last: tuple[Any, ...] | None = None
        try:
            for row in damaged.execute(f"SELECT {wanted} FROM {table} ORDER BY {by}"):  # noqa: S608 - from the schema
                found[last := row] = None
        except sqlite3.DatabaseError as error:
            said = said_of_file(error)
            ends.append(last)
        else:
            break
    if not said:
        return list(found), ""
    between = " and ".join("the end" if end is None else _named(keys, end) for end in ends)
    return list(found), f"between {between}: {said}"
