"""docs/threat-model.md: each thing that holds an attacker names a test, and that test exists."""

from __future__ import annotations

import re

from tests.processes import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
PLACE = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [line for line in lines if not line.startswith("| could |")]


def test_each_row_names_a_test_that_exists() -> None:
    """Below `tests/`."""
    assert len(rows()) > 25
    for row in rows():
        place = PLACE.search(row.rpartition(" | ")[2])
        assert place is not None, row
        file = ROOT / "tests" / place[1]
        assert file.exists(), row
        assert re.search(rf"^(async )?def {place[2]}\(", file.read_text(), re.MULTILINE), row
