"""The hook service of a channel hears of its peers: of their sessions, their answers to messages, their end."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve

from actors import ChannelEvent, RemoteError, Service, WSXHook
from actors.errors import DialFailed
from actors.messages import Hello
from runtime.config.schema import ClusterSettings
from runtime.testing import MemoryNetwork, SeededEntropy, SimulatedCluster
from runtime.transport import Address, LinkOptions, WebSocketDialer
from runtime.wire import NativeWire, Role, ZatoClientWire
from tests.runtime.peers import peer_of
from tests.runtime.test_two_clusters import until
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start

TOPIC = "/customer/new"


def recording(heard: list[ChannelEvent], *methods: str, is_blocking: bool = False) -> type[WSXHook]:
    """Return a hook that overrides these methods and keeps what they are given."""

    def hear(_self: Any, ctx: ChannelEvent) -> None:
        heard.append(ctx)

    async def wait_and_hear(_self: Any, ctx: ChannelEvent) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(ctx)

    methods = methods or ("on_connected", "on_disconnected", "on_pubsub_response")
    own = dict.fromkeys(methods, hear if is_blocking else wait_and_hear)
    return type("Hook", (WSXHook,), {"name": "test.hook", **own})


class WhoAmI(Service):
    name = "test.who-am-i"

    async def handle(self) -> Any:
        assert self.caller is not None
        return [self.caller.pub_client_id, self.caller.user_data]


async def listening(
    nursery: trio.Nursery,
    network: MemoryNetwork,
    classes: Sequence[type[Service]],
    settings: ClusterSettings | None = None,
    **channel: Any,
) -> SimulatedCluster:
    settings = settings or emea_settings(**{"hook_service": "test.hook", **channel})
    emea = await start(nursery, network, "emea", settings, [WhoAmI, *classes])
    await emea.until("listener", "gateway", "listening")
    return emea


def types(heard: Sequence[ChannelEvent]) -> list[str]:
    return [event.hook_type.removeprefix("wsx_") for event in heard]


@pytest.mark.parametrize("is_blocking", [False, True])
async def test_a_peer_is_heard_of_from_its_session_to_its_end(
    wire: str, network: MemoryNetwork, nursery: Any, *, is_blocking: bool
) -> None:
    """One event each, with all that is known of the peer; also from methods that are no coroutines."""
    heard: list[ChannelEvent] = []
    emea = await listening(nursery, network, [recording(heard, is_blocking=is_blocking)])
    async with peer_of(network, wire, "one", client_id="c1", client_name="Till 1") as peer:
        assert types(heard) == ["on_connected"]
        pub_client_id, _ = await peer.invoke("test.who-am-i")
    await until(lambda: len(heard) == 2)
    assert types(heard) == ["on_connected", "on_disconnected"]
    for event in heard:
        assert event.connection_time is not None
        assert event.connection_time - datetime.datetime(2026, 1, 1) < datetime.timedelta(seconds=60)
        assert event.config == evolve(emea.settings.channels["gateway"])
        assert event.channel_name == "gateway"
        assert (event.pub_client_id, event.ext_client_id, event.ext_client_name) == (pub_client_id, "c1", "Till 1")
        assert (event.peer_address, event.peer_host, event.forwarded_for) == ("memory", "memory", "")
        assert event.peer_conn_info_pretty == f"Till 1 ({pub_client_id}) at memory on channel gateway"
        assert event.msg is None
    assert heard[0].user_data is heard[1].user_data


async def test_user_data_is_there_for_the_first_request(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """What on_connected puts there is what services see, since the peer has its session only then."""

    class Hook(WSXHook):
        name = "test.hook"

        async def on_connected(self, ctx: ChannelEvent) -> None:
            await trio.sleep(1)
            ctx.user_data["till"] = ctx.ext_client_id

    await listening(nursery, network, [Hook])
    async with peer_of(network, wire, "one", client_id="c1") as one, peer_of(network, wire, "two") as two:
        assert (await one.invoke("test.who-am-i"))[1] == {"till": "c1"}
        assert (await two.invoke("test.who-am-i"))[1] == {"till": ""}


@pytest.mark.parametrize("fault", ["raises", "hangs", "is not there"])
async def test_a_hook_that_fails_costs_the_peer_nothing(
    wire: str, fault: str, network: MemoryNetwork, nursery: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The failure is logged, and the peer has its session all the same, after the hook's time-out at the latest."""

    class Hook(WSXHook):
        name = "test.hook"

        async def on_connected(self, ctx: ChannelEvent) -> None:
            if fault == "raises":
                raise ZeroDivisionError
            await trio.sleep_forever()

    await listening(nursery, network, [] if fault == "is not there" else [Hook], hook_timeout=2.0)
    began = trio.current_time()
    async with peer_of(network, wire, "one") as peer:
        assert trio.current_time() - began == pytest.approx(2.0 if fault == "hangs" else 0.0, abs=0.5)
        assert (await peer.invoke("test.who-am-i"))[1] == {}
    assert "hook failed" in capsys.readouterr().out


