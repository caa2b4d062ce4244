"""`isthmus plan` and `isthmus apply`: what clusters.toml says beside what runs, and having the running follow it."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from actors.errors import CallError
from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.asking import is_wanted
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json, Yes
from runtime.cli.reach import configuration_of
from runtime.cli.tables import print_json
from runtime.config import Configuration
from runtime.data_dir import AlreadyRunning, probe
from runtime.loading import load_classes
from runtime.server import check_classes

__all__ = ["apply", "plan"]

PATIENCE = 600.0
"""Seconds that a cluster may take to change."""

_SIGNS = {"start": "+", "stop": "-", "change": "~"}


@define
class _Found:
    """What running clusters say of the file."""

    plans: dict[str, dict[str, Any]] = field(factory=dict)
    not_running: list[str] = field(factory=list)
    not_in_file: list[str] = field(factory=list)

    @property
    def has_steps(self) -> bool:
        return any(one["steps"] for one in self.plans.values())

    def as_dict(self) -> dict[str, Any]:
        return {"clusters": self.plans, "not_running": self.not_running, "not_in_file": self.not_in_file}


def plan(*, cluster: Cluster | None = None, json_: Json = False, config: Path = DEFAULT_CONFIG) -> None:
    """Show what would be started, stopped and changed in the running clusters, and what that costs.

    Args:
        cluster: Only this one; else all of the file.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    found = _look(config, cluster)
    _show(found, as_json=json_)


def apply(
    *, cluster: Cluster | None = None, yes: Yes = False, json_: Json = False, config: Path = DEFAULT_CONFIG
) -> None:
    """Change the running clusters to what the file says, and nothing else; shows the plan first, and asks.

    Args:
        cluster: Only this one; else all of the file.
        yes: Do not ask.
        json_: Print JSON, and do not ask.
        config: The file that describes the clusters.
    """
    found = _look(config, cluster)
    if not json_:
        _show(found, as_json=False)
    if not yes and not json_ and found.has_steps and sys.stdin.isatty() and not is_wanted("Apply?"):
        raise Failed("nothing has been changed")
    configuration = configuration_of(config, [])
    results: dict[str, dict[str, Any]] = {}
    failures: list[str] = []
    for name, planned in found.plans.items():
        if not planned["steps"]:
            continue
        request = {"path": str(config.resolve()), "digest": planned["digest"]}
        try:
            results[name] = _ask(configuration.data_dir(name), "apply", request)
        except CallError as error:
            failures.append(f"cluster {name!r}: {error}")
        except NotRunning as error:
            failures.append(f"cluster {name!r} went away while it was changed: {error}")
    _report(found, results, as_json=json_)
    failures += [f"cluster {name!r}: not everything is done" for name, one in results.items() if one["remaining"]]
    if failures:
        raise Failed(*failures)


def _look(config: Path, cluster: str | None) -> _Found:
    """Check the file and its modules, and ask those that run; what is wrong ends the command with status 2."""
    configuration = configuration_of(config, [])
    if cluster is not None and cluster not in configuration.clusters:
        known = ", ".join(configuration.clusters)
        raise Failed(f"{config} describes no cluster {cluster!r}; there are: {known}", status=2)
    names = list(configuration.clusters) if cluster is None else [cluster]
    found = _Found(not_in_file=_strangers(configuration) if cluster is None else [])
    for name in names:
        classes, failures = load_classes(configuration.clusters[name].services, configuration.folder)
        if problems := check_classes(configuration, name, classes, failures):
            raise Failed(*dict.fromkeys(problems), status=2)
        try:
            found.plans[name] = _ask(configuration.data_dir(name), "plan", {"path": str(config.resolve())})
        except NotRunning:
            found.not_running.append(name)
        except CallError as error:
            raise Failed(f"cluster {name!r}: {error}", status=2 if error.status == 400 else 1) from None
    if cluster is not None and found.not_running:
        raise Failed(f"cluster {cluster!r} is not running; start it with: isthmus run --cluster {cluster}")
    return found


def _strangers(configuration: Configuration) -> list[str]:
    """Return the clusters that run from the file's folder and are not in the file."""
    found = []
    for lock in sorted((configuration.folder / ".isthmus").glob("*/lock")):
        name = lock.parent.name
        if name in configuration.clusters:
            continue
        try:
            probe(lock.parent)
        except AlreadyRunning:
            found.append(name)
    return found


def _ask(data_dir: Path, service: str, request: dict[str, Any]) -> Any:
    async def action(admin: AdminClient) -> Any:
        return await admin.invoke(f"isthmus.admin.{service}", request, timeout=PATIENCE)

    return _with(data_dir, action)


def _with(data_dir: Path, action: Callable[[AdminClient], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connect(data_dir) as admin:
            return await action(admin)

    return trio.run(run)


def _show(found: _Found, *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict())
        return
    for name, planned in found.plans.items():
        if not planned["steps"]:
            print(f"{name}: nothing to change")  # noqa: T201
            continue
        print(f"{name}:")  # noqa: T201
        for step in planned["steps"]:
            print(f"  {_line(step)}")  # noqa: T201
    for name in found.not_running:
        print(f"{name}: does not run; start it with: isthmus run --cluster {name}")  # noqa: T201
    for name in found.not_in_file:
        print(f"{name}: runs, and is not in the file any more; it is left alone")  # noqa: T201


def _line(step: dict[str, Any]) -> str:
    what = step["name"] if step["section"] == "cluster" else f"{step['section']} {step['name']}"
    keys = f" ({', '.join(step['keys'])})" if step["keys"] and step["section"] != "cluster" else ""
    note = f"; {step['note']}" if step["note"] else ""
    return f"{_SIGNS[step['action']]} {step['action']} {what}{keys}: costs {step['cost']}{note}"


def _report(found: _Found, results: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(found.as_dict() | {"applied": results})
        return
    for name, result in results.items():
        taken = [step for step in result["steps"] if step["is_taken"]]
        print(f"{name}: {len(taken)} of {len(result['steps'])} steps taken")  # noqa: T201
        for step in result["steps"]:
            if not step["is_taken"]:
                print(f"  not done: {_line(step)}: {step['problem']}")  # noqa: T201
