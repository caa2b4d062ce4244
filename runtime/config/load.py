"""Reads clusters.toml: all that is wrong with it is found in one go, each with its file, line and key."""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Collection, Iterable
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import attrs
import tomlkit
from tomlkit.exceptions import TOMLKitError

from actors.errors import ConfigurationError
from actors.secret import Secret
from runtime.config.lines import LineIndex
from runtime.config.schema import ClusterSettings, Configuration
from runtime.config.secrets import is_reference, secret_from
from runtime.transport.network import Address

__all__ = ["check_service_names", "examine", "load", "nearest"]

Path_ = tuple[str, ...]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest name that exists, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def _key(part: str) -> str:
    return tomlkit.key(part).as_string() if part else '""'


class _Problems:
    """Collects what is wrong, with where it is."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._lines: LineIndex | None = None
        self.found: list[tuple[int, str]] = []
        self.warnings: list[str] = []

    def place(self, where: Path_) -> tuple[int, str]:
        if self._lines is None:
            self._lines = LineIndex(self._text)
        line = self._lines.line_of(where)
        return line, f"{self._path}:{line}: {'.'.join(map(_key, where))}".removesuffix(": ")

    def add(self, where: Path_, message: str) -> None:
        line, place = self.place(where)
        self.found.append((line, f"{place}: {message}"))

    def sentences(self) -> list[str]:
        return [sentence for _line, sentence in sorted(self.found)]


class _Reader:
    """Turns plain TOML data into the schema's frozen classes, noting every problem.

    What cannot be read comes out as None, which TOML cannot say, and is left out, so that the rest can be checked.
    """

    def __init__(self, problems: _Problems, folder: Path) -> None:
        self._problems = problems
        self._folder = folder

    def read(self, value: Any, kind: Any, where: Path_) -> Any:
        if kind is Any:
            return self._free(value)
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            return self.read(value, next(one for one in get_args(kind) if one is not type(None)), where)
        if origin is dict:
            return self._table(value, get_args(kind)[1], where)
        if origin is tuple:
            return self._array(value, get_args(kind)[0], where)
        if attrs.has(kind):
            return self._record(value, kind, where)
        if kind is Secret:
            return self._secret(value, where)
        if isinstance(kind, type) and issubclass(kind, Enum):
            return self._choice(value, kind, where)
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            return self._problems.add(where, f"expected {_words(kind)}, got {value!r}")
        if kind in (int, float) and value < 0:
            return self._problems.add(where, f"expected a number that is not negative, got {value!r}")
        return value

    def _free(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._free(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self._free(one) for one in value]
        if isinstance(value, str) and is_reference(value):
            return secret_from(value, self._folder)
        return value[1:] if isinstance(value, str) and value.startswith("$$") else value

    def _table(self, value: Any, kind: Any, where: Path_) -> Any:
        if not isinstance(value, dict):
            return self._problems.add(where, f"expected a table, got {value!r}")
        read = {key: self.read(one, kind, (*where, key)) for key, one in value.items()}
        return {key: one for key, one in read.items() if one is not None}

    def _array(self, value: Any, kind: Any, where: Path_) -> Any:
        if not isinstance(value, list):
            return self._problems.add(where, f"expected an array, got {value!r}")
        read = (self.read(one, kind, where) for one in value)
        return tuple(one for one in read if one is not None)

    def _secret(self, value: Any, where: Path_) -> Any:
        try:
            return secret_from(str(value), self._folder)
        except ValueError as error:
            return self._problems.add(where, str(error))

    def _choice(self, value: Any, kind: type[Enum], where: Path_) -> Any:
        try:
            return kind(value)
        except ValueError:
            choices = ", ".join(repr(one.value) for one in kind)
            return self._problems.add(where, f"expected one of {choices}, got {value!r}")

    def _record(self, value: Any, kind: Any, where: Path_) -> Any:
        if not isinstance(value, dict):
            return self._problems.add(where, f"expected a table, got {value!r}")
        fields = {one.name: one for one in attrs.fields(kind)}
        hints = get_type_hints(kind)
        given: dict[str, Any] = {}
        for key, one in value.items():
            if key in fields:
                if (read := self.read(one, hints[key], (*where, key))) is not None:
                    given[key] = read
            elif key == "pool_size":
                place = self._problems.place((*where, key))[1]
                self._problems.warnings.append(f"{place}: ignored: one link carries any number of calls")
            else:
                self._problems.add((*where, key), f"unknown key{nearest(key, fields)}")
        for name, one in fields.items():
            if one.default is not attrs.NOTHING or name in given:
                continue
            if name not in value:
                hint = ': name a security definition, or say security = "none"' if name == "security" else ""
                self._problems.add(where, f"the key {name!r} is missing{hint}")
            given[name] = None
        return kind(**given)


def _words(kind: Any) -> str:
    return {str: "text", int: "a whole number", float: "a number", bool: "true or false"}.get(kind, str(kind))


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


def examine(path: Path, clusters: Collection[str] | None = None) -> tuple[Configuration, list[str]]:
    """Read and check a configuration as `load` does, for those who look for further problems.

    Returns:
        What could be read of it, good for nothing but checks where there are problems; and the problems.

    Raises:
        ConfigurationError: When nothing could be read.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError([f"{path}: cannot be read: {reason}"]) from None
    try:
        document = tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        line = getattr(error, "line", 1)
        raise ConfigurationError([f"{path}:{line}: not TOML: {error}"]) from None
    problems = _Problems(path, text)
    folder = path.resolve().parent
    for key in document.keys() - {"clusters"}:
        problems.add((key,), f"unknown key{nearest(key, ['clusters'])}")
    tables = document.get("clusters", {})
    if not tables:
        problems.add((), "there are no clusters: describe one under [clusters.NAME]")
    read = _Reader(problems, folder).read(tables, dict[str, ClusterSettings], ("clusters",)) or {}
    for name in clusters or ():
        if name not in read:
            problems.add((), f"there is no cluster {name!r}{nearest(name, read)}")
    _check(read, problems, set(read if clusters is None else clusters))
    return Configuration(path, read, tuple(problems.warnings)), problems.sentences()


