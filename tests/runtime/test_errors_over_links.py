"""Errors of services in other clusters: over links, on both wires, over two hops."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from actors import CallError, CallErrorGroup, Conflict, NotFound, RemoteError, Service
from runtime.config import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.support import CONNECTION, apac_settings, emea_settings, start

HUB = "ws://hub:47043/zato.wsx.gateway"


class OutOfStock(Conflict):
    """An error that only one cluster has."""


class Fails(Service):
    name = "test.fails"

    async def handle(self, how: str) -> None:
        match how:
            case "own":
                msg = "None left"
                raise OutOfStock(msg, details={"size": 41})
            case "group":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self.fail, NotFound("No boots"))
                    nursery.start_soon(self.fail, Conflict("No laces"))
            case _:
                msg = "an internal detail"
                raise RuntimeError(msg)

    async def fail(self, error: Exception) -> None:
        raise error


class Relay(Service):
    """Calls on: the next cluster's relay, or what fails."""

    name = "test.relay"

    async def handle(self, message: Any) -> Any:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            return (await client.invoke(message)).data


async def chain(nursery: trio.Nursery, network: MemoryNetwork, **channel: Any) -> SimulatedCluster:
    """Start apac, which calls hub, which calls emea; return apac."""
    await start(nursery, network, "emea", emea_settings(**channel), [Fails])
    hub: ClusterSettings = evolve(emea_settings(address=HUB, **channel), outgoing=apac_settings(hooks=False).outgoing)
    running = await start(nursery, network, "hub", hub, [Relay])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, address=HUB), [Relay])
    await running.until("outgoing", CONNECTION, "ready")
    await apac.until("outgoing", CONNECTION, "ready")
    return apac


async def fail(apac: SimulatedCluster, how: str) -> CallError:
    """Have a service two hops away fail, and return the error that arrives."""
    further = {"service": "test.fails", "request": how}
    with pytest.raises(CallError) as failed:
        await apac.invoke("test.relay", {"service": "test.relay", "request": further})
    return failed.value


async def test_an_error_is_the_same_two_hops_away(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Status and text arrive on both wires; kind and details where the format can say them."""
    apac = await chain(nursery, network)
    error = await fail(apac, "own")
    assert (error.status, str(error)) == (409, "None left")
    if wire == "zato":
        assert isinstance(error, Conflict)
    else:
        assert isinstance(error, RemoteError)
        assert (error.kind, error.details) == ("OutOfStock", {"size": 41})


async def test_a_group_of_a_nursery_is_a_group_two_hops_away(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """What failed side by side can be told apart; Zato's format has a text for all of it."""
    apac = await chain(nursery, network)
    error = await fail(apac, "group")
    if wire == "zato":
        assert "No boots" in str(error)
        assert "No laces" in str(error)
    else:
        assert isinstance(error, CallErrorGroup)
        assert {type(one) for one in error.exceptions} == {NotFound, Conflict}


async def test_code_is_shown_only_where_the_channel_says_so(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """By default a caller learns that the service failed, and no more."""
    apac = await chain(nursery, network)
    error = await fail(apac, "other")
    assert (str(error), error.remote_traceback) == ("Internal server error", "")


async def test_tracebacks_of_all_hops_are_shown_where_the_channels_say_so(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """With remote_tracebacks the caller sees where it was raised, and over which services it came."""
    apac = await chain(nursery, network, remote_tracebacks=True)
    error = await fail(apac, "other")
    assert str(error) == "Internal server error"
    assert "RuntimeError: an internal detail" in error.remote_traceback
    assert error.remote_traceback.count("Remote traceback") == 1
    assert "await client.invoke(message)" in error.remote_traceback
