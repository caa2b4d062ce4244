"""`python -m tests.bench`: measures, interleaved, and prints figures and ratios; see scripts/bench."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import trio
from attrs import field, frozen

from tests.bench.groups import DELIVERY, Group, Place, chosen, names
from tests.bench.install import Installer
from tests.bench.profiling import Profiler
from tests.bench.results import Results, verdict_table
from tests.bench.rows import SHORT, Contestant, Load, MeasureFailed, Row, Skipped

DISK_FOLDER = "/var/tmp"  # noqa: S108  # a folder of its own is made in it; /tmp may be memory, which syncs nothing


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


async def measure(plan: Plan, group: Group = DELIVERY) -> Results:
    """Run a group's contestants side by side and measure them in turns; each round begins with another one."""
    results = group.results(plan.only)
    folder = plan.folder / group.name
    await trio.Path(folder).mkdir()
    async with AsyncExitStack() as stack:
        contestants = await _open(group, results, Place(folder, plan.load, plan.installer, plan.profiler, stack))
        results.contestants = [one.name for one in contestants]
        results.rounds = plan.rounds
        most = max(row.most_rounds for row in group.rows)
        for number in range(min(plan.rounds, most)):
            _say(f"{group.name}: round {number + 1} of {min(plan.rounds, most)}")
            first = number % max(1, len(contestants))
            rows = [row for row in group.rows if number < row.most_rounds]
            await _round([*contestants[first:], *contestants[:first]], rows, plan.load, results)
    return results


async def _open(group: Group, results: Results, place: Place) -> list[Contestant]:
    for name in results.contestants:
        try:
            place.opened.append(await group.open(name, place))
        except Skipped as reason:
            results.facts.append(f"{name} is skipped: {reason}")
        except MeasureFailed as error:
            results.failures.append(f"{name}: {error}")
        else:
            results.facts += [f"{name}: {fact}" for fact in place.opened[-1].facts]
    return place.opened


async def _round(contestants: Sequence[Contestant], rows: Sequence[Row], load: Load, results: Results) -> None:
    for row in rows:
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
    choices = names()
    parser = argparse.ArgumentParser(prog="bench", description="Measure calls and guaranteed delivery beside peers.")
    parser.add_argument("--rounds", type=int, default=5, help="how many figures of each kind (default: 5)")
    parser.add_argument("--short", action="store_true", help="just enough of everything to see that it works")
    parser.add_argument(
        "--messages", type=int, default=50_000, help="what is pushed; of guaranteed ones a fifth (default: 50000)"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="how long is published at most (default: 2)")
    parser.add_argument("--call-seconds", type=float, default=1.0, help="how long is called for a figure (default: 1)")
    parser.add_argument("--links", type=int, default=1000, help="how many links do nothing at once (default: 1000)")
    parser.add_argument("--queued", type=int, default=1_000_000, help="how long a long queue is (default: 1000000)")
    parser.add_argument("--only", action="append", default=[], choices=choices, metavar="NAME", help=", ".join(choices))
    parser.add_argument("--folder", default=DISK_FOLDER, help=f"where all files go (default: {DISK_FOLDER})")
    parser.add_argument("--no-install", action="store_true", help="skip peers that are not installed")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record Isthmus by py-spy, into this folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything into this file, as JSON")
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
    _allow_many_files()
    load = _load(arguments)
    found = {}
    with tempfile.TemporaryDirectory(prefix="isthmus-bench-", dir=arguments.folder) as folder:
        plan = Plan(load, arguments.rounds, Path(folder), arguments.only, installer, profiler)
        for group in chosen(arguments.only):
            began_at = time.monotonic()
            found[group.name] = trio.run(partial(measure, plan, group))
            found[group.name].facts.append(f"measured in {time.monotonic() - began_at:.0f} s")
    facts = [f"{_machine()}; {arguments.rounds} rounds"]
    facts += [
        f"{load.messages} messages of 300 bytes, {load.guaranteed} guaranteed ones; calls of 250 bytes as JSON, {load.call_seconds:g} s each"
    ]
    if arguments.profile is not None:
        facts.append("measured under py-spy, which costs speed: not for comparison")
    print("\n".join(facts))
    for name, results in found.items():
        _print(name, results)
    if verdicts := verdict_table(found.values()):
        print(f"\n{verdicts}")
    if arguments.profile is not None:
        print(f"\n{profiler.summary()}")
    if arguments.json is not None:
        everything = {"facts": facts} | {name: one.as_json() for name, one in found.items()}
        arguments.json.write_text(json.dumps(everything, indent=2) + "\n")
    return any(results.failures for results in found.values())


def _load(arguments: argparse.Namespace) -> Load:
    if arguments.short:
        return SHORT
    return Load(arguments.messages, arguments.seconds, arguments.call_seconds, arguments.links, arguments.queued)


def _allow_many_files() -> None:
    """Let the processes have as many files and sockets as the system allows."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):  # some systems call the most infinite, and refuse it
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _machine() -> str:
    """Return what the figures depend on and the program does not."""
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    processor = platform.processor() or platform.machine()
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), processor)
    return f"{os.cpu_count()} processors, {processor}, {platform.system()} {platform.release()}; load now {load}"


def _print(name: str, results: Results) -> None:
    parts = [*results.facts, "", results.table()]
    if cpu := results.cpu_table():
        parts += ["", cpu]
    print("\n".join(["", f"== {name}", *parts, *(f"FAILED: {one}" for one in results.failures)]))


if __name__ == "__main__":
    sys.exit(main())
