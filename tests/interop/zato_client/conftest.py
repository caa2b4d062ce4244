"""The environment of Zato's client as a fixture; without it the tests are skipped, and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.zato_client.environment import Unavailable, interpreter


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter that has Zato's client."""
    try:
        return interpreter()
    except Unavailable as error:
        pytest.skip(str(error))
