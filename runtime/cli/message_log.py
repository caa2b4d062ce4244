"""`isthmus message-log`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.text import Text

from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json
from runtime.cli.reach import with_cluster
from runtime.cli.tables import printable

__all__ = ["message_log"]

_SERVICE = "isthmus.admin.message-log"


def message_log(
    cluster: Cluster,
    session: str | None = None,
    /,
    *,
    direction: Literal["sent", "received"] | None = None,
    limit: int = 100,
    max_bytes: int = 2000,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Show the last messages of a session, or which sessions have a log.

    A channel keeps one for each of its sessions where is_audit_log_sent_active or is_audit_log_received_active says so.

    Args:
        cluster: The cluster to ask.
        session: The session, as `isthmus status` shows it; what follows the name of the channel will do.
        direction: Only messages that went this way, seen from the channel.
        limit: At most so many, the last ones.
        max_bytes: Of each message at most so many bytes.
        json_: Print JSON.
        config: The file that describes the clusters.
    """
    request: dict[str, Any] = {"limit": limit, "max_bytes": max_bytes}
    given = {"session": session, "direction": direction}
    request |= {key: value for key, value in given.items() if value is not None}
    found = with_cluster(config, cluster, lambda admin: admin.invoke(_SERVICE, request))
    if json_:
        print(json.dumps(found))  # noqa: T201
        return
    console = Console(highlight=False, soft_wrap=True)
    lines = map(_session_line, found) if session is None else map(_message_line, found["messages"])
    for line in list(lines) or [Text("none")]:
        console.print(line)


def _session_line(one: dict[str, Any]) -> Text:
    counts = "  ".join(f"{one[way]} {way}" for way in ("received", "sent") if way in one)
    return printable(f"{one['session']}  {counts}")


def _message_line(one: dict[str, Any]) -> Text:
    arrow = "→" if one["direction"] == "sent" else "←"
    answered = f"  answers {one['in_reply_to']}" if one["in_reply_to"] else ""
    shown = len(one["data"].encode())
    rest = "" if shown >= one["size"] else f"  ({one['size']} bytes in all)"
    return printable(f"{one['at']} {arrow} {one['kind']:<11} {one['id']}{answered}  {one['data']}{rest}")
