"""Gateways hand requests on with the slots of their answers; one that has a say in each request handles it itself."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from actors import Service, WebSocketsGateway
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.test_two_clusters import Relay
from tests.support import CONNECTION, apac_settings, emea_settings, start


class Narrow(WebSocketsGateway):
    name = "test.gateway"
    concurrency = 1


async def started(
    nursery: trio.Nursery, network: MemoryNetwork, *classes: type[Service]
) -> tuple[SimulatedCluster, SimulatedCluster]:
    settings = emea_settings()
    channel = evolve(settings.channels["gateway"], service="test.gateway")
    emea = await start(nursery, network, "emea", evolve(settings, channels={"gateway": channel}), classes)
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Relay])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac


async def test_a_request_under_way_takes_no_place_in_its_gateway(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """However few requests a gateway handles at once, the services behind it handle as many as they can."""
    under_way, go_on = [0], trio.Event()

    class Waits(Service):
        name = "test.waits"

        async def handle(self) -> int:
            under_way[0] += 1
            if under_way[0] == 20:
                go_on.set()
            await go_on.wait()
            return 1

    emea, apac = await started(nursery, network, Narrow, Waits)
    answers: list[int] = []

    async def call() -> None:
        answers.append(await apac.invoke("test.relay", {"message": {"service": "test.waits"}}))

    with trio.fail_after(10):
        async with trio.open_nursery() as callers:
            for _ in range(20):
                callers.start_soon(call)
    assert answers == [1] * 20
    assert emea.entry("service", "test.gateway")["handled"] == 20


@pytest.mark.parametrize("is_hook", [True, False])
async def test_a_gateway_of_one_s_own_sees_each_request(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, *, is_hook: bool
) -> None:
    """One that overrides `handle` or a hook is asked; the answer is the same."""
    seen: list[Any] = []

    class Hooked(Narrow):
        name = "test.gateway"

        async def before_handle(self) -> None:
            seen.append(self.request.payload["service"])

    class Handling(Narrow):
        name = "test.gateway"

        async def handle(self, request: Any) -> Any:
            seen.append(request["service"])
            return await super().handle(request)

    _emea, apac = await started(nursery, network, Hooked if is_hook else Handling)
    message = {"service": "demo.echo", "request": {"a": 1}}
    assert await apac.invoke("test.relay", {"message": message}) == {"a": 1}
    assert seen == ["demo.echo"]
