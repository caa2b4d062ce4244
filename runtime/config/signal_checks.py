"""Checks of what clusters.toml says of logs."""

from __future__ import annotations

from runtime.config.problems import Problems, nearest
from runtime.config.signals import KINDS, LogSettings

__all__ = ["check_log"]


def check_log(settings: LogSettings, problems: Problems) -> None:
    """Note levels of parts that do not exist."""
    for part in settings.levels:
        kind, colon, name = part.partition(":")
        if kind not in KINDS:
            problems.add(("log", "levels", part), f"there is no part {kind!r}{nearest(kind, KINDS)}")
        elif colon and not name:
            problems.add(("log", "levels", part), "expected a kind, or a kind, a colon and a name")
