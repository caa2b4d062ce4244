"""Logs: one line an event on stderr, for people or as JSON.

Each event is written in one call, since several processes share the terminal.
"""

from __future__ import annotations

import atexit
import datetime
import logging
import os
import sys
import time
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from actors.services.payload import Input, without_secrets
from runtime.config.signals import LogFormat, LogLevel, LogSettings
from runtime.observe.sampling import Sampler

__all__ = ["configure"]

_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_DIM, _BOLD, _RESET = "\x1b[2m", "\x1b[1m", "\x1b[0m"
_MARKS = {"warning": "!", "error": "✗", "critical": "✗"}


class _Lines:
    """Renders an event as one aligned line."""

    def __init__(self, cluster: str, *, has_colours: bool) -> None:
        self._cluster = cluster
        self._has_colours = has_colours

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._has_colours and colour else text

    def __call__(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> str:
        now = datetime.datetime.now().astimezone()  # noqa: TID251 - the log's own clock, for people
        kind, actor = event.pop("kind", ""), event.pop("actor", "")
        error = _exception(event.pop("exc_info", None))
        who = _on_one_line(f"{kind} {actor}".strip())
        text = _on_one_line(str(event.pop("event", "")))
        facts = "  ".join(f"{key}={_value(value)}" for key, value in event.items() if value not in (None, ""))
        line = "  ".join(
            (
                self._paint(now.strftime("%H:%M:%S.") + f"{now.microsecond // 1000:03}", _DIM),
                self._paint(f"{self._cluster:<6}", _BOLD),
                f"{who:<28}",
                self._paint(_MARKS.get(level, " "), _COLOURS.get(level, "")),
                self._paint(f"{text:<20}", _COLOURS.get(level, "")),
                facts,
            )
        ).rstrip()
        if error is not None:
            frames = "".join(traceback.format_exception(error)).rstrip().splitlines()
            line += "".join(f"\n    {_on_one_line(one)}" for one in frames)
        return line


def _on_one_line(text: str) -> str:
    """Return text whose line breaks and terminal controls, which a peer may have sent, are shown and not acted on."""
    return text if text.isprintable() else "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _value(value: object) -> str:
    if isinstance(value, str):
        return repr(value) if " " in value or not value.isprintable() else value
    return _on_one_line(repr(value))


def _exception(given: object) -> BaseException | None:
    """Return the exception that an event was given as `exc_info`: itself, or True for the one being handled."""
    if isinstance(given, tuple):
        given = given[1]
    elif given and not isinstance(given, BaseException):
        given = sys.exc_info()[1]
    return given if isinstance(given, BaseException) else None


def _with_traceback(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Put the exception into a JSON line, where there is one."""
    error = _exception(event.pop("exc_info", None))
    if error is not None:
        event["traceback"] = "".join(traceback.format_exception(error))
    return event


def _without_secrets(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Hide the secrets of a service's input, which prints without them but is a dict to JSON."""
    return {key: without_secrets(value) if isinstance(value, Input) else value for key, value in event.items()}


class _OneWrite:
    """Writes each line in one call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one event."""
        self._stream.write(line + "\n")
        self._stream.flush()

    debug = info = warning = error = critical = exception = log = msg


class _Levels:
    """Drops what is below the level of the part that says it."""

    def __init__(self, settings: LogSettings) -> None:
        self._default = _number(settings.level)
        self._levels = {part: _number(level) for part, level in settings.levels.items()}
        self.lowest = min(self._default, *self._levels.values()) if self._levels else self._default

    def __call__(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if self._levels and _NUMBERS.get(level, logging.ERROR) < self._of(event):
            raise structlog.DropEvent
        return event

    def _of(self, event: Mapping[str, Any]) -> int:
        kind, actor = event.get("kind", ""), event.get("actor", "")
        own = self._levels.get(f"{kind}:{actor}")
        return self._levels.get(kind, self._default) if own is None else own


class _Repeats:
    """Leaves out what repeats, and says how much that was: with the next line of any kind, or at the end."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def __call__(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if _MORE in event:
            return event
        self.tell()
        part = f"{event.get('kind', '')} {str(event.get('actor', '')).partition('/')[0]}".strip()
        if not self._sampler.passes((level, part, str(event.get("event", "")))):
            raise structlog.DropEvent
        return event

    def tell(self, *, at_end: bool = False) -> None:
        """Say what was left out in periods that are over, or in all."""
        for (level, part, text), count in self._sampler.left_out(at_end=at_end):
            kind, _, actor = part.partition(" ")
            log = structlog.get_logger(kind=kind, actor=actor)
            log.log(_NUMBERS.get(level, logging.ERROR), text, **{_MORE: f"and {count} more"})


_MORE = "left_out"
"""The fact that says how many lines there would have been."""

_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "exception": 40, "critical": 50}


def _number(level: LogLevel) -> int:
    return _NUMBERS[level.value]


class _Counted:
    """Counts lines by level, those that are left out as repeating, too."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = dict.fromkeys(("debug", "info", "warning", "error"), 0)

    def __call__(self, _logger: Any, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if _MORE not in event:
            self.counts[level if level in self.counts else "error"] += 1
        return event


def configure(
    cluster: str, settings: LogSettings | None = None, *, server: str = "", stream: TextIO | None = None
) -> Mapping[str, int]:
    """Set up logs for this process.

    Returns:
        How many lines there have been of each level, as it grows.

    Args:
        cluster: Shown in each line.
        settings: What is written, and how; None for the defaults.
        server: The server of the cluster, which JSON lines name.
        stream: Where they go; None for stderr.
    """
    settings = settings or LogSettings()
    target = sys.stderr if stream is None else stream
    levels = _Levels(settings)
    repeats = _Repeats(Sampler(settings.max_repeats, settings.repeat_period, time.monotonic))
    if stream is None:
        atexit.register(repeats.tell, at_end=True)
    counted = _Counted()
    processors: list[Any] = [levels, counted, repeats]
    if settings.format is LogFormat.JSON:
        place = {"cluster": cluster, "server": server} if server else {"cluster": cluster}
        processors += [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lambda _logger, _level, event: {**place, **event},
            _with_traceback,
            _without_secrets,
            structlog.processors.JSONRenderer(default=repr),
        ]
    else:
        has_colours = target.isatty() and not os.environ.get("NO_COLOR")
        processors.append(_Lines(cluster, has_colours=has_colours))
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(levels.lowest),
        logger_factory=lambda *_args: _OneWrite(target),
        cache_logger_on_first_use=False,
    )
    return counted.counts
