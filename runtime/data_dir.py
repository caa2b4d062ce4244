"""A cluster's folder: where its store is, and the lock on it, one server at a time."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["AlreadyRunning", "lock", "probe", "store_file"]


class AlreadyRunning(Exception):
    """Another process has the lock; `pid` is its process id where it could be read."""

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        super().__init__(f"a server with the data_dir {data_dir} is already running, pid {pid or 'unknown'}")
        self.pid = pid


def store_file(data_dir: Path) -> Path:
    """Return where the store is in a folder."""
    return data_dir / "store.db"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder(path: Path) -> tuple[int | None, int | None]:
    """Return the pid of who has the lock, and of its launcher."""
    try:
        words = path.read_text().split()
        return int(words[0]), int(words[1]) if len(words) > 1 else None
    except (OSError, ValueError, IndexError):
        return None, None


@contextmanager
def lock(data_dir: Path, *, launcher: int | None = None, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock on a folder, which is made where there is none.

    A holder whose launcher is dead is about to end, and is waited for.

    Args:
        data_dir: The folder.
        launcher: The process that started this one, if any.
        wait: Seconds to wait for such a holder.

    Raises:
        AlreadyRunning: Naming the pid of the holder.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()} {launcher or ''}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, wait: float) -> None:
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, launcher = _holder(path)
            is_ending = launcher is not None and not _is_alive(launcher)
            if not is_ending or time.monotonic() > until:
                raise AlreadyRunning(path.parent, pid) from None
            time.sleep(0.05)
        else:
            return


def probe(data_dir: Path) -> None:
    """Raise `AlreadyRunning` where a server has the lock that is not about to end."""
    path = data_dir / "lock"
    if not path.exists():
        return
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid, launcher = _holder(path)
        if launcher is None or _is_alive(launcher):
            raise AlreadyRunning(data_dir, pid) from None
    finally:
        os.close(descriptor)
