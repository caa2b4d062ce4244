"""Logs: one line an event on stderr, for people or as JSON.

Each event is written in one call, since several processes share the terminal.
"""

from __future__ import annotations

import datetime
import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

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
        error = event.pop("exc_info", None)
        who = f"{kind} {actor}".strip()
        text = str(event.pop("event", ""))
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
        if isinstance(error, BaseException):
            frames = traceback.format_exception(error)
            line += "\n" + "".join(f"    {one}\n" for one in "".join(frames).rstrip().splitlines()).rstrip()
        return line


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text) if " " in text or "\n" in text else text


def _interpolate(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Name the exception in JSON lines, where there is one."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["traceback"] = "".join(traceback.format_exception(error))
    return event


class _OneWrite:
    """Writes each line in one call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one event."""
        self._stream.write(line + "\n")
        self._stream.flush()

    debug = info = warning = error = critical = exception = log = msg


def configure(cluster: str, *, level: str = "info", as_json: bool = False, stream: TextIO = sys.stderr) -> None:
    """Set up logs for this process.

    Args:
        cluster: Shown in each line.
        level: The lowest level shown: debug, info, warning or error.
        as_json: JSON lines instead of lines for people.
        stream: Where they go.
    """
    processors: list[Any]
    if as_json:
        processors = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lambda _logger, _level, event: {"cluster": cluster, **event},
            _interpolate,
            structlog.processors.JSONRenderer(default=repr),
        ]
    else:
        has_colours = stream.isatty() and not os.environ.get("NO_COLOR")
        processors = [_Lines(cluster, has_colours=has_colours)]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_args: _OneWrite(stream),
        cache_logger_on_first_use=False,
    )
