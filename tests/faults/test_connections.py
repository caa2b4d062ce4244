"""Connections that break in the middle of a frame, go silent or are full: every call has one outcome, the link is back."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from actors import ActorRef, CallError, LinkLost
from actors.services.call import Call
from actors.supervision import Backoff
from runtime.cluster import Cluster
from tests.faults.proxy import DOWN, UP, Proxy
from tests.processes import free_port
from tests.runtime.test_two_clusters import Relay, recorder
from tests.support import ADDRESS, apac_settings, emea_settings, start_real

FRAME = 32 * 1024
"""A message that goes as one frame on both wires; what is larger goes in parts on one of them."""
QUICK = Backoff(first=0.02, longest=0.05)


class Pair:
    """Two clusters on real sockets with a proxy between them, and calls from one to the other."""

    def __init__(self, **limits: float) -> None:
        self._limits: dict[str, Any] = limits
        self.events: list[Any] = []
        self.outcomes: list[object] = []

    async def start(self, nursery: trio.Nursery) -> None:
        port = free_port()
        self.proxy = Proxy(port)
        await nursery.start(self.proxy.serve)
        await start_real(nursery, "emea", emea_settings(address=ADDRESS.replace("47043", str(port)), **self._limits))
        address = ADDRESS.replace("47043", str(self.proxy.port))
        settings = apac_settings(address=address, backoff=QUICK, **self._limits)
        self.apac: Cluster = await start_real(nursery, "apac", settings, [Relay, recorder(self.events)])
        await self.until("ready")

    async def until(self, *states: str) -> None:
        """Wait until the connection has been in these states, one after the other, from now on or at last."""
        registry, revision, left, last = self.apac.registry, 0, list(states), ""
        with trio.fail_after(30):
            while left:
                changes = await registry.wait_changes(revision)
                revision = changes.revision
                for one in changes.changed:
                    if one["kind"] != "outgoing":
                        continue
                    for transition in one["transitions"] if last else one["transitions"][-1:]:
                        if transition["at"] >= last and left and transition["state"] == left[0]:
                            del left[0]
                    last = one["transitions"][-1]["at"]

    async def call(self, data: object, *, timeout: float = 10.0) -> None:
        """Make a call and note its outcome; an answer is the same as the request."""
        request = {"message": {"service": "demo.echo", "request": data}, "timeout": timeout}
        try:
            answer = await ActorRef("service:test.relay", self.apac.registry).ask(Call(request), timeout=60.0)
        except CallError as error:
            self.outcomes.append(error)
        else:
            assert answer == data
            self.outcomes.append("answered")


def kinds(outcomes: list[object]) -> Counter[str]:
    return Counter(one if isinstance(one, str) else type(one).__name__ for one in outcomes)


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_cut_in_the_middle_of_a_frame_costs_that_link_only(
    wire: str, direction: str, nursery: trio.Nursery
) -> None:
    """Calls whose frames were under way fail as sent with the link, once each, and the next link carries calls."""
    pair = Pair()
    await pair.start(nursery)
    await pair.call("x" * FRAME)
    pair.proxy.cut_after(direction, FRAME // 2)
    async with trio.open_nursery() as callers:
        for number in range(4):
            callers.start_soon(pair.call, f"{number}" * FRAME)
    assert pair.proxy.cut_done.is_set()
    assert len(pair.outcomes) == 5
    lost = [one for one in pair.outcomes if isinstance(one, LinkLost)]
    assert lost
    assert any(one.sent for one in lost)
    assert set(kinds(pair.outcomes)) <= {"answered", "LinkLost"}
    await pair.call("again")
    assert pair.outcomes[-1] == "answered"
    assert pair.proxy.connections == 2
    assert [one.type for one in pair.events[:2]] == ["connect", "close"]
    assert (pair.events[1].code, pair.events[1].origin) == (1006, "network")
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("direction", [UP, DOWN])
async def test_a_cut_during_the_session_s_first_frames_is_tried_again(
    wire: str, direction: str, nursery: trio.Nursery
) -> None:
    """Wherever in the upgrade or the log-in a connection breaks, the next dial comes, and in the end a call passes."""
    pair = Pair()
    await pair.start(nursery)
    for count in (1, 150, 400, 600):
        pair.proxy.cut_next_after(direction, count)
        pair.proxy.cut_after(DOWN, 1)
        await pair.call("lost")
        assert isinstance(pair.outcomes[-1], LinkLost)
        await pair.call("perhaps under way at the next cut, " * 30)
        assert pair.proxy.cut_done.is_set()
        await pair.call("again")
        assert pair.outcomes[-1] == "answered", count
    assert len(pair.outcomes) == 12
    assert set(kinds(pair.outcomes)) == {"answered", "LinkLost"}
    assert pair.proxy.connections == 9
    nursery.cancel_scope.cancel()


async def test_a_silent_network_is_found_by_heartbeats(wire: str, nursery: trio.Nursery) -> None:
    """Neither end is told, pings go unanswered, calls under way fail with the link; it comes back with the network.

    A peer on Zato's wire may be at work on the first request, and is given until nobody waits for that one.
    """
    pair = Pair(ping_interval=0.1, ping_timeout=0.2)
    await pair.start(nursery)
    pair.proxy.silence()
    async with trio.open_nursery() as callers:
        callers.start_soon(partial(pair.call, "hello", timeout=1.0 if wire == "zato" else 10.0))
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            callers.start_soon(pair.call, "hello")
    assert kinds(pair.outcomes) == ({"InvokeTimeout": 1, "LinkLost": 3} if wire == "zato" else {"LinkLost": 4})
    assert "4002" in str(pair.outcomes[-1])
    await pair.call("hello", timeout=0.3)
    assert kinds(pair.outcomes[4:]) == {"LinkDown": 1}
    pair.proxy.heal()
    await pair.call("hello")
    assert pair.outcomes[-1] == "answered"
    assert [(one.code, one.origin) for one in pair.events if one.type == "close"] == [(4002, "network")]
    nursery.cancel_scope.cancel()


async def test_heartbeats_hold_under_full_load_with_frames_of_64_kib(wire: str, nursery: trio.Nursery) -> None:
    """Both ends send as fast as they can, with pings every tenth of a second: one link carries it all."""
    pair = Pair(ping_interval=0.1, ping_timeout=1.0)
    await pair.start(nursery)

    async def call_often() -> None:
        for _ in range(100):
            await pair.call("x" * FRAME, timeout=30.0)

    async with trio.open_nursery() as callers:
        for _ in range(8):
            callers.start_soon(call_often)
    assert kinds(pair.outcomes) == {"answered": 800}
    assert pair.proxy.connections == 1
    assert [one.type for one in pair.events] == ["connect"]
    nursery.cancel_scope.cancel()
