"""`isthmus schema`, in a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.docs.reference_page import schema
from tests.processes import COMMAND


def test_the_schema_is_printed_for_editors(tmp_path: Path) -> None:
    """Anywhere, without a configuration: the very file that the documentation has."""
    done = subprocess.run([*COMMAND, "schema"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, schema(), "")
