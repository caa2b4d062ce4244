"""Opening what a server keeps: its data_dir, locked, and the store in it; in memory where there can be none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import structlog
from attrs import frozen

from actors.errors import StoreFailed
from runtime.config.schema import StoreKind, StoreSettings
from runtime.data_dir import lock, store_file
from runtime.store.schema import open_database

__all__ = ["OpenedStore", "open_data_dir"]

_log = structlog.get_logger(kind="server")


@frozen
class OpenedStore:
    """A store's database: its file, or why it is in memory only, and whether there is a folder to write to at all."""

    database: sqlite3.Connection
    path: Path | None = None
    not_durable: str = ""
    has_folder: bool = True


@contextmanager
def open_data_dir(
    data_dir: Path, settings: StoreSettings, *, launcher: int | None, wait: float
) -> Iterator[OpenedStore]:
    """Lock a server's folder and open the store in it.

    Where the folder or the file cannot be written the store is in memory: guaranteed messages are refused then, and
    everything else is served.

    Args:
        data_dir: The folder, which is made where there is none.
        settings: Where the store is to be, and how it syncs.
        launcher: The process that started this one, if any.
        wait: Seconds to wait for a server that is about to end.

    Raises:
        AlreadyRunning: When another server has the folder.
        DamagedStore: When the store is damaged or of a version that cannot be used.
    """
    with ExitStack() as stack:
        reason = 'the store is in memory: store.kind is "memory"'
        try:
            stack.enter_context(lock(data_dir, launcher=launcher, wait=wait))
            if settings.kind is StoreKind.SQLITE:
                path = store_file(data_dir)
                database = stack.enter_context(closing(open_database(path, synchronous=settings.synchronous.value)))
                opened = OpenedStore(database, path)
            else:
                opened = OpenedStore(stack.enter_context(closing(open_database(None))), None, reason)
        except (OSError, StoreFailed) as error:
            reason = f"the data_dir {data_dir} cannot be used: {error}"
            _log.warning(
                "guaranteed messages are refused, and what subscribers have handled is known in memory only",
                reason=reason,
            )
            database = stack.enter_context(closing(open_database(None)))
            opened = OpenedStore(database, None, reason, has_folder=isinstance(error, StoreFailed))
        yield opened
