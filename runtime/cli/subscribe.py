"""`isthmus subscribe`: a topic followed, from where one likes.

Whoever follows takes nothing from subscribers: what the topic keeps is looked at, and what comes is delivered to a
subscription that ends with the session and begins at `now`.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import trio
from attrs import define, field
from cyclopts import Parameter

from actors.connections.remote_topics import SUBSCRIBE_SERVICE
from actors.errors import CallError, NotFound
from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.failure import Failed
from runtime.cli.interrupts import while_wanted
from runtime.cli.kept import kept_messages
from runtime.cli.options import DEFAULT_CONFIG, Cluster, Json, Topic
from runtime.cli.position import Position, position_from
from runtime.cli.reach import data_dir_of, not_running
from runtime.cli.tables import printable
from runtime.ports import SystemClock

__all__ = ["subscribe"]

SHOWN = ("msg_id", "received", "priority", "size", "guaranteed", "data")
"""What is printed as JSON of a message, beside its topic."""


def subscribe(
    cluster: Cluster,
    topic: Topic,
    /,
    *,
    from_: Annotated[str, Parameter(name="--from")] = "now",
    count: int | None = None,
    json_: Json = False,
    config: Path = DEFAULT_CONFIG,
) -> None:
    """Follow a topic, a line each message, until Ctrl-C.

    It takes nothing from those who subscribe: what waits for them stays there.

    Args:
        cluster: The cluster that has the topic.
        topic: The topic's name.
        from_: Where to begin: now; beginning, with all that the topic still keeps; at a place, as `messages list` shows
            it; at a time such as 2026-01-31T12:00; or so long ago, such as 10m, 2h or 3d.
        count: End after so many messages.
        json_: Print an object for each message, a line each.
        config: The file that describes the clusters.
    """
    try:
        position = position_from(from_, SystemClock().utc_now())
    except ValueError as error:
        raise Failed(f"--from: {error}", status=2) from None
    if count is not None and count < 1:
        raise Failed(f"--count: expected a number from 1 on, got {count}", status=2)
    following = _Following(topic, position, count, as_json=json_)
    try:
        trio.run(following.run, data_dir_of(config, cluster))
    except NotRunning as error:
        if following.has_begun:
            raise Failed(f"cluster {cluster!r} went away: {error}") from None
        raise not_running(cluster) from None
    except CallError as error:
        raise Failed(f"{error} (status {error.status})") from None


@define
class _Following:
    """Follows a topic from a position on.

    Args:
        topic: The topic.
        position: Where to begin.
        count: After how many messages to end; None for never.
        as_json: Whether whole messages are printed, as JSON.
    """

    topic: str
    position: Position
    count: int | None
    as_json: bool
    has_begun: bool = False
    _shown: int = 0
    _recent: set[str] = field(factory=set)
    """The messages that were shown of what the topic keeps, and may be delivered, too."""

    async def run(self, data_dir: Path) -> None:
        """Print messages until there were enough, somebody interrupts, or nobody reads any more."""
        async with connect(data_dir) as admin:
            self.has_begun = True
            await while_wanted(partial(self._follow, admin))

    async def _follow(self, admin: AdminClient) -> None:
        """Print what the topic keeps, then what comes; what came in between is not shown twice."""
        after = self.position.after
        if after is not None and (after := await self._show_kept(admin, after)) is None:
            return
        request = {"topic_name": self.topic, "deliver_from": "now"}
        await admin.invoke(SUBSCRIBE_SERVICE, request)
        if after is not None and await self._show_kept(admin, after, may_be_delivered=True) is None:
            return
        async for delivery in admin.deliveries():
            for message in delivery:
                if message["msg_id"] not in self._recent and self._show(_as_kept(message)):
                    return

    async def _show_kept(self, admin: AdminClient, after: int, *, may_be_delivered: bool = False) -> int | None:
        """Print what the topic keeps beyond a place; return the last place, or None when there were enough."""
        try:
            async for one in kept_messages(admin, self.topic, after):
                after = one["place"]
                if may_be_delivered:
                    self._recent.add(one["msg_id"])
                if self.position.includes(one["received"]) and self._show(one):
                    return None
        except NotFound:  # nothing was ever published to it
            pass
        return after

    def _show(self, message: dict[str, Any]) -> bool:
        """Print a message; tell whether there were enough."""
        data = message["data"]
        if self.as_json:
            line = json.dumps({"topic": self.topic, **{name: message[name] for name in SHOWN}}, ensure_ascii=False)
        else:
            line = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            line = printable(line).plain if sys.stdout.isatty() else line
        print(line, flush=True)  # noqa: T201
        self._shown += 1
        return self._shown == self.count


def _as_kept(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message that was delivered in the shape of one that a topic keeps."""
    at = message["recv_time_iso"][:-3] + "Z"
    return {**message, "received": at, "guaranteed": message["has_gd"]}
