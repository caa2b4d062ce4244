"""One simulated run: clusters call each other under faults; then all is healed, and what must hold is checked."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import structlog
import trio

from actors import ActorStopped, CallError, NotFound
from runtime.config import ClusterSettings
from runtime.testing import Clusters, MemoryNetwork, SimulatedCluster, run_simulated
from runtime.testing.ports import EPOCH
from tests.simulation.credits import Credits, limited
from tests.simulation.faults import Faults
from tests.simulation.report import Report
from tests.simulation.streams import STREAMS, choose, left_over
from tests.simulation.styles import MIXED, NATIVE, ZATO, Links
from tests.simulation.trace import Trace
from tests.simulation.world import ORDERED, REMOTE, TOPIC, World, settings_of

HARM = 60.0
LONGEST_TIMEOUT = 5.0
SETTLE = 60.0
DRAIN = 300.0
"""Seconds that queues have then to get empty: some hooks take nine, and what fails is tried again."""

ROUND_TRIP = 1.1  # two of the longest delays, and a little


def run_seed(seed: int, *, keep_trace: bool = False) -> tuple[Report, list[str]]:
    """Run one seed from start to end."""
    trace = Trace()
    trace.keep = keep_trace
    before = structlog.get_config()
    structlog.configure(processors=[trace], cache_logger_on_first_use=False)
    random = Random(seed)
    report = Report(seed)
    drawn = random.random()
    report.wire = ZATO if drawn < 0.25 else MIXED if drawn >= 0.72 else NATIVE
    credit = Credits()
    try:
        with credit.watching():
            run_simulated(partial(_Scenario(random, report, trace).run), seed=seed)
    finally:
        structlog.configure(**before)
    report.violations += credit.complaints
    report.credit_used_up = credit.used_up
    report.trace = trace.hexdigest()
    return report, trace.lines


class _Scenario:
    def __init__(self, random: Random, report: Report, trace: Trace) -> None:
        self._random = random
        self._report = report
        self._trace = trace
        self._links = Links(report.wire, report.seed)
        self._world = World(self._links)
        self._deadlines: dict[str, float] = {}
        self._cancelled_at: dict[str, float] = {}
        self._round_trips = 0.0
        self._number = 0
        self._confirmed: dict[tuple[str, str], list[int]] = {}
        self._dead: dict[tuple[str, str], Counter[int]] = {}
        self._last_words: dict[tuple[str, str], set[int]] = {}
        self._uncancellable: set[str] = set()

    def _complain(self, text: str) -> None:
        self._report.violations.append(f"{trio.current_time():.3f}: {text}")

    async def run(self) -> None:
        random, report = self._random, self._report
        names = [f"c{number}" for number in range(random.randint(2, 5))]
        report.clusters = len(names)
        few = Random(f"credit of {report.seed}")
        settings = {name: limited(one, few) for name, one in settings_of(names, random, self._links).items()}
        report.mix = self._links.mix
        try:
            with trio.fail_after(3600):
                async with trio.open_nursery() as nursery:
                    clusters = Clusters(nursery, MemoryNetwork(), seed=report.seed)
                    await clusters.start(settings, services=self._world.services, max_thread_delay=0.05)
                    await self._harm_and_settle(clusters)
                    await clusters.stop()
                    self._check_nothing_is_left(clusters, nursery)
        except trio.TooSlowError:
            self._complain("the run did not end")
        self._check_hooks()
        self._check_handlers()
        self._check_messages(settings)

    async def _harm_and_settle(self, clusters: Clusters) -> None:
        random, report = self._random, self._report
        for cluster in clusters.values():
            for via in cluster.settings.outgoing:
                await cluster.until("outgoing", via, "ready")
        may_throttle = random.random() < 0.5
        self._round_trips = 6.0 if may_throttle else 2 * ROUND_TRIP
        faults = self._faults = Faults(clusters, Random(random.random()), may_throttle)
        async with trio.open_nursery() as nursery:
            end = trio.current_time() + HARM
            for cluster in clusters.values():
                nursery.start_soon(self._publish_until, cluster, end, Random(random.random()))
                for via in cluster.settings.outgoing:
                    nursery.start_soon(self._publish_remotely_until, cluster, via, end, Random(random.random()))
                for via in cluster.settings.outgoing:
                    for _ in range(3):
                        nursery.start_soon(self._call_until, cluster, via, end, Random(random.random()))
            for _ in range(2):
                nursery.start_soon(faults.harm_until, end)
        report.faults, report.hits, report.calls_hit = faults.count, faults.hits, faults.calls_hit
        clusters.network.heal()
        healed_at = trio.current_time()
        await trio.sleep(SETTLE)
        await self._publish_in_peace(clusters)
        with trio.move_on_after(DRAIN):
            while await self._waiting(clusters) or any(self._unheard(cluster) for cluster in clusters.values()):
                await trio.sleep(1.0)
        for cluster in clusters.values():
            self._check_links(cluster, healed_at)
            for unheard in self._unheard(cluster):
                self._complain(f"{cluster.name} never handled what was published in peace: {unheard}")
            for session in left_over(cluster):
                self._complain(f"{session} has streams at the end")
            for topic in (TOPIC, ORDERED, REMOTE):
                grave = f"/dead-letter/{cluster.name}{topic}"
                with suppress(NotFound):
                    found = await cluster.invoke("isthmus.admin.messages", {"topic": grave, "limit": 10_000})
                    self._dead[cluster.name, topic] = Counter(one["data"]["number"] for one in found)

    async def _waiting(self, clusters: Clusters) -> int:
        """Return how many messages wait for those who will take them: native peers do, Zato's come as somebody else."""
        found = [await cluster.invoke("isthmus.admin.subscriptions") for cluster in clusters.values()]
        return sum(one["waiting"] for subscriptions in found for one in subscriptions if "/" in one["owner"])

    async def _publish_in_peace(self, clusters: Clusters) -> None:
        """Publish what every link must bring, whatever its format."""
        for cluster in clusters.values():
            for topic in (TOPIC, ORDERED) * 3:
                self._number += 1
                data = {"number": self._number, "fails_at": {}, "takes": 0.0}
                await cluster.publish(topic, data, msg_id=f"n{self._number}")
                self._last_words.setdefault((cluster.name, topic), set()).add(self._number)

    def _unheard(self, cluster: SimulatedCluster) -> list[str]:
        """Return what a cluster has not handled of what others published in peace, by connection and topic."""
        found = []
        for via, outgoing in cluster.settings.outgoing.items():
            for topic in outgoing.subscribe:
                words = self._last_words.get((via.removeprefix("to "), topic), set())
                if missing := words - self._handled(cluster.name, via, topic):
                    found.append(f"{via} {topic} {sorted(missing)}")
        return found

    # What goes on meanwhile

    async def _publish_until(self, cluster: SimulatedCluster, end: float, random: Random) -> None:
        while trio.current_time() < end:
            await trio.sleep(random.uniform(0.2, 3.0))
            for topic in random.choice(([TOPIC], [ORDERED], [TOPIC] * 10)):
                if cluster.is_running:
                    number = await self._publish(partial(cluster.publish, topic), random)
                    self._confirmed.setdefault((cluster.name, topic), []).append(number)

    async def _publish_remotely_until(self, cluster: SimulatedCluster, via: str, end: float, random: Random) -> None:
        """Publish to the cluster that a connection dials, several messages side by side now and then."""

        async def publish(data: object, **options: object) -> object:
            request = {"via": via, "data": data, "options": options}
            return await cluster.invoke("sim.publish", request, timeout=60.0)

        async def publish_one() -> None:
            number = await self._publish(publish, random)
            self._confirmed.setdefault((via.removeprefix("to "), REMOTE), []).append(number)

        async with trio.open_nursery() as nursery:
            while trio.current_time() < end:
                await trio.sleep(random.uniform(0.2, 3.0))
                for _ in range(random.choice((1, 1, 5))):
                    nursery.start_soon(publish_one)

    async def _publish(self, publish: Callable[..., Awaitable[object]], random: Random) -> int:
        """Publish a message, again and again under its id until it is confirmed; now and then once more."""
        self._number += 1
        number = self._number
        fails_at = {
            name: random.choice(("always", "once", "once"))
            for name in (f"c{one}" for one in range(self._report.clusters))
            if random.random() < 0.05
        }
        data = {
            "number": number,
            "fails_at": fails_at,
            "takes": 9.0 if random.random() < 0.01 else random.choice((0.0, 0.0, random.uniform(0, 0.5))),
        }
        priority = random.choice((5, 5, 5, 9, 2))
        repeats = random.random() < 0.1
        while True:
            try:
                await publish(data, msg_id=f"n{number}", priority=priority)
            except Exception as error:  # whatever a crash leaves
                self._trace.add(f"publish {error}")
                await trio.sleep(1.0)
            else:
                if not repeats:
                    return number
                repeats = False

    async def _call_until(self, cluster: SimulatedCluster, via: str, end: float, random: Random) -> None:
        while trio.current_time() < end:
            await trio.sleep(random.uniform(0.0, 2.0))
            if cluster.is_running:
                await self._call(cluster, via, random)

    async def _call(self, cluster: SimulatedCluster, via: str, random: Random) -> None:
        timeout = random.uniform(0.2, LONGEST_TIMEOUT)
        service, data = self._choose(cluster, via, random)
        request = {"via": via, "service": service, "data": data, "timeout": timeout}
        cid = f"{random.getrandbits(64):024x}"  # of a length that travels over Zato's format, too
        if not self._is_native(cluster.name, via, service, data):
            self._uncancellable.add(cid)
        began_at = trio.current_time()
        self._deadlines[cid] = began_at + timeout
        is_cancelled = random.random() < 0.1
        outcomes: list[str] = []
        with trio.CancelScope() as scope:
            if is_cancelled:
                scope.deadline = began_at + random.uniform(0.0, timeout)
            try:
                caller = "sim.iterates" if service in STREAMS else "sim.call"
                result = await cluster.invoke(caller, request, timeout=60.0, cid=cid)
            except CallError as error:
                outcomes.append(type(error).__name__)
            except ActorStopped:
                outcomes.append("caller crashed")
            except Exception as error:  # anything else is a fault of ours
                outcomes.append(type(error).__name__)
                self._complain(f"{cid}: {service} ended in {error!r}")
            else:
                outcomes.append("answer")
                if service in ("sim.echo", "sim.blocking") and result != data:
                    self._complain(f"{cid}: {service} answered {result!r}, not {data!r}")
        if scope.cancelled_caught:
            outcomes.append("cancelled")
            self._cancelled_at[cid] = trio.current_time()
        if len(outcomes) != 1:
            self._complain(f"{cid}: outcomes {outcomes}")
        took = trio.current_time() - began_at
        if took > timeout + self._world.streamed.paused[cid] + 0.01 and outcomes != ["caller crashed"]:
            self._complain(f"{cid}: {service} via {via!r} took {took:.3f} s of {timeout:.3f} s: {outcomes}")
        self._report.outcomes[outcomes[0]] += 1
        self._trace.add(f"{trio.current_time():.6f} call {cid} {outcomes}")

    def _choose(self, cluster: SimulatedCluster, via: str, random: Random) -> tuple[str, Any]:
        match random.randrange(8):
            case 6 | 7:
                return choose(random, self._any_connection(via.removeprefix("to ")))
            case 0:
                return "sim.slow", random.uniform(0.0, 8.0)
            case 1:
                return "sim.blocking", {"a": random.random()}
            case 2:
                return "sim.fails", None
            case 3:
                return "sim.echo", "x" * random.randrange(100_000)
            case 4:
                target = via.removeprefix("to ")
                hop = {"via": self._any_connection(target), "service": "sim.slow", "data": 3.0, "timeout": 4.0}
                return "sim.call", hop
        return "sim.echo", [random.random()]

    def _is_native(self, cluster: str, via: str, service: str, data: Any) -> bool:
        """Tell whether a call goes over native links all the way."""
        hops = [(cluster, via)]
        if service in ("sim.call", STREAMS[1]):
            hops.append((via.removeprefix("to "), data["via"]))
        return all(self._links.is_native(*hop) for hop in hops)

    def _any_connection(self, cluster: str) -> str:
        number = int(cluster[1:])
        return f"to c{(number + 1) % self._report.clusters}"

    # What must hold

    def _check_links(self, cluster: SimulatedCluster, healed_at: float) -> None:
        for entry in cluster.actors():
            if entry["kind"] != "outgoing":
                continue
            name = f"{cluster.name} {entry['name']}"
            transitions = [(_seconds(one["at"]), one) for one in entry["transitions"]]
            self._report.reconnects += sum(one["state"] == "backoff" for _at, one in transitions)
            if entry["state"] != "ready":
                self._complain(f"{name} is {entry['state']} at the end: {entry['detail']}")
                continue
            wanted = sorted(cluster.settings.outgoing[entry["name"]].subscribe)
            if entry["detail"]["subscribed"] != wanted:
                self._complain(f"{name} is subscribed to {entry['detail']['subscribed']}")
            if entry["gauges"]["pending"]:
                self._complain(f"{name} has pending calls at the end")
            for number, (at, one) in enumerate(transitions):
                if one["state"] != "backoff":
                    continue
                due = _seconds(one["next_attempt_at"])
                ready = next((when for when, later in transitions[number:] if later["state"] == "ready"), None)
                if at >= healed_at + 15.0 and (ready is None or ready > due + 1.0):
                    self._complain(f"{name} was ready at {ready}, due at {due:.3f}")

    def _check_nothing_is_left(self, clusters: Clusters, nursery: trio.Nursery) -> None:
        for cluster in clusters.values():
            if cluster.actors():
                self._complain(f"{cluster.name} has left {[one['name'] for one in cluster.actors()]}")
        if nursery.child_tasks:
            self._complain(f"tasks are left: {[task.name for task in nursery.child_tasks]}")
        if count := clusters.network.count():
            self._complain(f"{count} connections are left")

    def _check_hooks(self) -> None:
        """Connect and close take turns, connect first."""
        for key, seen in self._world.hooks.items():
            wanted = ["connect", "close"] * (len(seen) // 2 + 1)
            if seen != wanted[: len(seen)]:
                self._complain(f"hooks of {key}: {seen}")

    def _check_messages(self, settings: dict[str, ClusterSettings]) -> None:
        """Each confirmed message reaches each subscriber, in order, and one that comes again says so.

        Peers that speak Zato's format cannot say who they are, so their subscriptions end with their links: they get
        what is published while they are there.
        """
        for name, one in settings.items():
            for via, outgoing in one.outgoing.items():
                for topic in outgoing.subscribe:
                    if self._links.is_native(name, via):
                        self._check_subscription(name, via, topic)
        for what in ("repeated without saying so", "handled again", "side by side"):
            if count := self._world.deliveries[what]:
                self._complain(f"{count} deliveries {what}")
        self._report.outcomes.update({f"{key} deliveries": count for key, count in self._world.deliveries.items()})

    def _handled(self, name: str, via: str, topic: str) -> AbstractSet[int]:
        return self._world.handled.get((name, via, topic), {}).keys()

    def _check_subscription(self, name: str, via: str, topic: str) -> None:
        """Every confirmed message was handled or is a dead letter, and came in order unless it was sent before."""
        where = f"{name} {via} {topic}"
        target = via.removeprefix("to ")
        confirmed = self._confirmed.get((target, topic), [])
        handled = self._handled(name, via, topic)
        dead = self._dead.get((target, topic), Counter())
        if missing := sorted(set(confirmed) - handled - dead.keys()):
            self._complain(f"{where} never handled {missing[:10]} ({len(missing)} of {len(confirmed)})")
        if topic == REMOTE:
            return
        orders: dict[int, list[int]] = {}
        for number, (priority, count) in self._world.arrived.get((name, via, topic), {}).items():
            if count == 1:
                orders.setdefault(priority, []).append(number)
        for priority, numbers in orders.items():
            if numbers != sorted(numbers):
                self._complain(f"{where} got messages of priority {priority} out of order: {numbers}")

    def _check_handlers(self) -> None:
        """No handler works on for a caller that is gone, by more than a round trip on each hop.

        Where a fault keeps a request or its cancel from arriving, the handler has the time that the request had left
        when it was sent. Zato's format has no cancel.
        """
        for complaint in self._world.streamed.complaints:
            self._complain(complaint)
        for cid, handlers in self._world.handlers.items():
            if cid in self._uncancellable:
                continue
            deadline = self._deadlines[cid]
            gone_at = self._cancelled_at.get(cid, self._world.streamed.left_at.get(cid, deadline))
            for handler in handlers:
                since = max(handler.began_at, gone_at)
                if not self._faults.is_calm(handler.began_at, since + self._round_trips):
                    since = max(since, deadline, handler.began_at + LONGEST_TIMEOUT)
                if handler.ended_at - since > self._round_trips:
                    self._complain(f"{cid}: a handler ran for {handler.ended_at - gone_at:.3f} s after its caller")


def _seconds(text: str) -> float:
    moment = datetime.datetime.fromisoformat(text.removesuffix("Z"))
    return (moment - EPOCH).total_seconds()
