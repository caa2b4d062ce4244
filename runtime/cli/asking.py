"""Asking somebody at a terminal whether to go on."""

from __future__ import annotations

import sys

__all__ = ["is_wanted"]


def is_wanted(question: str) -> bool:
    """Ask; whatever is not y or yes, the end of the input too, is no."""
    sys.stdout.write(f"{question} [y/N] ")
    sys.stdout.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stdout.write("\n")
    return answer.strip().lower() in ("y", "yes")
