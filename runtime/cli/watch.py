"""`isthmus status --watch`: a line each time an actor's state changes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import trio
from rich.console import Console
from rich.text import Text

from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.reach import colour_of
from runtime.config import Configuration

__all__ = ["watch"]

RETRY_INTERVAL = 1.0


def watch(configuration: Configuration, clusters: Sequence[str], *, as_json: bool) -> None:
    """Print changes of clusters until interrupted; clusters that do not run are watched from their start on."""
    trio.run(_watch_all, configuration, clusters, as_json)


async def _watch_all(configuration: Configuration, clusters: Sequence[str], as_json: bool) -> None:
    width = max(map(len, clusters), default=0)
    async with trio.open_nursery() as nursery:
        for name in clusters:
            nursery.start_soon(_Watcher(configuration, name, width, as_json=as_json).run)


class _Watcher:
    """Follows one cluster."""

    def __init__(self, configuration: Configuration, cluster: str, width: int, *, as_json: bool) -> None:
        self._data_dir = configuration.data_dir(cluster)
        self._cluster = cluster
        self._width = width
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        self._seen: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the cluster over its restarts."""
        was_running = True
        while True:
            try:
                async with connect(self._data_dir) as admin:
                    was_running = True
                    await self._follow(admin)
            except NotRunning:
                if was_running:
                    self._print("", {"state": "not running"})
                was_running = False
                self._seen.clear()
                await trio.sleep(RETRY_INTERVAL)

    async def _follow(self, admin: AdminClient) -> None:
        revision = 0
        while True:
            request = {"since": revision, "timeout": 20.0}
            changes = await admin.invoke("isthmus.admin.changes", request, timeout=60.0)
            revision = changes["revision"]
            for entry in changes["changed"]:
                self._show(entry)
            for key in changes["removed"]:
                self._seen.pop(key, None)
                self._print(key, {"state": "ended"})

    def _show(self, entry: dict[str, Any]) -> None:
        key = f"{entry['kind']}:{entry['name']}"
        last = self._seen.get(key, "")
        fresh = [one for one in entry["transitions"] if one["at"] > last]
        if not last:
            fresh = fresh[-1:]
        for one in fresh:
            self._print(key, one)
            self._seen[key] = one["at"]

    def _print(self, key: str, transition: dict[str, Any]) -> None:
        if self._as_json:
            print(json.dumps({"cluster": self._cluster, "actor": key, **transition}), flush=True)  # noqa: T201
            return
        state = transition["state"]
        line = Text()
        line.append(f"{transition.get('at', '')[11:23]:12}  {self._cluster:{self._width}}  ")
        line.append(f"{state:15}", style=colour_of(state))
        line.append(f"  {key.replace(':', ' ', 1)}")
        facts = [f"{name}={value}" for name, value in transition.items() if name not in ("at", "state")]
        line.append("  " + "  ".join(facts), style="dim")
        self._console.print(line)
