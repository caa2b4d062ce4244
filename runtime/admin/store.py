"""Administrative services that back up the store of a cluster while it runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import trio
from attrs import asdict

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import BadInput, StoreFailed
from actors.services.service import Service
from runtime.admin.change import Change
from runtime.store.backup import back_up
from runtime.store.integrity import DamagedStore

__all__ = ["backup_services"]

PAUSE = 0.002
"""Seconds between two steps, for the disk and the interpreter to do what publishing needs of them."""

_IDLE = {"what": "", "done": 0, "total": 0}


def backup_services(path: Path | None) -> tuple[type[Service], ...]:
    """Return the services that back up a cluster's store, and say how far they have come.

    Args:
        path: Where the store is; None where it is in memory.
    """
    progress = dict(_IDLE)
    limiter = trio.CapacityLimiter(1)  # a thread of its own: neither that of the store nor one of the users'

    def on_step(what: str, done: int, total: int) -> None:
        progress.update(what=what, done=done, total=total)
        trio.from_thread.check_cancelled()
        time.sleep(PAUSE)

    class BackUpStore(Change):
        """Backs up the store."""

        name = f"{ADMIN_PREFIX}back-up-store"
        tells = ("file", "overwrite")
        tells_after = ("size", "messages")
        concurrency = 1

        async def change(self, request: dict[str, Any]) -> Any:
            """Return what the backup holds that is now at the absolute path `file`; it is replaced with `overwrite`."""
            target, store = _target(request), path
            if store is None:
                msg = "this cluster's store is in memory, and ends with it: there is nothing to back up"
                raise StoreFailed(msg)
            overwrite = request.get("overwrite") is True
            try:
                report = await trio.to_thread.run_sync(
                    lambda: back_up(store, target, is_open=True, overwrite=overwrite, on_step=on_step), limiter=limiter
                )
            except DamagedStore as error:
                raise StoreFailed(str(error)) from error
            finally:
                progress.update(_IDLE)
            self.logger.info("store backed up", file=str(target), size=report.size, messages=report.messages)
            return asdict(report)

    class BackupProgress(Service):
        """Says how far a backup has come."""

        name = f"{ADMIN_PREFIX}backup-progress"

        async def handle(self) -> dict[str, Any]:
            """Return what is being done, how much of it and of how much; nothing where there is no backup."""
            return dict(progress)

    return BackUpStore, BackupProgress


def _target(request: dict[str, Any]) -> Path:
    file = request.get("file")
    if not isinstance(file, str) or not Path(file).is_absolute():
        msg = f"file: expected an absolute path, got {file!r}"
        raise BadInput(msg)
    return Path(file)
