"""ActorLog: a logger that names its actor in each line, and is made only when something is logged.

One that is bound once has a dict of its own, which of many actors that say nothing adds up.
"""

from __future__ import annotations

from typing import Any

import structlog

__all__ = ["ActorLog"]


class ActorLog:
    """What `structlog.get_logger().bind(kind=kind, actor=actor)` can do.

    Args:
        kind: The actor's kind.
        actor: Its name.
    """

    __slots__ = ("_actor", "_kind")

    def __init__(self, kind: str, actor: str) -> None:
        self._kind = kind
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        return getattr(structlog.get_logger().bind(kind=self._kind, actor=self._actor), name)
