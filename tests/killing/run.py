"""One run: three clusters in processes of their own, killed at random moments, and what was counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, deque
from pathlib import Path
from random import Random
from typing import Any

import trio
from attrs import define, field

from actors.errors import CallError, LinkClosed
from runtime.admin.client import NotRunning, connect
from tests.killing.services import TOPIC
from tests.processes import COMMAND, free_port

CLUSTERS = ("hub", "publisher", "subscriber")
LONGEST = 3600.0
SETTLES_WITHIN = 300.0
LOOK_EVERY = 0.05
WINDOW = 2000
"""How many messages may be in the hands of a subscriber at once: `max_deliveries_in_flight`."""

_CONFIGURATION = """
[clusters.hub.security.all]
username = "all"
password = "local:all"

[clusters.hub.channels.gate]
address = "ws://127.0.0.1:{port}/kill"
service = "helpers.web-sockets-gateway"
security = "all"

[clusters.hub.endpoints.all]
channel = "gate"
publish = ["/kill/**"]
subscribe = ["/kill/**"]

[clusters.hub.topics."{topic}"]
guaranteed = true

[clusters.publisher]
services = ["tests.killing.services"]

[clusters.publisher.config]
confirmed = "{folder}/confirmed"
messages = {messages}

[clusters.publisher.outgoing.hub]
address = "ws://127.0.0.1:{port}/kill"
username = "all"
password = "local:all"
on_connect = "kill.publish"
hook_timeout = 100000.0

[clusters.subscriber]
services = ["tests.killing.services"]

[clusters.subscriber.config]
received = "{folder}/received"

[clusters.subscriber.outgoing.hub]
address = "ws://127.0.0.1:{port}/kill"
username = "all"
password = "local:all"
subscribe = ["{topic}"]
on_message = "kill.receive"
"""


@define
class Killing:
    """A run.

    Args:
        folder: Where everything goes.
        messages: How many are published.
        every: How many messages are confirmed between two kills, on average.
        seed: Decides who is killed when.
    """

    folder: Path
    messages: int
    every: int = 5000
    seed: int = 1
    kills: Counter[str] = field(factory=Counter)
    failures: list[str] = field(factory=list)
    _processes: dict[str, subprocess.Popen[bytes]] = field(factory=dict)
    _counts: dict[str, int] = field(factory=dict)

    async def run(self) -> None:
        """Publish and kill, then let everything settle, and count."""
        port = free_port()
        text = _CONFIGURATION.format(port=port, folder=self.folder, messages=self.messages, topic=TOPIC)
        (self.folder / "clusters.toml").write_text(text)
        try:
            for cluster in CLUSTERS:
                self._start(cluster)
            await self._until_subscribed()
            with trio.move_on_after(LONGEST) as scope:
                await self._kill_until_confirmed()
            if scope.cancelled_caught:
                self.failures.append(f"not all was confirmed within {LONGEST:g} s")
            with trio.move_on_after(SETTLES_WITHIN) as scope:
                await self._until_settled()
            if scope.cancelled_caught:
                self.failures.append(f"messages still wait after {SETTLES_WITHIN:g} s")
        finally:
            for process in self._processes.values():
                process.terminate()
            for process in self._processes.values():
                process.wait()
        self._count()

    # Processes

    def _start(self, cluster: str) -> None:
        with (self.folder / f"{cluster}.log").open("ab") as log:
            self._processes[cluster] = subprocess.Popen(
                [*COMMAND, "run", "--cluster", cluster], cwd=self.folder, stdout=log, stderr=log, env=_environment()
            )

    async def _kill_until_confirmed(self) -> None:
        """Kill the three in turn, each time some more messages are confirmed, while others are under way."""
        random = Random(self.seed)
        order = deque(random.sample(CLUSTERS, len(CLUSTERS)))
        next_at = self.every / 2
        while (confirmed := len(self._lines("confirmed"))) < self.messages:
            if confirmed < next_at:
                await trio.sleep(LOOK_EVERY)
                continue
            next_at = confirmed + random.uniform(0.5, 1.5) * self.every
            cluster = order.popleft()
            order.append(cluster)
            self._processes[cluster].kill()
            self._processes[cluster].wait()
            self.kills[cluster] += 1
            sys.stderr.write(f"{confirmed} of {self.messages} confirmed; killed {cluster}\n")
            self._start(cluster)

    async def _subscriptions(self) -> list[dict[str, Any]]:
        """Ask the hub, until it answers."""
        while True:
            try:
                async with connect(self.folder / ".isthmus" / "hub") as admin:
                    found: list[dict[str, Any]] = await admin.invoke("isthmus.admin.subscriptions")
                    return found
            except (NotRunning, CallError, LinkClosed, OSError):
                await trio.sleep(LOOK_EVERY)

    async def _until_subscribed(self) -> None:
        while not await self._subscriptions():
            await trio.sleep(LOOK_EVERY)

    async def _until_settled(self) -> None:
        while any(one["waiting"] for one in await self._subscriptions()):
            await trio.sleep(LOOK_EVERY)

    # Counting

    def _lines(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def _count(self) -> None:
        confirmed = set(self._lines("confirmed"))
        received: dict[str, list[int]] = {}
        for line in self._lines("received"):
            msg_id, count = line.split()
            received.setdefault(msg_id, []).append(int(count))
        again = [counts for counts in received.values() if len(counts) > 1]
        silent = sum(min(counts[1:]) < 2 for counts in again)
        duplicates = sum(len(counts) - 1 for counts in again)
        lost = len(confirmed - received.keys())
        self._counts = {
            "confirmed": len(confirmed),
            "received": len(received),
            "duplicates": duplicates,
            "lost": lost,
        }
        if lost:
            self.failures.append(f"{lost} messages are lost")
        if silent:
            self.failures.append(f"{silent} messages came again with a delivery_count of 1")
        if duplicates > (allowed := WINDOW * self.kills["subscriber"]):
            self.failures.append(f"{duplicates} messages came again, {allowed} were in hand at kills of the subscriber")

    def report(self) -> dict[str, Any]:
        """Return what was counted, and what is wrong with it."""
        kills = {f"{cluster} killed": self.kills[cluster] for cluster in CLUSTERS}
        return {"verdict": "; ".join(self.failures) or "nothing lost", **self._counts, **kills}


def _environment() -> dict[str, str]:
    """Return an environment in which this repository's tests can be imported."""
    root = Path(__file__).parents[2]
    return {**os.environ, "PYTHONPATH": str(root)}
