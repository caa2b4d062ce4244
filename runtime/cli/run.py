"""`isthmus run` and `isthmus check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from actors.errors import ConfigurationError
from runtime.cli.failure import Failed
from runtime.cli.reach import DEFAULT_CONFIG, configuration_of
from runtime.config import Configuration
from runtime.data_dir import AlreadyRunning, probe
from runtime.launcher import launch
from runtime.server import load_cluster, serve

__all__ = ["check", "run"]


def run(
    *,
    cluster: str | None = None,
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
    configuration = configuration_of(config)
    _load_all(configuration)
    for name in configuration.clusters:
        try:
            probe(configuration.data_dir(name))
        except AlreadyRunning as error:
            raise Failed(f"cluster {name!r}: {error}") from None
    return launch(configuration)


def _load_all(configuration: Configuration) -> int:
    """Load the services of all clusters; return how many classes there are."""
    problems: list[str] = []
    count = 0
    for name in configuration.clusters:
        try:
            count += len(load_cluster(configuration, name))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise Failed(*dict.fromkeys(problems), status=2)
    return count


def check(*, config: Path = DEFAULT_CONFIG) -> None:
    """Check the file and import the services it names.

    Args:
        config: The file that describes the clusters.
    """
    configuration = configuration_of(config)
    count = _load_all(configuration)
    for warning in configuration.warnings:
        print(warning)  # noqa: T201
    print(f"{config}: ok, {len(configuration.clusters)} clusters, {count} services and actors")  # noqa: T201
