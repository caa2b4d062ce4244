"""`python -m tests.simulation --seeds N`: runs seeds and reports; see scripts/simulate."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.simulation.report import Report
from tests.simulation.scenario import run_seed


def _run(seed: int) -> Report:
    return run_seed(seed)[0]


def main() -> int:
    """Run the seeds that the arguments ask for; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="simulate", description="Run random clusters under random faults.")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds (default: 100)")
    parser.add_argument("--first", type=int, default=None, help="the first seed (default: a random one)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="end after so many minutes")
    parser.add_argument("--trace", action="store_true", help="print what is logged (with --seeds 1)")
    arguments = parser.parse_args()
    first = secrets.randbelow(10**9) if arguments.first is None else arguments.first
    if arguments.trace:
        report, lines = run_seed(first, keep_trace=True)
        print("\n".join(lines))
        print(report)
        return bool(report.violations)
    return _run_many(range(first, first + arguments.seeds), time.monotonic() + 60 * arguments.minutes)


def _run_many(seeds: range, until: float) -> int:
    total: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    used_up: Counter[str] = Counter()
    failed: list[Report] = []
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for report in _until(pool.imap_unordered(_run, seeds), until):
            total.update(runs=1, counted=report.counts, faults=report.faults, faults_on_live_links=report.hits)
            total.update(calls_in_flight_at_faults=report.calls_hit, reconnects=report.reconnects)
            outcomes.update(report.outcomes)
            used_up.update(report.credit_used_up)
            if report.violations:
                failed.append(report)
                print(f"seed {report.seed} ({report.clusters} clusters, {report.wire}):", flush=True)
                for violation in report.violations[:10]:
                    print(f"  {violation}", flush=True)
        pool.terminate()
    print(f"seeds {seeds.start} to {seeds.stop - 1}: " + ", ".join(f"{count} {name}" for name, count in total.items()))
    print(f"{outcomes.total()} calls: " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common()))
    print("credit was used up: " + ", ".join(f"{count} times by {name}" for name, count in used_up.most_common()))
    for report in failed:
        print(f"failed; to repeat: scripts/simulate --first {report.seed} --seeds 1 --trace")
    return bool(failed)


def _until(reports: Iterator[Report], end: float) -> Iterator[Report]:
    for report in reports:
        yield report
        if time.monotonic() > end:
            return


if __name__ == "__main__":
    sys.exit(main())
