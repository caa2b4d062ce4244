"""`python -m tests.bench`: measures, interleaved, and prints figures and ratios; see scripts/bench."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import trio
from attrs import field, frozen

from tests.bench.disk import Disk
from tests.bench.install import Installer
from tests.bench.isthmus import Isthmus
from tests.bench.peer import JETSTREAM, REDIS, Kind, Peer
from tests.bench.profiling import Profiler
from tests.bench.results import Results
from tests.bench.rows import DISK, ISTHMUS, ROWS, Contestant, Load, MeasureFailed, Skipped

PEERS: dict[str, Kind] = {kind.name: kind for kind in (REDIS, JETSTREAM)}
DISK_FOLDER = "/var/tmp"  # noqa: S108  # a folder of its own is made in it; /tmp may be memory, which syncs nothing
CONTESTANTS = (ISTHMUS, *PEERS, DISK)


@frozen
class Plan:
    """What one run does.

    Args:
        load: How much is done for one figure.
        rounds: How many figures there are of each kind.
        only: Names of rows and of contestants; all, where none of either are named.
        folder: Where the contestants keep their files, below it.
        installer: Gets what peers need.
        profiler: Records Isthmus.
    """

    load: Load
    rounds: int
    folder: Path
    only: Collection[str] = ()
    installer: Installer = field(factory=Installer)
    profiler: Profiler = field(factory=Profiler)

    def results(self) -> Results:
        """Return what the figures will stand in."""
        rows = [row for row in ROWS if row.name in self.only] or ROWS
        names = [name for name in CONTESTANTS if name in self.only] or CONTESTANTS
        return Results(rows, list(names))


async def measure(plan: Plan) -> Results:
    """Run the contestants side by side and measure them in turns; each round begins with another one."""
    results = plan.results()
    async with AsyncExitStack() as stack:
        contestants = await _open(plan, results, stack)
        results.contestants = [one.name for one in contestants]
        for number in range(plan.rounds):
            _say(f"round {number + 1} of {plan.rounds}")
            first = number % max(1, len(contestants))
            await _round([*contestants[first:], *contestants[:first]], plan.load, results)
    return results


async def _open(plan: Plan, results: Results, stack: AsyncExitStack) -> list[Contestant]:
    found: list[Contestant] = []
    for name in results.contestants:
        folder = plan.folder / name
        try:
            if name == DISK:
                found.append(Disk(plan.folder))
            elif name == ISTHMUS:
                found.append(await stack.enter_async_context(Isthmus.open(folder, plan.profiler)))
            else:
                peer = Peer.open(PEERS[name], folder, plan.installer)
                found.append(await stack.enter_async_context(peer))
        except Skipped as reason:
            results.facts.append(f"{name} is skipped: {reason}")
        except MeasureFailed as error:
            results.failures.append(f"{name}: {error}")
        else:
            results.facts += [f"{name}: {fact}" for fact in found[-1].facts]
    return found


async def _round(contestants: Sequence[Contestant], load: Load, results: Results) -> None:
    for row in ROWS:
        for one in contestants:
            if not (one.knows(row) and results.wants(row, one.name)):
                continue
            try:
                results.add(row, one.name, await one.measure(row, load))
            except MeasureFailed as error:
                results.failures.append(f"{row.name}, {one.name}: {error}")


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    names = [*(row.name for row in ROWS), *CONTESTANTS]
    parser = argparse.ArgumentParser(prog="bench", description="Measure guaranteed delivery beside its peers.")
    parser.add_argument("--rounds", type=int, default=5, help="how many figures of each kind (default: 5)")
    parser.add_argument("--messages", type=int, default=50_000, help="what waits for a subscriber (default: 50000)")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long is published at most (default: 3)")
    parser.add_argument("--only", action="append", default=[], choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--folder", default=DISK_FOLDER, help=f"where all files go (default: {DISK_FOLDER})")
    parser.add_argument("--no-install", action="store_true", help="skip peers that are not installed")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record Isthmus by py-spy, into this folder")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    return parser.parse_args()


def _profiler(folder: Path | None, installer: Installer) -> Profiler:
    if folder is None:
        return Profiler()
    installer.package("py-spy")
    folder.mkdir(parents=True, exist_ok=True)
    return Profiler(folder.resolve())


def main() -> int:
    """Measure what the arguments ask for; return 1 when a figure could not be had."""
    arguments = _arguments()
    installer = Installer(may_install=not arguments.no_install)
    try:
        profiler = _profiler(arguments.profile, installer)
    except Skipped as reason:
        print(f"bench: no profile: {reason}", file=sys.stderr)
        return 2
    load = Load(arguments.messages, arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-", dir=arguments.folder) as folder:
        plan = Plan(load, arguments.rounds, Path(folder), arguments.only, installer, profiler)
        results = trio.run(partial(measure, plan))
    machine = f"{os.cpu_count()} processors, {platform.system()} {platform.release()}"
    results.facts.insert(0, f"{machine}; {arguments.rounds} rounds, {arguments.messages} messages of 300 bytes")
    if arguments.profile is not None:
        results.facts.append("measured under py-spy, which costs speed: not for comparison")
    if arguments.json:
        print(json.dumps(results.as_json(), indent=2))
    else:
        print("\n".join([*results.facts, "", results.table(), *(f"FAILED: {one}" for one in results.failures)]))
    return bool(results.failures)


if __name__ == "__main__":
    sys.exit(main())
