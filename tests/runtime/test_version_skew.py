"""Ends of different releases: one that lacks a feature, in either role, works with one that has it.

The older end is one whose wire says and hears nothing of the feature. It also keeps the names of the kinds that it is
sent: none may be one that its release could not have read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from random import Random
from typing import Any

import msgspec
import pytest
import trio

from actors import MessageReceived, NotSupported, Service
from actors.messages import CREDIT, PUBSUB, STREAMS, Hello, Message, Welcome
from actors.settings import EndpointSettings
from runtime import dialing as client_module
from runtime import listening as server_module
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.wire import Frame, NativeWire, Violation
from runtime.wire.compression import ZSTD
from runtime.wire.parts import PARTS
from tests.runtime.test_clients import Calls, call
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

KINDS: dict[str, set[str]] = {
    STREAMS: {"stream", "items", "end"},
    PUBSUB: {"publish", "subscribe", "unsubscribe", "confirm"},
    PARTS: {"part"},
    ZSTD: {"zstd"},
    CREDIT: set(),
}
"""What is sent only to an end that has the feature; of `credit` it is that fewer calls are sent."""

MODULES = {"server": server_module, "client": client_module}
REPEATED = "what is said again and again, " * 10_000
IRREGULAR = Random("irregular").randbytes(150_000).hex()
TOPIC = "/customer/new"
_FEATURES_AT = {"hello": 13, "welcome": 10}


class Watched(NativeWire):
    """A wire that lacks a feature, if any, and keeps the kinds that it takes."""

    lacking = ""
    taken: set[str]
    said: set[str]

    @property
    def _features(self) -> tuple[str, ...]:
        return tuple(one for one in super()._features if one != self.lacking)

    def send(self, messages: Sequence[Message]) -> list[Frame]:
        frames = super().send([self._older(one) for one in messages])
        for one in messages:
            if isinstance(one, Hello | Welcome):
                self.said.update(one.features, super()._features)
        return frames

    def _older(self, message: Message) -> Message:
        if not isinstance(message, Hello | Welcome):
            return message
        known = [one for one in message.features if one != self.lacking]
        changes: dict[str, Any] = {"features": known}
        if self.lacking == CREDIT:
            changes |= {"requests": None, "deliveries": None} if isinstance(message, Hello) else {"requests": None}
        return msgspec.structs.replace(message, **changes)

    def _take(self, frame: bytes, within: type | None = None) -> list[Message | Violation]:
        messages: list[list[Any]] = msgspec.msgpack.decode(frame)
        for fields in messages:
            self.taken.add(fields[0])
            place = _FEATURES_AT.get(fields[0])
            if place is not None and len(fields) > place:
                fields[place] = [one for one in fields[place] if one != self.lacking]
        is_opening = any(fields[0] in _FEATURES_AT for fields in messages)
        return super()._take(msgspec.msgpack.encode(messages) if is_opening else frame, within)


class Slow(Service):
    name = "test.slow"
    concurrency = 100

    async def handle(self) -> str:
        await trio.sleep(1.0)
        return "slow"


class Counts(Service):
    name = "test.counts"

    async def handle(self, count: int) -> AsyncGenerator[int, None]:
        for number in range(count):
            yield number


def hooks(delivered: list[Any]) -> type[Service]:
    """Answer requests of the server, and note what is delivered."""

    class Hooks(Service):
        name = "hooks.all"

        async def handle(self) -> Any:
            ctx = self.request.payload["ctx"]
            if not isinstance(ctx, MessageReceived):
                return None
            if not isinstance(ctx.data.data, list):
                return {"echo": ctx.data.data}
            delivered.extend(one["data"] for one in ctx.data.data)
            return None

    return Hooks


class Does(Service):
    """Does once all that one can over a connection; returns how it went."""

    name = "test.does"

    async def handle(self) -> dict[str, Any]:
        outcomes: dict[str, Any] = {"calls": []}
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            outcomes["large"] = [(await client.invoke("demo.echo", one)).data == one for one in (REPEATED, IRREGULAR)]
            try:
                outcomes["items"] = [one async for one in client.stream("test.counts", 300)]
            except NotSupported:
                outcomes["items"] = None
            await client.publish(TOPIC, "published")
            async with trio.open_nursery() as nursery:

                async def ask() -> None:
                    try:
                        outcomes["calls"].append((await client.invoke("test.slow", timeout=60.0)).data)
                    except Exception as error:
                        outcomes["calls"].append(type(error).__name__)

                for _ in range(5):
                    nursery.start_soon(ask)
        return outcomes


def watched(monkeypatch: pytest.MonkeyPatch, role: str, lacking: str = "") -> type[Watched]:
    """Have one role of all links use such a wire."""
    missing = lacking

    class Wire(Watched):
        lacking = missing
        taken: set[str] = set()  # noqa: RUF012 - one for all wires of the role
        said: set[str] = set()  # noqa: RUF012

    monkeypatch.setattr(MODULES[role], "NativeWire", Wire)
    return Wire


async def pair(nursery: trio.Nursery, network: MemoryNetwork) -> tuple[SimulatedCluster, SimulatedCluster, list[Any]]:
    """Start emea, and apac that dials it; return what apac's hook is given, too."""
    settings = emea_settings(max_in_flight=3)
    settings.endpoints["apac"] = EndpointSettings(channel="gateway", publish=(TOPIC,), subscribe=(TOPIC,))
    emea = await start(nursery, network, "emea", settings, [Slow, Counts, Calls])
    given: list[Any] = []
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Does, hooks(given)])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac, given


async def everything(nursery: trio.Nursery, network: MemoryNetwork, lacking: str) -> None:
    """Do all that one can between two clusters, of which one may lack a feature; nothing costs the link."""
    emea, apac, delivered = await pair(nursery, network)
    outcomes = await apac.invoke("test.does", timeout=100.0)
    assert outcomes["large"] == [True, True]
    assert outcomes["items"] == (None if lacking == STREAMS else list(range(300)))
    refused = outcomes["calls"].count("Overloaded")
    assert refused == (2 if lacking == CREDIT else 0)
    assert outcomes["calls"].count("slow") == 5 - refused
    assert await call(emea, request=IRREGULAR) == {"echo": IRREGULAR}
    await emea.publish(TOPIC, "here")
    await until(lambda: delivered == ["published", "here"])
    assert [one["state"] for one in apac.entry("outgoing", CONNECTION)["transitions"]].count("ready") == 1
    assert apac.entry("outgoing", CONNECTION)["state"] == "ready"


@pytest.mark.parametrize("older", ["server", "client"])
@pytest.mark.parametrize("feature", KINDS)
async def test_an_end_that_lacks_a_feature_is_spared_it(
    feature: str, older: str, network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else works, nothing that it could not read is sent to it, and no link is lost."""
    wire = watched(monkeypatch, older, feature)
    await everything(nursery, network, feature)
    assert not wire.taken & KINDS[feature]


async def test_ends_of_one_release_use_all_features(
    network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the test above is about all of them, and does what needs each."""
    ends = [watched(monkeypatch, role) for role in MODULES]
    await everything(nursery, network, "")
    assert ends[0].said == ends[1].said == set(KINDS)
    assert set().union(*KINDS.values()) - {"unsubscribe"} <= ends[0].taken | ends[1].taken
