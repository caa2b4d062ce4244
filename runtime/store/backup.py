"""Backups of a store: taking one while the store is used, looking at one, and putting one in the store's place.

All of it blocks, and works on files by their path with connections of its own: neither the store's writer nor its
transactions have a part in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import evolve, frozen

from actors.errors import StoreFailed
from runtime.store.files import OnStep, companions, copy, in_place, nothing, reading, set_aside
from runtime.store.integrity import DamagedStore, Report, examine, is_damage
from runtime.store.schema import check_version

__all__ = ["Restored", "back_up", "naming", "restore", "verify"]


@frozen
class Restored:
    """A restored store.

    Args:
        report: What it holds.
        aside: Where the store that was there before is kept, if there was one.
    """

    report: Report
    aside: Path | None


def verify(path: Path, *, is_open: bool = False, on_step: OnStep = nothing) -> Report:
    """Look at everything in a store or in a backup of one, which stays as it is.

    Args:
        path: The file.
        is_open: Whether a server may have it open.
        on_step: Called between small steps.

    Raises:
        DamagedStore: When it was made by a newer version, or is no store at all.
        StoreFailed: When there is no such file, or it cannot be read.
    """
    with naming(path, path):
        if not path.is_file():
            msg = f"{path}: there is no such file"
            raise StoreFailed(msg)
        with reading(path, is_open=is_open) as database:
            if check_version(database, path) == 0:
                msg = f"{path}: this is no store: it is empty"
                raise DamagedStore(msg)
            return examine(database, path, on_step=on_step)


def back_up(path: Path, target: Path, *, is_open: bool, overwrite: bool = False, on_step: OnStep = nothing) -> Report:
    """Copy a store, as it is now, into a new file, and look at all of the copy before it is given its name.

    Everything that was confirmed before this is called is in it. While it goes on the store's log grows by what is
    published meanwhile.

    Args:
        path: The store.
        target: The new file.
        is_open: Whether a server may have the store open.
        overwrite: Replace what is at `target`.
        on_step: Called between small steps.

    Returns:
        What the backup holds.

    Raises:
        DamagedStore: When the store is damaged; then there is no backup of it.
        StoreFailed: When something is at `target`, or it cannot be written.
    """
    with naming(target, path):
        _check_target(path, target, overwrite=overwrite)
        with in_place(target) as part:
            report = _copy_whole(path, part, is_open=is_open, on_step=on_step)
            for companion in companions(target):
                companion.unlink(missing_ok=True)
    return evolve(report, path=str(target))


def restore(path: Path, source: Path, *, on_step: OnStep = nothing) -> Restored:
    """Put a backup in a store's place, at once; what was there is kept beside it.

    Args:
        path: The store, which nobody may have open.
        source: The backup, which stays where it is.
        on_step: Called between small steps.

    Raises:
        DamagedStore: When the backup is damaged, or of a newer version; the store is what it was.
        StoreFailed: When the backup cannot be read or the store not be written; the store is what it was.
    """
    if path.exists() and source.exists() and path.samefile(source):
        msg = f"{source}: this is the store itself"
        raise StoreFailed(msg)
    _refuse_damage(verify(source, on_step=on_step))
    with naming(path, source), in_place(path) as part:
        report = _copy_whole(source, part, is_open=False, on_step=on_step)
        aside = set_aside(path, "before-restore")
    return Restored(evolve(report, path=str(path)), aside)


def _check_target(path: Path, target: Path, *, overwrite: bool) -> None:
    if not path.is_file():
        msg = f"{path}: there is no store"
        raise StoreFailed(msg)
    if target.is_dir():
        msg = f"{target}: expected the name of a new file, this is a folder"
        raise StoreFailed(msg)
    its_own = path.resolve()
    if target.resolve() in (its_own, *companions(its_own)) or (target.exists() and target.samefile(path)):
        msg = f"{target}: this is the store itself"
        raise StoreFailed(msg)
    there = [one for one in (target, *companions(target)) if one.exists()]
    if there and not overwrite:
        msg = f"{there[0]}: there is such a file already, which is left as it is; --overwrite replaces it"
        raise StoreFailed(msg)


def _copy_whole(source: Path, part: Path, *, is_open: bool, on_step: OnStep) -> Report:
    """Copy a database to a temporary name, and look at all of the copy."""
    with reading(source, is_open=is_open) as database:
        check_version(database, source)
        copy(database, part, on_step=on_step)
    with reading(part) as database:
        report = examine(database, source, on_step=on_step)
    _refuse_damage(report)
    return report


def _refuse_damage(report: Report) -> None:
    if not report.is_whole:
        raise DamagedStore(report.sentence())


@contextmanager
def naming(path: Path, read: Path) -> Iterator[None]:
    """Turn what fails into an error that names a file: `path`, or the one that is read where that is damaged."""
    try:
        yield
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise StoreFailed(msg) from error
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            msg = f"{read}: the store is damaged: {error}"
            raise DamagedStore(msg) from error
        msg = f"{path}: {error}"
        raise StoreFailed(msg) from error
