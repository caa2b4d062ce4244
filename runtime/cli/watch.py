"""`isthmus status --watch`: a line each time an actor's state changes.

For people, the first look at a cluster shows its links and what is not well, and the sessions of commands are left
out; as JSON, there is everything.
"""

from __future__ import annotations

import datetime
import json
import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

import trio
from rich.console import Console
from rich.text import Text

from runtime.admin.client import AdminClient, NotRunning, connect
from runtime.cli.interrupts import while_wanted
from runtime.cli.reach import colour_of
from runtime.config import Configuration
from runtime.ports import SystemClock

__all__ = ["watch"]

RETRY_INTERVAL = 1.0


def watch(configuration: Configuration, clusters: Sequence[str], *, as_json: bool) -> None:
    """Print changes of clusters until interrupted; clusters that do not run are watched from their start on."""
    trio.run(while_wanted, partial(_watch_all, configuration, clusters, as_json))


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
        self._clock = SystemClock()
        self._seen: dict[str, dict[str, Any]] = {}

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
                    self._print("", self._now("not running"))
                was_running = False
                self._seen.clear()
                await trio.sleep(RETRY_INTERVAL)

    async def _follow(self, admin: AdminClient) -> None:
        revision = 0
        while True:
            request = {"since": revision, "timeout": 20.0}
            changes = await admin.invoke("isthmus.admin.changes", request, timeout=60.0)
            if revision == 0:
                self._print("", self._now("running", reason=f"{len(changes['changed'])} actors"))
            self._show(changes["changed"], is_first_look=revision == 0)
            revision = changes["revision"]
            for key in changes["removed"]:
                if self._seen.pop(key, None) is not None and self._is_shown(key):
                    self._print(key, self._now("ended"))

    def _show(self, entries: Sequence[dict[str, Any]], *, is_first_look: bool) -> None:
        """Print what is new of some actors, in the order in which it happened."""
        news: list[tuple[str, dict[str, Any]]] = []
        for entry in entries:
            key = f"{entry['kind']}:{entry['name']}"
            fresh = _after(self._seen.get(key), entry["transitions"])
            if fresh:
                self._seen[key] = fresh[-1]
            if not self._is_shown(key):
                continue
            if not is_first_look:
                news += [(key, one) for one in fresh]
            elif fresh and (self._as_json or entry["kind"] == "outgoing" or colour_of(entry["state"]) != "green"):
                news.append((key, fresh[-1]))
        for key, transition in sorted(news, key=lambda one: str(one[1]["at"])):
            self._print(key, transition)

    def _is_shown(self, key: str) -> bool:
        """Leave out what serves commands, such as this one."""
        return self._as_json or key.partition(":")[2].partition("/")[0] != "admin"

    def _now(self, state: str, **facts: str) -> dict[str, Any]:
        return {"at": self._clock.utc_now().isoformat(timespec="milliseconds") + "Z", "state": state, **facts}

    def _print(self, key: str, transition: dict[str, Any]) -> None:
        if self._as_json:
            print(json.dumps({"cluster": self._cluster, "actor": key, **transition}), flush=True)  # noqa: T201
            return
        at = datetime.datetime.fromisoformat(transition["at"])
        before = f"{at.astimezone():%H:%M:%S}  {self._cluster:{self._width}}  "
        state, facts = transition["state"], _facts(transition, at)
        name = f"{key.replace(':', ' ', 1)}  " if key else ""
        line = Text.assemble(before, (f"{state:14}", colour_of(state)), "  ", name)
        if self._console.is_terminal and line.cell_len + len(facts) > self._console.width:
            indent = " " * (len(before) + 16)
            rest = textwrap.fill(facts, self._console.width, initial_indent=indent, subsequent_indent=indent)
            line.rstrip()
            facts = f"\n{rest}"
        line.append(facts, "dim" if facts else "")
        line.rstrip()
        self._console.print(line)


def _after(last: dict[str, Any] | None, transitions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the transitions after the one seen last; times do not tell, for several may share a millisecond."""
    for place in range(len(transitions) - 1, -1, -1):
        if transitions[place] == last:
            return list(transitions[place + 1 :])
    return list(transitions)


def _facts(transition: dict[str, Any], at: datetime.datetime) -> str:
    """Say why, which attempt it is, and when the next one comes."""
    facts = [transition.get("reason", "")]
    if "attempt" in transition:
        facts.append(f"attempt {transition['attempt']}")
    if "next_attempt_at" in transition:
        wait = datetime.datetime.fromisoformat(transition["next_attempt_at"]) - at
        facts.append(f"next attempt in {wait.total_seconds():.1f} s")
    return "; ".join(filter(None, facts))
