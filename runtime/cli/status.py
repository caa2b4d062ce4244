"""`isthmus status`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

from runtime.cli.failure import Failed
from runtime.cli.reach import DEFAULT_CONFIG, colour_of, configuration_of, with_cluster
from runtime.cli.watch import watch as watch_changes

__all__ = ["status"]


def status(*clusters: str, json_: bool = False, watch: bool = False, config: Path = DEFAULT_CONFIG) -> None:
    """Show the actors of running clusters: what each is, under which parent, and how it is.

    Args:
        clusters: Which clusters; all of the file where none is named.
        json_: Print JSON.
        watch: Go on, and print a line each time an actor's state changes, until Ctrl-C.
        config: The file that describes the clusters.
    """
    configuration = configuration_of(config, [])
    names = clusters or tuple(configuration.clusters)
    if watch:
        return watch_changes(configuration, names, as_json=json_)
    found: dict[str, Any] = {}
    failures: list[str] = []
    for name in names:
        try:
            found[name] = with_cluster(config, name, lambda admin: admin.invoke("isthmus.admin.status"))
        except Failed as error:
            if error.status != 1:
                raise
            failures += error.lines
    if json_:
        print(json.dumps(found, indent=2))  # noqa: T201
    else:
        console = Console()
        for report in found.values():
            console.print(_tree(report))
    if failures:
        raise Failed(*failures)
    return None


def _tree(report: dict[str, Any]) -> Tree:
    root = Tree(f"[bold]{report['cluster']}[/bold]  pid {report['pid']}")
    branches: dict[str, Tree] = {"": root}
    kinds: dict[str, Tree] = {}
    for actor in report["actors"]:
        parent = branches.get(actor["parent"], root)
        if not actor["parent"]:
            parent = kinds.get(actor["kind"]) or kinds.setdefault(
                actor["kind"], root.add(f"[dim]{actor['kind']}[/dim]")
            )
        branches[f"{actor['kind']}:{actor['name']}"] = parent.add(_line(actor))
    return root


def _line(actor: dict[str, Any]) -> Table:
    colour = colour_of(actor["state"])
    facts = [f"{key}={value}" for key, value in actor["detail"].items() if value not in ("", None, [])]
    if actor["restarts"]:
        facts.append(f"restarts={actor['restarts']}")
    if actor["last_error"]:
        facts.append(f"last_error={actor['last_error']}")
    if actor["handled"]:
        facts.append(f"handled={actor['handled']}")
    line = Table.grid(padding=(0, 2))
    label = f"{actor['kind']} {actor['name']}" if actor["parent"] else actor["name"]
    line.add_row(label, f"[{colour}]{actor['state']}[/{colour}]", "  ".join(facts))
    return line