def _check(clusters: dict[str, ClusterSettings], problems: _Problems, started: set[str]) -> None:
    """Check what one key alone does not show."""
    bound: dict[int, list[tuple[str, Path_]]] = {}
    for name, cluster in clusters.items():
        where: Path_ = ("clusters", name)
        for channel in cluster.channels:
            _check_channel(cluster, channel, (*where, "channels", channel), problems, bound)
        for connection in cluster.outgoing:
            _check_outgoing(cluster, connection, (*where, "outgoing", connection), problems)
        for endpoint in cluster.endpoints:
            _check_endpoint(cluster, endpoint, (*where, "endpoints", endpoint), problems)
        for topic in cluster.topics:
            if not topic.startswith("/"):
                problems.add((*where, "topics", topic), "a topic's name starts with '/'")
        if name in started:
            for key, definition in cluster.security.items():
                _check_secret(definition.password, (*where, "security", key, "password"), problems)
            for key, outgoing in cluster.outgoing.items():
                _check_secret(outgoing.password, (*where, "outgoing", key, "password"), problems)
            for key, value in cluster.config.items():
                _check_secrets_within(value, (*where, "config", key), problems)


def _check_secrets_within(value: Any, where: Path_, problems: _Problems) -> None:
    if isinstance(value, Secret):
        _check_secret(value, where, problems)
    elif isinstance(value, dict):
        for key, one in value.items():
            _check_secrets_within(one, (*where, key), problems)
    elif isinstance(value, list):
        for one in value:
            _check_secrets_within(one, where, problems)


