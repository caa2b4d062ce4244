"""What commands change without a server goes into the audit log of the cluster that it concerns."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.audit import AuditResult
from actors.errors import ConfigurationError
from runtime.cli.reach import configuration_of
from runtime.config import ClusterSettings, Configuration, examine
from runtime.opening_audit import note_command

__all__ = ["audited", "note_edit"]


def _note(configuration: Configuration, cluster: str, command: str, result: AuditResult, **facts: object) -> None:
    settings = configuration.clusters.get(cluster, ClusterSettings())
    data_dir = configuration.folder / (settings.data_dir or f".isthmus/{cluster}")
    try:
        note_command(settings, data_dir, cluster, command, result, **facts)
    except OSError as error:
        reason = error.strerror or error
        sys.stderr.write(f"isthmus: this is not in the audit log of cluster {cluster!r}: {reason}\n")


def note_edit(config: Path, text: str, cluster: str, command: str, **facts: object) -> None:
    """Note that a file of clusters was changed.

    Args:
        config: The file.
        text: What it says where the cluster's audit log is.
        cluster: The cluster that was changed.
        command: What changed it.
        **facts: What was changed, without values.
    """
    try:
        configuration, _problems = examine(config, [], text=text)
    except ConfigurationError:
        configuration = Configuration(config, {})
    _note(configuration, cluster, command, AuditResult.DONE, file=str(config), **facts)


@contextmanager
def audited(config: Path, cluster: str, command: str, **facts: object) -> Iterator[None]:
    """Note what a block of a command does to a cluster's files, and where it fails that it did."""
    configuration = configuration_of(config, [])
    try:
        yield
    except BaseException as error:
        reason = str(error) or type(error).__name__
        _note(configuration, cluster, command, AuditResult.FAILED, reason=reason, **facts)
        raise
    _note(configuration, cluster, command, AuditResult.DONE, **facts)
