"""A disk that can lose its power: every write and sync of a database is recorded, and what no sync covers is dropped.

SQLite writes through a VFS of the test (apsw brings its own SQLite for that). A file's durable content is what had
been written to it, or cut off, when its last sync ended; a file that was never synced does not exist. A deletion
counts once SQLite asks for it. The -shm file is memory that SQLite makes anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
from attrs import define, field

__all__ = ["Disk", "RecordedDatabase"]


@define
class Disk:
    """What was done to the files of a database, in order; `events` are (what, file, offset or size, bytes)."""

    events: list[tuple[str, str, int, bytes]] = field(factory=list)

    def after_power_cut(self, at: int, folder: Path) -> None:
        """Write the files as they are when the power goes after so many events."""
        written: dict[str, bytearray] = {}
        durable: dict[str, bytes] = {}
        for what, name, place, data in self.events[:at]:
            content = written.setdefault(name, bytearray())
            match what:
                case "write":
                    if len(content) < place:
                        content.extend(bytes(place - len(content)))
                    content[place : place + len(data)] = data
                case "truncate":
                    del content[place:]
                case "sync":
                    durable[name] = bytes(content)
                case "delete":
                    written.pop(name, None)
                    durable.pop(name, None)
        folder.mkdir(exist_ok=True)
        for name, content_then in durable.items():
            (folder / name).write_bytes(content_then)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._name = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name)).name

    def xWrite(self, data: Any, offset: int) -> None:
        self._disk.events.append(("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._disk.events.append(("truncate", self._name, size, b""))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._disk.events.append(("sync", self._name, 0, b""))


class _Recording(apsw.VFS):
    def __init__(self, name: str, disk: Disk) -> None:
        self._disk = disk
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> _File:
        return _File(self._disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self._disk.events.append(("delete", Path(filename).name, 0, b""))


class RecordedDatabase:
    """As much of `sqlite3.Connection` as a store uses, on a recorded disk."""

    def __init__(self, path: Path, disk: Disk) -> None:
        self._vfs = _Recording(f"recording-{id(disk)}", disk)
        self._connection = apsw.Connection(str(path), vfs=f"recording-{id(disk)}")

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        return self._connection.execute(sql, values)

    def executemany(self, sql: str, values: Sequence[Sequence[Any]]) -> Any:
        return self._connection.executemany(sql, values)

    def executescript(self, sql: str) -> None:
        self._connection.execute(sql)

    def close(self) -> None:
        self._connection.close()
        self._vfs.unregister()
