"""The audit log of a cluster: what waits to be written, and the file, which several processes may write to.

An entry is a line of JSON. The event loop only queues entries; `runtime.observe.audit_writer` has them written in a
thread. Refusals that repeat, which a stranger can cause as many of as he likes, are counted, lest they push everything
else out of the files that are kept.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from actors.audit import AuditEvent, AuditResult
from actors.ports import Clock
from actors.pulse import Pulse
from runtime.observe.sampling import Sampler

__all__ = ["AUDIT_FILE", "AuditFile", "AuditTrail"]

AUDIT_FILE = "audit.log"
"""The file's name in the data_dir."""

MAX_WAITING = 10_000
"""How many entries may wait to be written; those beyond are lost, which is counted."""

MAX_BATCH = 500
"""How many are written at once."""

MAX_REFUSALS, REFUSAL_PERIOD = 100, 60.0
"""So many refusals of one kind and address are written within so many seconds, and the rest is counted."""

_MAX_FACT = 2000
"""How many characters of a fact are written."""

_REFUSALS = (AuditResult.REFUSED, AuditResult.DENIED)


def _shortened(fact: object) -> object:
    """Return a fact as it is written: whoever is refused may have chosen how long it is."""
    if isinstance(fact, str):
        return fact if len(fact) <= _MAX_FACT else f"{fact[:_MAX_FACT]}..."
    text = msgspec.json.encode(fact, enc_hook=repr)
    return fact if len(text) <= _MAX_FACT else f"{text[:_MAX_FACT].decode(errors='replace')}..."


class AuditTrail:
    """Takes entries; implements `actors.audit.Audit`.

    Args:
        clock: When things happened.
        now: Time that only goes forward, which periods are measured by.
        **place: What each entry says of where it comes from: the cluster, and the server.
    """

    def __init__(self, clock: Clock, now: Callable[[], float] = time.monotonic, **place: str) -> None:
        self._clock = clock
        self._place = place
        self._waiting: deque[bytes] = deque()
        self._sampler = Sampler(MAX_REFUSALS, REFUSAL_PERIOD, now)
        self._pulse = Pulse()
        self.lost = 0
        """How many entries were given up since the file could not be written."""
        self._told = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def note(
        self, event: AuditEvent, result: AuditResult, *, who: str, address: str = "", cid: str = "", **facts: object
    ) -> None:
        """Take an entry; see `actors.audit.Audit.note`."""
        self._tell_left_out()
        host = address if "proxy" in facts else address.rpartition(":")[0] or address
        if result in _REFUSALS and not self._sampler.passes((event.value, result.value, host)):
            return
        self._add(event.value, result.value, {"who": who, "address": address, "cid": cid, **facts})

    def _tell_left_out(self, *, at_end: bool = False) -> None:
        for (event, result, host), count in self._sampler.left_out(at_end=at_end):
            self._add(event, result, {"address": host, "left_out": count})

    def _add(self, event: str, result: str, facts: dict[str, object]) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self.lost += 1
            return
        at = self._clock.timestamp() + "Z"
        known = {key: _shortened(fact) for key, fact in facts.items() if fact not in (None, "")}
        entry = {"time": at, **self._place, "event": event, "result": result, **known}
        self._waiting.append(msgspec.json.encode(entry, enc_hook=repr) + b"\n")
        self._pulse.notify()

    async def wait_for_entries(self) -> None:
        """Wait until there is something to write."""
        while not self._waiting:
            await self._pulse.wait()

    def first(self) -> Sequence[bytes]:
        """Return the lines that are to be written next."""
        return list(itertools.islice(self._waiting, MAX_BATCH))

    def written(self, lines: Sequence[bytes]) -> None:
        """Forget the first lines, which are in the file; the next say how many before them are not."""
        for _ in lines:
            self._waiting.popleft()
        lost, self._told = self.lost - self._told, self.lost
        if lost:
            self._add(AuditEvent.AUDIT.value, AuditResult.FAILED.value, {"lost": lost})

    def write_all(self, write: Callable[[Sequence[bytes]], object]) -> None:
        """Have all that waits written, the counts of what was left out too.

        Raises:
            OSError: When it cannot be written; what is not written waits still.
        """
        self._tell_left_out(at_end=True)
        while lines := self.first():
            write(lines)
            self.written(lines)


class AuditFile:
    """The file, of mode 0600, and the older ones beside it: `audit.log.1` is the youngest of these.

    Args:
        path: The file.
        max_size: Bytes that it may have; then it is kept under another name.
        keep: How many older ones are kept.
    """

    def __init__(self, path: Path, *, max_size: int, keep: int) -> None:
        self.path = path
        self._max_size = max_size
        self._keep = keep

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines, whole ones also where others write to the file at the same time.

        It is opened each time, so that somebody else may move it away.

        Raises:
            OSError: When it cannot be written; then it has none of the lines, or some of the first, which are there
                twice when all are written again.
        """
        rest = deque(lines)
        while rest:
            descriptor = self._open()
            try:
                self._append(descriptor, rest)
            finally:
                os.close(descriptor)

    def _open(self) -> int:
        """Open the file, alone: another process may have put it aside before it let go of it."""
        while True:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if self._is_current(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _is_current(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self.path.lstat())
        except FileNotFoundError:
            return False

    def _append(self, descriptor: int, rest: deque[bytes]) -> None:
        """Append as many lines as there is room for; a full file is put aside once it has any."""
        size = start = os.fstat(descriptor).st_size
        chosen: list[bytes] = []
        while rest and (not size or size + len(rest[0]) <= self._max_size):
            size += len(rest[0])
            chosen.append(rest.popleft())
        try:
            _write_whole(descriptor, b"".join(chosen))
        except OSError:
            os.ftruncate(descriptor, start)  # half a line would spoil the next one
            raise
        if rest:
            self._put_aside()

    def _put_aside(self) -> None:
        if not self._keep:
            self.path.unlink()
            return
        for number in range(self._keep - 1, 0, -1):
            older = self._older(number)
            if older.exists():
                older.replace(self._older(number + 1))
        self.path.replace(self._older(1))

    def _older(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _write_whole(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
