"""Which format a link speaks: what both ends allow, and what becomes of those that do not agree."""

from __future__ import annotations

import pytest
import trio

from actors.settings import WireFormat
from runtime.testing import MemoryNetwork
from tests.runtime.test_two_clusters import Relay
from tests.support import CONNECTION, apac_settings, emea_settings, start

AUTO, NATIVE, ZATO = WireFormat.AUTO, WireFormat.NATIVE, WireFormat.ZATO


@pytest.mark.parametrize(
    ("outgoing", "channel", "spoken"),
    [
        (AUTO, AUTO, "isthmus.1"),
        (AUTO, NATIVE, "isthmus.1"),
        (AUTO, ZATO, "zato"),
        (NATIVE, AUTO, "isthmus.1"),
        (NATIVE, NATIVE, "isthmus.1"),
        (ZATO, AUTO, "zato"),
        (ZATO, ZATO, "zato"),
    ],
)
async def test_a_link_speaks_the_best_that_both_ends_allow(
    network: MemoryNetwork, nursery: trio.Nursery, outgoing: WireFormat, channel: WireFormat, spoken: str
) -> None:
    """The native format where neither end forbids it, else Zato's; calls pass over either."""
    await start(nursery, network, "emea", emea_settings(wire=channel))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, wire=outgoing), [Relay])
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["wire"] == spoken
    assert await apac.invoke("test.relay", {"message": "zato.ping"}) == {"pong": "zato"}


@pytest.mark.parametrize(
    ("outgoing", "channel", "reason"),
    [
        (NATIVE, ZATO, "the channel does not speak isthmus.1, and wire allows nothing else"),
        (ZATO, NATIVE, 'HTTP 400 {"error": "Sub-protocol isthmus.1 expected"}'),
    ],
)
async def test_ends_that_allow_nothing_in_common_get_no_link(
    network: MemoryNetwork, nursery: trio.Nursery, outgoing: WireFormat, channel: WireFormat, reason: str
) -> None:
    """The connection says what the channel does not speak, and dials again later."""
    await start(nursery, network, "emea", emea_settings(wire=channel))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, wire=outgoing))
    entry = await apac.until("outgoing", CONNECTION, "backoff")
    assert entry["detail"]["reason"].endswith(reason)
