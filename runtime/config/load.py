"""Reads clusters.toml: all that is wrong with it is found in one go, each with its file, line and key."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs

from actors.errors import ConfigurationError
from actors.secret import Secret
from actors.settings import OutgoingSettings
from runtime.config.checks import check_clusters
from runtime.config.problems import KeyPath, Problem, Problems, nearest
from runtime.config.schema import ClusterSettings, Configuration
from runtime.config.secrets import is_reference, secret_from
from runtime.config.shown import shown
from runtime.config.signal_checks import check_log, check_traces
from runtime.config.signals import LogSettings, TraceSettings
from runtime.config.syntax import parse

__all__ = ["examine", "load", "read_text"]


class _Reader:
    """Turns plain TOML data into the schema's frozen classes, noting every problem.

    What cannot be read comes out as None, which TOML cannot say, and is left out, so that the rest can be checked.
    """

    def __init__(self, problems: Problems, folder: Path) -> None:
        self._problems = problems
        self._folder = folder

    def read(self, value: Any, kind: Any, where: KeyPath) -> Any:
        if kind is Any:
            return self._free(value)
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            kinds = [one for one in get_args(kind) if one is not type(None)]
            several = [one for one in kinds if get_origin(one) is tuple and isinstance(value, list)]
            return self.read(value, (several or kinds)[0], where)
        if origin is dict:
            return self._table(value, get_args(kind)[1], where)
        if origin is tuple:
            return self._array(value, get_args(kind)[0], where)
        if attrs.has(kind):
            return self._record(value, kind, where)
        if kind is Secret:
            return self._secret(value, where)
        if kind is Path and isinstance(value, str):
            return self._folder / value
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._choice(value, kind, where)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            return self._problems.add(where, f"expected {_words(kind)}, got {shown(value, where)}")
        if kind in (int, float) and not value >= 0:  # nan is none, either
            return self._problems.add(where, f"expected a number that is not negative, got {shown(value, where)}")
        return value

    def _free(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._free(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._free(one) for one in value]
        if isinstance(value, str) and is_reference(value):
            return secret_from(value, self._folder)
        return value[1:] if isinstance(value, str) and value.startswith("$$") else value

    def _table(self, value: Any, kind: Any, where: KeyPath) -> Any:
        if not isinstance(value, dict):
            return self._problems.add(where, f"expected a table, got {shown(value, where)}")
        read = {key: self.read(one, kind, (*where, key)) for key, one in value.items()}
        return {key: one for key, one in read.items() if one is not None}

    def _array(self, value: Any, kind: Any, where: KeyPath) -> Any:
        if not isinstance(value, list):
            return self._problems.add(where, f"expected an array, got {shown(value, where)}")
        read = (self.read(one, kind, (*where, place)) for place, one in enumerate(value))
        return tuple(one for one in read if one is not None)

    def _secret(self, value: Any, where: KeyPath) -> Any:
        try:
            return secret_from(str(value), self._folder)
        except ValueError as error:
            return self._problems.add(where, str(error))

    def _choice(self, value: Any, kind: type[Enum], where: KeyPath) -> Any:
        try:
            return kind(value)
        except ValueError:
            choices = [str(one.value) for one in kind]
            near = nearest(value, choices) if isinstance(value, str) else ""
            expected = f"expected one of {', '.join(map(repr, choices))}"
            return self._problems.add(where, f"{expected}, got {shown(value, where)}{near}")

    def _record(self, value: Any, kind: Any, where: KeyPath) -> Any:
        if not isinstance(value, dict):
            return self._problems.add(where, f"expected a table, got {shown(value, where)}")
        fields = {one.name: one for one in attrs.fields(kind)}
        hints = get_type_hints(kind)
        given: dict[str, Any] = {}
        for key, one in value.items():
            if key in fields:
                if (read := self.read(one, hints[key], (*where, key))) is not None:
                    given[key] = read
            elif key == "pool_size" and kind is OutgoingSettings:
                self._problems.warn((*where, key), "ignored: one link carries any number of calls")
            else:
                self._problems.add((*where, key), f"unknown key{nearest(key, fields)}")
        for name, one in fields.items():
            if one.default is not attrs.NOTHING or name in given:
                continue
            if name not in value:
                hint = ': name a security definition, or say security = "none"' if name == "security" else ""
                self._problems.add(where, f"the key {name!r} is missing{hint}")
            given[name] = None
        try:
            return kind(**given)
        except ValueError as error:
            return self._problems.add(where, str(error).partition("\n")[0])


def _words(kind: Any) -> str:
    return {str: "text", int: "a whole number", float: "a number", Path: "a path", bool: "true or false"}.get(
        kind, str(kind)
    )


def read_text(path: Path) -> str:
    """Return what stands in a file.

    Raises:
        ConfigurationError: When it cannot be read.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise ConfigurationError([f"{path}: cannot be read: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError([Problem(path, line, (), "not TOML: the text is not UTF-8")]) from None


def load(path: Path, clusters: Collection[str] | None = None) -> Configuration:
    """Read and check a configuration.

    Args:
        path: The file.
        clusters: Those to be started, whose secrets must exist; None for all.

    Raises:
        ConfigurationError: With everything that is wrong.
    """
    configuration, problems = examine(path, clusters)
    if problems:
        raise ConfigurationError(problems)
    return configuration


def examine(
    path: Path, clusters: Collection[str] | None = None, *, text: str | None = None
) -> tuple[Configuration, list[str]]:
    """Read and check a configuration as `load` does, for those who look for further problems.

    Args:
        path: The file.
        clusters: Those to be started, whose secrets must exist; None for all.
        text: What stands in the file, where it is not to be read.

    Returns:
        What could be read of it, good for nothing but checks where there are problems; and the problems.

    Raises:
        ConfigurationError: When nothing could be read.
    """
    text = read_text(path) if text is None else text
    parsed = parse(text)
    problems = Problems(path, text)
    for line, message in parsed.broken:
        problems.add_at(line, f"not TOML: {message}")
    for line in parsed.twice:
        problems.add_twice(line)
    document = parsed.document
    if document is None:
        raise ConfigurationError(problems.sentences())
    reader = _Reader(problems, path.resolve().parent)
    known = ("clusters", "log", "traces")
    for key in document.keys() - set(known):
        problems.add((key,), f"unknown key{nearest(key, known)}")
    log = reader.read(document.get("log", {}), LogSettings, ("log",)) or LogSettings()
    check_log(log, problems)
    traces = reader.read(document.get("traces", {}), TraceSettings, ("traces",)) or TraceSettings()
    check_traces(traces, problems, are_sent=clusters is None or bool(clusters))
    tables = document.get("clusters", {})
    if not tables:
        problems.add((), "there are no clusters: describe one under [clusters.NAME]")
    read = reader.read(tables, dict[str, ClusterSettings], ("clusters",)) or {}
    for name in clusters or ():
        if name not in read:
            problems.add((), f"there is no cluster {name!r}{nearest(name, read)}")
    check_clusters(read, problems, set(read if clusters is None else clusters))
    return Configuration(path, read, tuple(problems.warnings), text, log, traces), problems.sentences()
