"""AuditWriter: the actor that has entries of the audit log written, in a thread of its own.

Where the file cannot be written everything else goes on: entries wait, the writer tries again and says so loudly in the
log, in `isthmus status` and once the file can be written in the file itself, with how many were lost meanwhile.
"""

from __future__ import annotations

import trio

from actors.actor import Actor
from actors.retry import BackoffState
from actors.supervision import Backoff
from runtime.observe.audit import AuditFile, AuditTrail

__all__ = ["AuditWriter"]


class AuditWriter(Actor):
    """Writes what waits, and what comes, for ever; what waits when it ends is written by whoever has the trail.

    Args:
        trail: What waits.
        file: Where it goes.
    """

    kind = "audit"
    name = "audit"
    autostart = False
    retry = Backoff(first=1.0, longest=30.0, reset_after=10.0)

    def __init__(self, trail: AuditTrail, file: AuditFile) -> None:
        self._trail = trail
        self._file = file
        self._limiter = trio.CapacityLimiter(1)

    async def setup(self) -> None:
        """Show how much waits, and how much was lost."""
        self.progress.measure("waiting", lambda: len(self._trail))
        self.progress.measure("lost", lambda: self._trail.lost)

    async def run(self) -> None:
        """Write until asked to stop."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_for_ever)
            await self.stopping.wait()
            nursery.cancel_scope.cancel()

    async def _write_for_ever(self) -> None:
        backoff = BackoffState(self.retry)
        self.progress.show("running", file=str(self._file.path))
        while True:
            await self._trail.wait_for_entries()
            lines = self._trail.first()
            try:
                await trio.to_thread.run_sync(self._file.write, lines, limiter=self._limiter)
            except OSError as error:
                await self._wait_after(error, backoff.next_delay(lambda _low, high: high))
            else:
                backoff.attempt = 0
                self._trail.written(lines)
                self.progress.count("handled")
                self.progress.show("running", file=str(self._file.path))

    async def _wait_after(self, error: OSError, delay: float) -> None:
        facts = {"file": str(self._file.path), "reason": error.strerror or str(error), "retry_in": delay}
        self.progress.count("failed")
        self.progress.show("failed", **facts)
        self._log.error("THE AUDIT LOG CANNOT BE WRITTEN", waiting=len(self._trail), lost=self._trail.lost, **facts)
        await trio.sleep(delay)
