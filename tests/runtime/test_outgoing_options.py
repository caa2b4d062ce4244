"""Options of outgoing connections, each seen to act, and what clients can do over them, on both wires."""

from __future__ import annotations

import errno
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from actors import Backoff, Forbidden, InvokeTimeout, LinkLost, NotFound, Service, Subscribing
from actors.secret import masked_address
from runtime.config.schema import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from tests.planted import PASSWORD
from tests.runtime.test_two_clusters import Relay, recorder, until
from tests.runtime.test_websocket_remote import FEED, running
from tests.support import CONNECTION, apac_settings, emea_settings, start

NEW, MORE = "/customer/new", "/customer/more"


class ShowsCaller(Service):
    name = "test.shows-caller"

    def handle(self) -> dict[str, Any]:
        caller = self.caller
        assert caller is not None
        return {"attrs": dict(caller.attrs), "client_id": caller.client_id, "client_name": caller.client_name}


async def test_a_channel_is_told_who_its_client_is(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The attributes that are set, and the id and the name by which Zato knows outgoing connections."""
    await start(nursery, network, "emea", emea_settings(), [ShowsCaller])
    attrs = {"site": "north = 1", "priority": 3, "is_main": True}
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, attrs=attrs), [Relay])
    shown = await apac.invoke("test.relay", {"message": "test.shows-caller"})
    assert shown["attrs"] == attrs
    assert shown["client_id"].startswith("wsx.out.")
    assert len(shown["client_id"]) == len("wsx.out.") + 16
    assert CONNECTION in shown["client_name"]


def lister(answers: list[Any]) -> type[Service]:
    """Return an on_subscribe that gives these answers, one a time, the last one again and again."""

    class Lists(Service):
        name = "test.lists"

        async def handle(self, ctx: Subscribing) -> Any:
            assert ctx.type == "subscribe"
            assert ctx.config.name == CONNECTION
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Lists


async def subscribing(
    nursery: trio.Nursery, network: MemoryNetwork, answers: list[Any], events: list[Any]
) -> tuple[SimulatedCluster, SimulatedCluster]:
    emea = await start(nursery, network, "emea", emea_settings(topics=(NEW, MORE)))
    settings = apac_settings(subscribe=(NEW,), on_subscribe="test.lists", backoff=Backoff(0.5, 30.0))
    apac = await start(nursery, network, "apac", settings, [lister(answers), recorder(events)])
    return emea, apac


def topics_of(cluster: SimulatedCluster) -> set[str]:
    """Return which topics are subscribed to."""
    return {one["detail"]["topic"] for one in cluster.actors() if one["kind"] == "subscription"}


async def test_a_service_adds_topics_to_those_listed(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What on_subscribe lists is subscribed to at each link, once each; what is no topic's name is named and left out."""
    events: list[Any] = []
    emea, apac = await subscribing(nursery, network, [[MORE, NEW, 7, "no-slash"]], events)
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["subscribed"] == [MORE, NEW]
    assert entry["detail"]["on_subscribe"] == "on_subscribe gave what is no topic's name: 7, 'no-slash'"
    await emea.publish(MORE, "hello")
    await until(lambda: any(one.type == "message" for one in events))
    network.cut()
    await apac.until("outgoing", CONNECTION, "backoff")
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["subscribed"] == [MORE, NEW]


@pytest.mark.parametrize("first", [RuntimeError("not now"), None, MORE, {MORE: 1}])
async def test_a_service_that_gives_no_list_is_asked_again(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, first: Any
) -> None:
    """The topics that are listed are subscribed to at once, the others when it has answered."""
    _emea, apac = await subscribing(nursery, network, [first, [MORE]], [])
    began = trio.current_time()
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["subscribed"] == [NEW]
    assert "on_subscribe" in entry["detail"]["on_subscribe"]
    await until(lambda: apac.entry("outgoing", CONNECTION)["detail"]["subscribed"] == [MORE, NEW])
    assert 29 < trio.current_time() - began < 31
    assert "on_subscribe" not in apac.entry("outgoing", CONNECTION)["detail"]


async def test_what_a_service_listed_before_is_kept_while_it_cannot_be_asked(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A failing on_subscribe costs no subscription of an earlier link; one that lists it no more ends it."""
    events: list[Any] = []
    answers: list[Any] = [[MORE], RuntimeError("not now"), [MORE], []]
    emea, apac = await subscribing(nursery, network, answers, events)
    await apac.until("outgoing", CONNECTION, "ready")
    network.cut()
    await apac.until("outgoing", CONNECTION, "backoff")
    await apac.until("outgoing", CONNECTION, "ready")
    assert topics_of(emea) == {MORE, NEW}
    await emea.publish(MORE, "hello")
    await until(lambda: any(one.type == "message" for one in events))
    assert apac.entry("outgoing", CONNECTION)["detail"]["subscribed"] == [MORE, NEW]
    network.cut()
    await apac.until("outgoing", CONNECTION, "backoff")
    entry = await apac.until("outgoing", CONNECTION, "ready")
    assert entry["detail"]["subscribed"] == [NEW]
    assert topics_of(emea) == {NEW}


async def test_a_call_that_says_no_timeout_has_that_of_its_connection(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Calls, publishing and each item of a stream; what a call says itself goes before it."""

    class Never(Service):
        name = "test.never"

        async def handle(self) -> None:
            await trio.sleep_forever()

    class Streams(Service):
        name = "test.streams"

        async def handle(self) -> AsyncIterator[int]:
            await trio.sleep_forever()
            yield 1

    class Asks(Service):
        name = "test.asks"

        async def handle(self, timeout: float | None) -> list[float]:
            said = {} if timeout is None else {"timeout": timeout}
            conn = self.out.wsx.get(CONNECTION).conn
            took = []
            for call in (
                lambda: conn.invoke("test.never", **said),
                lambda: conn.client().invoke_service("test.never", **said),
                lambda: anext(aiter(conn.client().stream("test.streams", **said))),
            ):
                began = trio.current_time()
                with pytest.raises(InvokeTimeout):
                    await call()
                took.append(round(trio.current_time() - began, 1))
            return took

    await start(nursery, network, "emea", emea_settings(), [Never, Streams])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, timeout=17.0), [Asks])
    await apac.until("outgoing", CONNECTION, "ready")
    assert await apac.invoke("test.asks", None, timeout=100.0) == [17.0, 17.0, 17.0]
    assert await apac.invoke("test.asks", 3.0, timeout=100.0) == [3.0, 3.0, 3.0]


