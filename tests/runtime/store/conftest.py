"""What tests of stores are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.store.support import Opened


@pytest.fixture(params=["file", "memory"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opened]:
    found = Opened(tmp_path / "store.db" if request.param == "file" else None)
    yield found
    found.database.close()