async def test_the_end_is_heard_of_after_the_beginning_has_ended(
    wire: str, network: MemoryNetwork, nursery: Any
) -> None:
    """A run of on_connected that goes on although its time is over keeps on_disconnected waiting, and nothing else."""
    heard: list[str] = []
    release = trio.Event()

    class Hook(WSXHook):
        name = "test.hook"

        async def on_connected(self, ctx: ChannelEvent) -> None:
            heard.append("begins")
            with trio.CancelScope(shield=True):
                await release.wait()
            heard.append("ends")

        async def on_disconnected(self, ctx: ChannelEvent) -> None:
            heard.append("gone")

    emea = await listening(nursery, network, [Hook], hook_timeout=1.0)
    try:
        async with peer_of(network, wire, "one"):
            pass
        await until(lambda: not [one for one in emea.actors() if one["kind"] == "session"])
        assert heard == ["begins"]
    finally:
        release.set()
    await until(lambda: len(heard) == 3)
    assert heard == ["begins", "ends", "gone"]


@pytest.mark.parametrize("what", ["nothing", "wrong password"])
async def test_a_peer_without_a_session_is_heard_of_when_it_goes(
    wire: str, what: str, network: MemoryNetwork, nursery: Any
) -> None:
    """Whether it said nothing in time or was denied: one on_disconnected, which knows only where it came from."""
    heard: list[ChannelEvent] = []
    await listening(nursery, network, [recording(heard)], new_token_wait_time=2.0)

    def make_wire(subprotocol: str | None, _is_local: bool) -> Any:
        if subprotocol is None:
            return ZatoClientWire(timestamp=lambda: "2026-01-01T00:00:00")
        return NativeWire(Role.CLIENT, timestamp=lambda: "", max_message_size=1 << 20)

    node, address, entropy = network.node("peer"), Address.parse(ADDRESS), SeededEntropy(1)
    offered = ("isthmus.1",) if wire == "isthmus.1" else ()
    dialer = WebSocketDialer(node, address, make_wire, LinkOptions(), entropy=entropy, subprotocols=offered)
    async with dialer.dial() as link:
        if what != "nothing":
            await link.send(Hello("h1", username="apac", secret="wrong"))
        await until(lambda: heard)
    [event] = heard
    assert types(heard) == ["on_disconnected"]
    assert (event.ext_client_id, event.user_data, event.peer_address) == ("", {}, "memory")
    assert event.pub_client_id.startswith("ws.")
    stream = await node.connect(address)
    await stream.aclose()  # no WebSocket, so no peer of the channel
    with pytest.raises(DialFailed):
        async with WebSocketDialer(
            node, Address.parse(ADDRESS + "/other"), make_wire, LinkOptions(), entropy=entropy
        ).dial():
            raise AssertionError
    assert len(heard) == 1


async def test_an_answer_to_messages_is_heard_of(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """Each delivery that a client acknowledged, with what its handler returned."""
    heard: list[ChannelEvent] = []

    class Receives(Service):
        name = "hooks.all"

        async def handle(self) -> Any:
            return {"thanks": True}

    emea = await listening(nursery, network, [recording(heard, "on_pubsub_response")])
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Receives])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish(TOPIC, "one")
    await until(lambda: heard)
    [event] = heard
    assert event.msg is not None
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    assert event.msg.sub_key == subscription["sub_key"]
    assert event.msg.in_reply_to
    assert event.hook_type == "wsx_on_pubsub_response"
    assert event.msg.data == {"thanks": True}


