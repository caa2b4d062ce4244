"""`isthmus status`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from actors.builtin import BUILTIN_SERVICES
from runtime.cli.failure import Failed
from runtime.cli.live import show_live
from runtime.cli.options import DEFAULT_CONFIG, All, Cluster, Flag, Json
from runtime.cli.reach import colour_of, configuration_of, with_cluster
from runtime.cli.tables import print_json
from runtime.cli.watch import watch as watch_changes

__all__ = ["status", "tree_of"]

_NEVER_WRAPS = 100_000
_BUILT_IN = frozenset(cls.name for cls in BUILTIN_SERVICES)
_ADMINISTRATION = "isthmus.admin."


def status(
    *clusters: Cluster, all_: All = False, json_: Json = False, watch: Flag = False, config: Path = DEFAULT_CONFIG
) -> None:
    """Show the actors of running clusters: what each is, under which parent, and how it is.

    Args:
        clusters: Which clusters; all of the file where none is named.
        all_: Show each built-in service that nobody has used, too; else their number. JSON has them all.
        json_: Print JSON.
        watch: Go on until Ctrl-C: at a terminal with a view of links, their states, next attempts and rates; else with
            a line each time an actor's state changes.
        config: The file that describes the clusters.
    """
    configuration = configuration_of(config, [])
    names = clusters or tuple(configuration.clusters)
    if watch:
        console = Console(highlight=False)
        if console.is_terminal and not console.is_dumb_terminal and not json_:
            return show_live(console, configuration, names)
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
        print_json(found)
    else:
        console = Console()
        if not console.is_terminal:
            console.width = _NEVER_WRAPS
        for report in found.values():
            console.print(tree_of(report, shows_all=all_))
    if failures:
        raise Failed(*failures)
    return None


def tree_of(report: dict[str, Any], *, shows_all: bool = True) -> Tree:
    """Return a cluster's actors by kind, those with a parent below it, states aligned among neighbours.

    Args:
        report: What `isthmus.admin.status` tells.
        shows_all: Whether built-in services that nobody has used are more than a number.
    """
    root = Tree(Text.assemble((report["cluster"], "bold"), f"  pid {report['pid']}"))
    unused = 0
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for actor in report["actors"]:
        if not shows_all and _is_unused(actor):
            unused += 1
        else:
            groups[actor["parent"] or f"of kind {actor['kind']}"].append(actor)
    kinds = dict.fromkeys(actor["kind"] for actor in report["actors"] if not actor["parent"])
    for kind in kinds:
        branch = root.add(Text(kind, "dim"))
        _grow(branch, f"of kind {kind}", groups)
        if kind == "service" and unused:
            branch.add(Text(f"{unused} built-in ones that nobody has used; see them with --all", "dim"))
    return root


def _is_unused(actor: dict[str, Any]) -> bool:
    """Tell whether a service came with Isthmus, runs, and has nothing to tell."""
    is_built_in = actor["name"] in _BUILT_IN or actor["name"].startswith(_ADMINISTRATION)
    tells = actor["handled"] or actor["restarts"] or actor["last_error"] or actor["state"] != "running"
    return actor["kind"] == "service" and is_built_in and not tells


def _grow(branch: Tree, group: str, groups: dict[str, list[dict[str, Any]]]) -> None:
    labels = [f"{one['kind']} {one['name']}" if one["parent"] else one["name"] for one in groups[group]]
    width = max(map(len, labels), default=0)
    for label, actor in zip(labels, groups[group], strict=True):
        line = branch.add(_line(label.ljust(width), actor))
        _grow(line, f"{actor['kind']}:{actor['name']}", groups)


def _line(label: str, actor: dict[str, Any]) -> Text:
    facts = [_fact(key, value) for key, value in actor["detail"].items() if value not in ("", None, [], False)]
    facts += [_fact(key, value) for key, value in actor["gauges"].items() if value]
    if actor["restarts"]:
        facts.append(_fact("restarts", actor["restarts"]))
    if actor["last_error"]:
        facts.append(_fact("last_error", actor["last_error"]))
    if actor["handled"]:
        facts.append(_fact("handled", actor["handled"]))
    line = Text.assemble(label, "  ", (actor["state"], colour_of(actor["state"])))
    return line.append("  " + "  ".join(facts), "dim") if facts else line


def _fact(key: str, value: object) -> str:
    if value is True:
        return key
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{key}={text!r}" if " " in text or not text.isprintable() else f"{key}={text}"
