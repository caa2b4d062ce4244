"""A sample that runs for all tests of a module that only look at it, or use names of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.runtime.cli.running_sample import RunningSample


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSample]:
    """The sample, up and linked."""
    sample = RunningSample(tmp_path_factory.mktemp("sample"))
    sample.until_up()
    yield sample
    sample.stop()