async def test_a_result_that_is_too_large_is_left_out_and_the_messages_are_handled(
    wire: str, network: MemoryNetwork, nursery: Any
) -> None:
    """What on_message returns cannot keep its messages from being acknowledged."""
    heard: list[ChannelEvent] = []

    class Receives(Service):
        name = "hooks.all"

        async def handle(self) -> Any:
            return "x" * 2_000_000

    emea = await listening(nursery, network, [recording(heard, "on_pubsub_response")])
    apac = await start(nursery, network, "apac", apac_settings(subscribe=(TOPIC,)), [Receives])
    await apac.until("outgoing", CONNECTION, "ready")
    await emea.publish(TOPIC, "one")
    await until(lambda: heard)
    assert [event.msg.data for event in heard if event.msg is not None] == [None]


async def test_what_a_zato_client_returned_for_messages_is_in_the_event(network: MemoryNetwork, nursery: Any) -> None:
    """Its response's data, out of its wrapper; an answer to nothing, or a second one, is not heard of."""
    heard: list[ChannelEvent] = []
    emea = await listening(nursery, network, [recording(heard, "on_pubsub_response")])
    async with peer_of(network, "zato", "one") as peer:
        await peer.invoke("zato.pubsub.subscription.create-wsx-subscription", topic_name=TOPIC)
        link: Any = peer._link
        encode = link._wire._encode

        def encode_with_data(message: Any, now: str) -> Any:
            text = encode(message, now)
            return text.replace('"response":null', '"response":{"thanks":1}') if text else text

        link._wire._encode = encode_with_data
        await emea.publish(TOPIC, "one")
        await peer.data(1)
        await until(lambda: heard)
    [event] = heard
    assert event.msg is not None
    assert event.msg.data == {"thanks": 1}


async def test_only_what_is_overridden_is_called(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """A hook for one event alone hears of no other."""
    heard: list[ChannelEvent] = []
    await listening(nursery, network, [recording(heard, "on_disconnected")])
    async with peer_of(network, wire, "one"):
        assert heard == []
    await until(lambda: heard)
    assert types(heard) == ["on_disconnected"]


async def test_a_service_may_be_a_channel_s_hook(wire: str, network: MemoryNetwork, nursery: Any) -> None:
    """It is told by `ctx.hook_type` what happened, in a parameter or as Zato's services find it."""
    heard: list[ChannelEvent] = []

    class Hook(Service):
        name = "test.hook"

        async def handle(self, ctx: ChannelEvent) -> None:
            assert self.request.payload["ctx"] is ctx
            heard.append(ctx)

    await listening(nursery, network, [Hook])
    async with peer_of(network, wire, "one"):
        pass
    await until(lambda: len(heard) == 2)
    assert types(heard) == ["on_connected", "on_disconnected"]


async def test_a_cluster_s_hook_is_that_of_channels_without_their_own(network: MemoryNetwork, nursery: Any) -> None:
    """The channel's wins; administration has none."""
    heard: list[ChannelEvent] = []
    own: list[ChannelEvent] = []

    class Own(recording(own)):  # type: ignore[misc]
        name = "test.own"

    settings = emea_settings()
    other = "ws://127.0.0.1:47044/other"
    settings.channels["other"] = evolve(settings.channels["gateway"], address=other, hook_service="test.own")
    settings = evolve(settings, hook_service="test.hook")
    emea = await listening(nursery, network, [recording(heard), Own], settings)
    await emea.until("listener", "other", "listening")
    async with peer_of(network, "isthmus.1", "one"), peer_of(network, "isthmus.1", "two", address=other):
        assert [event.channel_name for event in heard] == ["gateway"]
        assert [event.channel_name for event in own] == ["other"]


async def test_every_peer_s_end_is_heard_of_when_the_cluster_stops(
    wire: str, network: MemoryNetwork, nursery: Any
) -> None:
    """Also a session that ends because its server does."""
    heard: list[ChannelEvent] = []
    emea = await listening(nursery, network, [recording(heard)])
    async with peer_of(network, wire, "one"), peer_of(network, wire, "two"):
        await emea.stop()
    assert sorted(types(heard)) == ["on_connected", "on_connected", "on_disconnected", "on_disconnected"]


async def test_a_hook_cannot_be_invoked(network: MemoryNetwork, nursery: Any) -> None:
    """Only channels tell it anything."""
    emea = await listening(nursery, network, [recording([])])
    for data in ({}, None, {"ctx": {"hook_type": "wsx_on_connected"}}):
        with pytest.raises(RemoteError, match=r"'test\.hook' is a channel's hook and cannot be invoked"):
            await emea.invoke("test.hook", data)
