"""Handlers that go on although nobody waits for them are listed, and hold nothing else up."""

from __future__ import annotations

import pytest
import trio

from actors import AskTimeout, Service
from runtime.testing import Clusters


class Shielded(Service):
    """Does not care whether anybody waits."""

    name = "test.shielded"

    async def handle(self, data: str) -> str:
        if data == "stubborn":
            with trio.CancelScope(shield=True):
                await trio.sleep(100)
        return data


async def test_a_shielded_handler_is_listed_as_overdue(clusters: Clusters) -> None:
    """It is listed by its cid until it ends, and others are answered meanwhile."""
    await clusters.start("[clusters.one]", services=lambda _name: [Shielded])
    with pytest.raises(AskTimeout):
        await clusters["one"].invoke("test.shielded", "stubborn", timeout=1.0, cid="c1")
    assert clusters["one"].entry("service", "test.shielded")["gauges"]["overdue"] == ["c1"]
    assert await clusters["one"].invoke("test.shielded", "quick") == "quick"
    await trio.sleep(100)
    assert clusters["one"].entry("service", "test.shielded")["gauges"]["overdue"] == []
