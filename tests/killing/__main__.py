"""`python -m tests.killing --messages N`: counts what is confirmed, received, received again and lost."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import trio

from tests.killing.run import Killing


def main() -> int:
    """Run once; return 0 where nothing was lost and nothing came again without saying so."""
    parser = argparse.ArgumentParser(prog="kill-test", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="how many are published (default: 200000)")
    parser.add_argument("--every", type=int, default=5000, help="messages confirmed between two kills (default: 5000)")
    parser.add_argument("--seed", type=int, default=1, help="decides who is killed when")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isthmus-kill-") as folder:
        killing = Killing(Path(folder), arguments.messages, every=arguments.every, seed=arguments.seed)
        trio.run(killing.run)
    report = killing.report()
    print(json.dumps(report) if arguments.json else ", ".join(f"{name} {value}" for name, value in report.items()))
    return 1 if killing.failures else 0


if __name__ == "__main__":
    sys.exit(main())
