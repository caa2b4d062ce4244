"""`isthmus run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from actors.errors import ConfigurationError
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster
from runtime.data_dir import AlreadyRunning, probe
from runtime.launcher import launch
from runtime.server import load_all, serve

__all__ = ["run"]


def run(
    *,
    cluster: Cluster | None = None,
    config: Path = DEFAULT_CONFIG,
    launched: Annotated[bool, Parameter(show=False)] = False,
) -> int:
    """Run every cluster of the file, a process each, until Ctrl-C.

    Args:
        cluster: Run just this one, in the foreground.
        config: The file that describes the clusters.
        launched: Started by a launcher.
    """
    if cluster is not None:
        return serve(config, cluster, is_launched=launched)
    try:
        configuration, _loaded = load_all(config)
    except ConfigurationError as error:
        raise Failed(*error.problems, status=2) from None
    for name in configuration.clusters:
        try:
            probe(configuration.data_dir(name))
        except AlreadyRunning as error:
            raise Failed(f"cluster {name!r}: {error}") from None
    return launch(configuration)
