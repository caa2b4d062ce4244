"""Opening a cluster's audit log: for a server, which writes it as long as it runs; a command adds to it by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from attrs import frozen

from actors.audit import AuditEvent, AuditResult
from actors.supervision import ChildSpec
from runtime.config import ClusterSettings, Configuration
from runtime.observe.audit import AUDIT_FILE, AuditFile, AuditTrail
from runtime.observe.audit_writer import AuditWriter
from runtime.ports import SystemClock

__all__ = ["OpenedAudit", "note_command", "open_audit"]

_log = structlog.get_logger(kind="audit")


@frozen
class OpenedAudit:
    """What takes entries, and the actor that writes them."""

    trail: AuditTrail
    writer: ChildSpec


def _file_of(settings: ClusterSettings, data_dir: Path) -> AuditFile:
    audit = settings.audit
    return AuditFile(audit.file or data_dir / AUDIT_FILE, max_size=audit.max_size, keep=audit.keep)


def _own_user() -> str:
    return f"uid {os.getuid()}"


@contextmanager
def open_audit(configuration: Configuration, cluster: str, server: str) -> Iterator[OpenedAudit]:
    """Give a server's audit log, which has its begin and its end, too; what waits at the end is written then."""
    file = _file_of(configuration.clusters[cluster], configuration.data_dir(cluster))
    trail = AuditTrail(SystemClock(), cluster=cluster, server=server)
    spec = ChildSpec.of(AuditWriter, make=lambda: AuditWriter(trail, file))
    trail.note(AuditEvent.SERVER, AuditResult.DONE, who=_own_user(), action="start", pid=os.getpid())
    try:
        yield OpenedAudit(trail, spec)
    finally:
        failure = sys.exc_info()[1]
        reason = "" if failure is None else type(failure).__name__
        result = AuditResult.DONE if failure is None else AuditResult.FAILED
        trail.note(AuditEvent.SERVER, result, who=_own_user(), action="end", pid=os.getpid(), reason=reason)
        try:
            trail.write_all(file.write)
        except OSError as error:
            reason = error.strerror or str(error)
            _log.error("THE AUDIT LOG CANNOT BE WRITTEN", file=str(file.path), reason=reason, lost=len(trail))


def note_command(
    settings: ClusterSettings, data_dir: Path, cluster: str, command: str, result: AuditResult, **facts: Any
) -> None:
    """Add what a command did, without a server, to a cluster's audit log.

    Raises:
        OSError: When that cannot be written.
    """
    file = _file_of(settings, data_dir)
    trail = AuditTrail(SystemClock(), cluster=cluster)
    trail.note(AuditEvent.COMMAND, result, **facts, who=_own_user(), command=command, pid=os.getpid())
    file.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    trail.write_all(file.write)
