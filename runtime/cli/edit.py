"""`isthmus add`, `isthmus set` and `isthmus remove`: clusters.toml edited, shown before it is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.errors import ConfigurationError
from runtime.cli.asking import is_wanted
from runtime.cli.auditing import note_edit
from runtime.cli.diff import difference, show_difference
from runtime.cli.failure import Failed
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json, Yes
from runtime.cli.tables import show_fact
from runtime.config import examine
from runtime.config.edit import CannotEdit, added, removed, value_at, with_value
from runtime.config.load import read_text
from runtime.config.problems import Problem, nearest, path_text
from runtime.config.replacing import replace_text
from runtime.config.values import parse_path, value_from

__all__ = ["add", "remove", "set_key"]


def add(
    cluster: Cluster,
    section: str | None = None,
    name: str | None = None,
    /,
    *settings: str,
    yes: Yes = False,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Add a channel, a connection, a topic or the like to a cluster; or a cluster, where only its name is given.

    Args:
        cluster: The cluster.
        section: What to add: security, channels, outgoing, topics, subscriptions or endpoints.
        name: Its name.
        settings: What it is set to, each as KEY=VALUE; a key that is given several times is an array.
        yes: Write without asking.
        json_: Print JSON, and do not ask.
        config: The file that describes the clusters.
    """
    if section is not None and name is None:
        raise Failed("NAME is missing; see: isthmus add --help", status=2)
    below = () if section is None else (*_path(section), name or "")
    values: dict[tuple[str, ...], list[str]] = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise Failed(f"expected KEY=VALUE, got {key!r}", status=2)
        values.setdefault(_path(key), []).append(value)
    given = [(key, value_from(texts, (*below, *key))) for key, texts in values.items()]

    def change(text: str) -> str:
        if below:
            _need_cluster(text, cluster)
        return added(text, ("clusters", cluster, *below), given)

    key = path_text(below) if below else ""
    _edit(config, change, cluster, "add", key, yes=yes, as_json=json_, may_be_new=not below)


def set_key(
    cluster: Cluster, key: str, /, *values: str, yes: Yes = False, json_: Json = False, config: Path = DEFAULT_CONFIG
) -> None:
    """Set a key of a cluster.

    Args:
        cluster: The cluster.
        key: The key below the cluster, such as channels.gateway.max_sessions; a name with dots in it stands in quotes.
        values: The value; for an array one or several, or an array as TOML writes it.
        yes: Write without asking.
        json_: Print JSON, and do not ask.
        config: The file that describes the clusters.
    """
    if not values:
        raise Failed("VALUE is missing; see: isthmus set --help", status=2)
    path = _path(key)
    value = value_from(values, path)

    def change(text: str) -> str:
        _need_cluster(text, cluster)
        full = ("clusters", cluster, *path)
        known = value_at(text, full)
        if isinstance(known, dict) and not isinstance(value, dict):
            keys = ", ".join(map(repr, list(known)[:5])) or "none yet"
            msg = f"{path_text(full)} is a table, not a key; the keys in it: {keys}"
            raise CannotEdit(msg)
        return with_value(text, full, value)

    _edit(config, change, cluster, "set", path_text(path), yes=yes, as_json=json_)


def remove(
    cluster: Cluster,
    key: str | None = None,
    name: str | None = None,
    /,
    *,
    yes: Yes = False,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Remove a key, a channel, a connection, a topic or the like from a cluster; or the cluster itself.

    Args:
        cluster: The cluster.
        key: A key below the cluster, or the section of what NAME says.
        name: What to remove from that section.
        yes: Write without asking.
        json_: Print JSON, and do not ask.
        config: The file that describes the clusters.
    """
    path = (() if key is None else _path(key)) + (() if name is None else (name,))

    def change(text: str) -> str:
        _need_cluster(text, cluster)
        known = value_at(text, ("clusters", cluster, *path[:-1]))
        if path and isinstance(known, dict) and path[-1] not in known:
            where = path_text(("clusters", cluster, *path[:-1]))
            msg = f"there is no {path[-1]!r} in {where}{nearest(path[-1], known)}"
            raise CannotEdit(msg)
        return removed(text, ("clusters", cluster, *path))

    _edit(config, change, cluster, "remove", path_text(path) if path else "", yes=yes, as_json=json_)


def _path(key: str) -> tuple[str, ...]:
    try:
        return parse_path(key)
    except ValueError as error:
        raise Failed(str(error), status=2) from None


def _need_cluster(text: str, cluster: str) -> None:
    clusters = value_at(text, ("clusters",)) or {}
    if cluster not in clusters:
        msg = f"there is no cluster {cluster!r}{nearest(cluster, clusters)}"
        raise CannotEdit(msg)


def _edit(
    config: Path,
    change: Callable[[str], str],
    cluster: str,
    command: str,
    key: str,
    *,
    yes: bool,
    as_json: bool,
    may_be_new: bool = False,
) -> None:
    """Change a file: look what is wrong with the outcome, show it, ask, write, and tell the audit log which key."""
    before = "" if may_be_new and not config.exists() else _read(config)
    known = _problems(config, before) if before.strip() else []
    if any(problem.message.startswith("not TOML") for problem in known):
        raise Failed(*known, status=2)
    try:
        after = change(before)
    except CannotEdit as error:
        raise Failed(f"{config}: {error}", status=2) from None
    if after == before:
        _report(config, [], f"{config} says so already", as_json=as_json)
        return
    old = {(problem.where, problem.message) for problem in known}
    new = [problem for problem in _problems(config, after) if (problem.where, problem.message) not in old]
    if new:
        raise Failed("nothing was changed, since this would be wrong:", *new, status=2)
    lines = difference(config, before, after)
    if not as_json:
        show_difference(lines)
        if not yes and not _is_wanted(config):
            raise Failed(f"{config} was not changed")
    if config.exists() and _read(config) != before:
        raise Failed(f"{config} was changed by somebody else meanwhile, and is left as it is")
    try:
        replace_text(config, after)
    except OSError as error:
        raise Failed(f"{config} cannot be written: {error.strerror or error}") from None
    is_gone = command == "remove" and not key
    note_edit(config, before if is_gone else after, cluster, command, key=key)
    _report(config, lines, f"wrote {config}", as_json=as_json)


def _report(config: Path, lines: Sequence[str], sentence: str, *, as_json: bool) -> None:
    show_fact({"file": str(config), "is_changed": bool(lines), "difference": lines}, sentence, as_json=as_json)


def _read(config: Path) -> str:
    try:
        return read_text(config)
    except ConfigurationError as error:
        raise Failed(*error.problems, status=2) from None


def _problems(config: Path, text: str) -> Sequence[Problem]:
    """Return what is wrong with a text, but for secrets, which may be on another machine."""
    try:
        _configuration, problems = examine(config, [], text=text)
    except ConfigurationError as error:
        problems = error.problems
    return [problem for problem in problems if isinstance(problem, Problem)]


def _is_wanted(config: Path) -> bool:
    if not sys.stdin.isatty():
        raise Failed("nothing was written; say --yes where there is no terminal to ask at", status=2)
    return is_wanted(f"Write this to {config}?")
