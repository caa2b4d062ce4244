"""Both clusters in one process, over a network in memory and on a clock that jumps over every wait."""

from pathlib import Path

import trio

from runtime.testing import Clusters, MemoryNetwork

CLUSTERS = Path(__file__).parents[1] / "clusters.toml"


async def test_the_partner_hears_of_each_greeting(clusters: Clusters, network: MemoryNetwork) -> None:
    """What is published while the link is down is delivered when it is back."""
    await clusters.start(CLUSTERS)
    host, partner = clusters["@NAME@"], clusters["@NAME@-partner"]
    await partner.until("outgoing", "@NAME@", "ready")
    assert await host.invoke("greeting.greet", {"name": "Ada"}) == {"text": "Hello, Ada!"}
    await trio.sleep(1)  # of the simulation: all that can happen in a second has happened

    assert network.cut("@NAME@-partner", "@NAME@") == 1
    await host.invoke("greeting.greet", {"name": "Grace"})
    await trio.sleep(60)

    received = [event.data.data[0]["data"]["text"] for event in partner.hooks if event.type == "message"]
    assert received == ["Hello, Ada!", "Hello, Grace!"]
