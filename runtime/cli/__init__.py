"""The command `isthmus`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with 0, 1 (what was asked for failed) or 2 (usage or configuration)."""
    if sys.platform == "win32":
        sys.stderr.write("isthmus: Windows is not supported; use Linux or macOS, or WSL\n")
        sys.exit(2)
    from runtime.cli.app import run_app

    sys.exit(run_app(sys.argv[1:]))
