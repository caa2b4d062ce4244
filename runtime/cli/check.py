"""`isthmus check`."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from pathlib import Path
from typing import Any

from actors.errors import ConfigurationError
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json
from runtime.config.problems import Problem
from runtime.server import load_all

__all__ = ["check"]


def check(*, cluster: Cluster | None = None, config: Path = DEFAULT_CONFIG, json: Json = False) -> int:
    """Say all that is wrong with the file, and import the services it names.

    Args:
        cluster: Look for the secrets and services of this one only, as on a machine that runs no other.
        config: The file that describes the clusters.
        json: Print what was found as JSON: file, line, key, path and message of each problem.
    """
    try:
        configuration, loaded = load_all(config, None if cluster is None else [cluster])
    except ConfigurationError as error:
        if not json:
            raise Failed(*error.problems, status=2) from None
        _print_report(config, problems=error.problems)
        return 2
    services = sum(map(len, loaded.values()))
    if json:
        _print_report(config, configuration.warnings, clusters=list(configuration.clusters), services=services)
        return 0
    for warning in configuration.warnings:
        print(warning)  # noqa: T201
    print(f"{config}: ok, {len(configuration.clusters)} clusters, {services} services and actors")  # noqa: T201
    return 0


def _print_report(config: Path, warnings: Sequence[str] = (), problems: Sequence[str] = (), **found: Any) -> None:
    report = {"file": str(config), "is_ok": not problems, **found}
    for name, sentences in (("problems", problems), ("warnings", warnings)):
        report[name] = [one.facts if isinstance(one, Problem) else {"message": one} for one in sentences]
    print(dumps(report, indent=2, ensure_ascii=False))  # noqa: T201
