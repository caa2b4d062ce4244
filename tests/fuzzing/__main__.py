"""`python -m tests.fuzzing --minutes 30`: feeds wires and sessions, and reports."""

from __future__ import annotations

import argparse
import itertools
import secrets
import sys
import time

from tests.fuzzing.inputs import Inputs
from tests.fuzzing.report import MIB, Report, memory_used
from tests.fuzzing.sessions import fuzz_sessions
from tests.fuzzing.wires import fuzz_wires

WARM_ROUNDS = 5
MOST_GROWTH = 64 * MIB


def main() -> int:
    """Run rounds until the time is over, each with a seed of its own; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="fuzzing", description="Feed both wires and real sessions with bad input.")
    parser.add_argument("--minutes", type=float, default=1.0, help="end after so many minutes (default: 1)")
    parser.add_argument("--seed", type=int, default=None, help="the first round's seed (default: a random one)")
    arguments = parser.parse_args()
    first = secrets.randbelow(10**9) if arguments.seed is None else arguments.seed
    print(f"first seed {first}", flush=True)
    report = Report()
    until = time.monotonic() + 60 * arguments.minutes
    said_at = time.monotonic()
    for round_ in itertools.count():
        run_round(first + round_, report)
        if round_ >= WARM_ROUNDS:
            report.memory.append(memory_used())
        if time.monotonic() > said_at + 60:
            said_at = time.monotonic()
            print(f"{report.inputs.total()} inputs, {len(report.problems)} problems", flush=True)
        if time.monotonic() > until or report.problems:
            break
    if report.memory and report.memory[-1] - report.memory[0] > MOST_GROWTH:
        report.problems.append("memory grows without bound")
    print("\n".join(report.lines()))
    return bool(report.problems)


def run_round(seed: int, report: Report, *, inputs: int = 1000, links: int = 40) -> None:
    """Feed every wire, role and state, then sessions; problems name the seed."""
    known = len(report.problems)
    fuzz_wires(Inputs(seed), report, inputs)
    fuzz_sessions(seed, report, links=links, count=50)
    report.problems[known:] = [f"seed {seed}: {one}" for one in report.problems[known:]]


if __name__ == "__main__":
    sys.exit(main())
