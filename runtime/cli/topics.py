"""`isthmus topics`."""

from __future__ import annotations

from pathlib import Path

from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json
from runtime.cli.reach import ask_admin
from runtime.cli.tables import show_rows

__all__ = ["topics"]


def topics(cluster: Cluster, /, *, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """List the topics that were ever used, and how many messages each keeps.

    Args:
        cluster: The cluster to ask.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    show_rows(ask_admin(config, cluster, "topics"), as_json=json_, whole=["topic"])