def _check_secret(secret: Secret | None, where: Path_, problems: _Problems) -> None:
    """Check that there is a secret, and that it is not empty: an empty one would let anybody in."""
    if secret is None:
        return
    try:
        is_empty = not secret.reveal()
    except (OSError, LookupError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or (error.args[0] if error.args else error)
        problems.add(where, f"the secret {secret.source!r} cannot be read: {reason}")
    else:
        if is_empty:
            problems.add(where, f"the secret {secret.source!r} is empty")


def _address(text: str | None, where: Path_, problems: _Problems) -> Address | None:
    if text is None:
        return None
    try:
        return Address.parse(text)
    except ValueError as error:
        problems.add((*where, "address"), str(error))
        return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_channel(
    cluster: ClusterSettings,
    name: str,
    where: Path_,
    problems: _Problems,
    bound: dict[int, list[tuple[str, Path_]]],
) -> None:
    settings = cluster.channels[name]
    if settings.security not in (None, "none", *cluster.security):
        problems.add(
            (*where, "security"),
            f"there is no security definition {settings.security!r}{nearest(settings.security, cluster.security)}",
        )
    address = _address(settings.address, where, problems)
    if address is None:
        return
    if address.scheme == "wss":
        problems.add((*where, "address"), "a channel does not serve TLS itself yet; put a TLS proxy in front of ws://")
    elif not settings.plain_text and not _is_loopback(address.host):
        problems.add(
            (*where, "address"),
            "ws:// beyond this machine is not encrypted; say plain_text = true to allow it",
        )
    wildcards = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound
    for host, other in bound.setdefault(address.port, []):
        if host == address.host or host in wildcards or address.host in wildcards:
            problems.add((*where, "address"), f"port {address.port} is used by {'.'.join(map(_key, other))}, too")
    bound[address.port].append((address.host, where))


def _check_outgoing(cluster: ClusterSettings, name: str, where: Path_, problems: _Problems) -> None:
    settings = cluster.outgoing[name]
    _address(settings.address, where, problems)
    if (settings.username is None) != (settings.password is None):
        problems.add(where, "username and password go together")


def _check_endpoint(cluster: ClusterSettings, name: str, where: Path_, problems: _Problems) -> None:
    settings = cluster.endpoints[name]
    given = [one for one in ("channel", "security", "service") if getattr(settings, one) is not None]
    if len(given) != 1:
        problems.add(where, "an endpoint has exactly one of channel, security and service")
    if settings.channel is not None and settings.channel not in cluster.channels:
        problems.add(
            (*where, "channel"),
            f"there is no channel {settings.channel!r}{nearest(settings.channel, cluster.channels)}",
        )
    if settings.security is not None and settings.security not in cluster.security:
        problems.add(
            (*where, "security"),
            f"there is no security definition {settings.security!r}{nearest(settings.security, cluster.security)}",
        )


def check_service_names(
    configuration: Configuration, cluster: str, known: Collection[str], *, is_complete: bool = True
) -> list[str]:
    """Return a sentence for each service that a cluster's configuration names and that does not exist.

    `is_complete` says whether all modules could be loaded; else the service may be in one that could not.
    """
    problems = _Problems(configuration.path, configuration.path.read_text())
    settings = configuration.clusters[cluster]
    named: list[tuple[Path_, str | None]] = [
        (("channels", name, "service"), channel.service) for name, channel in settings.channels.items()
    ]
    for name, outgoing in settings.outgoing.items():
        named += [
            (("outgoing", name, hook), getattr(outgoing, hook)) for hook in ("on_connect", "on_message", "on_close")
        ]
    named += [(("endpoints", name, "service"), endpoint.service) for name, endpoint in settings.endpoints.items()]
    for where, service in named:
        if service is not None and service not in known:
            where_from = "" if is_complete else " in what could be loaded"
            message = f"there is no service {service!r}{where_from}{nearest(service, known)}"
            problems.add(("clusters", cluster, *where), message)
    return problems.sentences()