async def test_a_silent_peer_ends_the_link_after_socket_read_timeout(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Whatever pings are still allowed to miss; a peer that only answers pings is not silent."""
    await start(nursery, network, "emea", emea_settings())
    timeouts: dict[str, Any] = {"pings_missed_threshold": 100, "socket_read_timeout": 25.0}
    apac = await start(nursery, network, "apac", apac_settings(hooks=False, **timeouts))
    await apac.until("outgoing", CONNECTION, "ready")
    await trio.sleep(300)
    assert apac.entry("outgoing", CONNECTION)["state"] == "ready"
    network.silence("emea", "apac")
    began = trio.current_time()
    entry = await apac.until("outgoing", CONNECTION, "backoff")
    assert "1006 nothing was received for 25 s" in entry["detail"]["reason"]
    assert 14 < trio.current_time() - began <= 26


async def test_a_peer_that_takes_nothing_ends_the_link_after_socket_write_timeout(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Bytes that wait and of which none are taken end it; one that takes them slowly does not."""
    quiet: dict[str, Any] = {"ping_interval": 3600.0, "socket_write_timeout": 5.0}
    server, cluster = await running(nursery, network, [], **quiet)
    network.throttle("apac", "server", 20_000)
    for _ in range(4):
        await cluster.invoke("test.sends", {"frames": ["x" * 200_000], "timeout": 30.0})
    await until(lambda: len(server.received) == 4)
    assert cluster.entry("outgoing", FEED)["state"] == "ready"
    server.is_reading = False
    began = trio.current_time()

    async def flood() -> None:
        while True:
            await cluster.invoke("test.sends", {"frames": ["x" * 200_000], "timeout": 120.0})

    async def flood_until_it_ends() -> None:
        with pytest.raises(LinkLost):
            await flood()

    nursery.start_soon(flood_until_it_ends)
    entry = await cluster.until("outgoing", FEED, "backoff")
    assert "1006 the peer took no bytes for 5 s" in entry["detail"]["reason"]
    assert trio.current_time() - began < 60


async def test_a_client_subscribes_and_publishes(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What clients of Zato can do beside invoking; the answers have what an answer has."""
    events: list[Any] = []

    class Uses(Service):
        name = "test.uses"

        async def handle(self) -> list[Any]:
            connection = self.out.wsx[CONNECTION].conn
            async with connection.client() as client:
                subscribed = await client.subscribe(NEW, delivery_batch_size=1)
                published = await client.publish("/order/new", {"a": 1}, priority=7)
                for wrong in (client.subscribe("/secret/topic"), client.publish("/customer/new", 1)):
                    with pytest.raises((Forbidden, NotFound)):
                        await wrong
            answer = await connection.invoke("demo.echo", 7)
            assert (answer.is_ok, answer.status, answer.data) == (True, 200, 7)
            assert answer.id
            assert answer.in_reply_to
            assert answer.timestamp
            return [subscribed["sub_key"], published["msg_id"]]

    emea = await start(nursery, network, "emea", emea_settings(topics=(NEW, "/order/new")))
    apac = await start(nursery, network, "apac", apac_settings(), [Uses, recorder(events)])
    sub_key, msg_id = await apac.invoke("test.uses")
    assert msg_id.startswith("zpsm")
    await emea.publish(NEW, "hello")
    await until(lambda: len(events) == 2)
    assert [(one["data"], one["sub_key"]) for one in events[1].data.data] == [("hello", sub_key)]


async def test_blocking_services_have_the_same_client(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """In `def handle` the same methods block and give the result."""

    class Uses(Service):
        name = "test.uses"

        def handle(self) -> list[Any]:
            with self.out.wsx.get(CONNECTION).conn.client() as client:
                return [
                    client.publish("/order/new", 1)["msg_id"][:4],
                    client.invoke_service("demo.echo", [1]).data,
                    self.out.wsx.get(CONNECTION).conn.send({"service": "demo.echo", "request": 2}).data,
                ]

    await start(nursery, network, "emea", emea_settings(topics=("/order/new",)))
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Uses])
    assert await apac.invoke("test.uses") == ["zpsm", [1], 2]


async def test_hooks_see_the_settings_without_secrets(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """ctx.config has each setting by its name, as attribute and as key."""
    events: list[Any] = []
    await start(nursery, network, "emea", emea_settings())
    apac = await start(nursery, network, "apac", apac_settings(password=PASSWORD), [recorder(events)])
    await apac.until("outgoing", CONNECTION, "ready")
    await until(lambda: events)
    config = events[0].config
    assert (config.name, config["username"], config.remote, config.password) == (CONNECTION, "apac", "cluster", "***")
    assert config.backoff.longest == 30.0
    assert PASSWORD not in str(config)


@pytest.mark.parametrize("address", ["10.1.2.3", None])
async def test_a_connections_name_may_stand_for_this_machine(
    network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """`.Zato_Sys_Current_IP` at its end is the address from which this machine speaks, or its own where to nobody."""

    class Socket(socket.socket):
        def connect(self, _address: object) -> None:
            if address is None:
                raise OSError(errno.ENETUNREACH, "no network")

        def getsockname(self) -> tuple[str | None, int]:
            return address, 9

    monkeypatch.setattr("runtime.config.names.socket.socket", Socket)
    [settings] = apac_settings(hooks=False, active=False).outgoing.values()
    named = ClusterSettings(outgoing={f"{name}.Zato_Sys_Current_IP": settings for name in ("a", "a.b")})
    apac = await start(nursery, network, "apac", named)
    names = [one["name"] for one in apac.actors() if one["kind"] == "outgoing"]
    shown = address or "127.0.0.1"
    assert names == [f"a.{shown}", f"a.b.{shown}"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("ws://h:1/p", "ws://h:1/p"),
        ("ws://h:1/p?token=a&x=b%3D&flag", "ws://h:1/p?token=***&x=***&***"),
        ("wss://joe:secret@h/p@q", "wss://***@h/p@q"),
        ("ws://h/?", "ws://h/?"),
        ("ws://h?a=b?c=d", "ws://h?a=***"),
    ],
)
def test_addresses_are_shown_without_what_may_be_secret(address: str, shown: str) -> None:
    """Parameters keep their names and lose their values; credentials before the host are hidden."""
    assert masked_address(address) == shown


def test_an_address_that_is_wrong_is_not_repeated_in_full() -> None:
    """Neither its query string nor credentials in it, which are refused."""
    for address in ("http://h/?key=secret", "ws://joe:secret@h/"):
        with pytest.raises(ValueError, match=r"\*\*\*") as caught:
            Address.parse(address)
        assert "secret" not in str(caught.value)
    assert Address.parse("ws://h:1/p?key=secret").path == "/p?key=secret"
    assert "secret" not in str(Address.parse("ws://h:1/p?key=secret"))
