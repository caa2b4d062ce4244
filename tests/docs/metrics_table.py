"""Writes the table of docs/metrics.md from the definitions: `python -m tests.docs.metrics_table`."""

from __future__ import annotations

import re

from runtime.observe.definitions import METRICS
from tests.docs.reference_page import DOCS

PAGE = DOCS / "metrics.md"
_TABLE = re.compile(r"\| metric \|.*?\n\n", re.DOTALL)


def table() -> str:
    """Return the table of all metrics."""
    rows = [
        f"| `{one.name}` | {one.kind.value} | {', '.join(f'`{label}`' for label in one.labels)} | {one.meaning} |\n"
        for one in METRICS.values()
    ]
    return "".join(["| metric | kind | labels | meaning |\n|---|---|---|---|\n", *rows, "\n"])


def with_table(text: str) -> str:
    """Return the page with the table as it is now."""
    return _TABLE.sub(lambda _found: table(), text, count=1)


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
