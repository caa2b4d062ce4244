"""Our outgoing connection against a scripted channel of Zato: it connects, invokes, subscribes and survives each quirk."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
import trio

from actors import (
    BadInput,
    CallError,
    Forbidden,
    InvokeTimeout,
    LinkDown,
    LinkLost,
    Opaque,
    RemoteError,
    Service,
    ServiceNotFound,
)
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import Address
from tests.interop.zato_channel import SUBSCRIBE, Connection, ZatoChannel, ZatoFailure
from tests.interop.zato_frames import ABSENT, Release, Shape
from tests.planted import PASSWORD
from tests.runtime.test_two_clusters import Relay, until
from tests.support import ADDRESS, CONNECTION, apac_settings, start

TOPIC = "/customer/new"
both_releases = pytest.mark.parametrize("release", list(Release), ids=lambda one: one.value)


class World:
    """A channel of Zato and a cluster that dials it. `events` are what its hooks were told."""

    def __init__(self, nursery: trio.Nursery, network: MemoryNetwork) -> None:
        self._nursery = nursery
        self._network = network
        self.events: list[Any] = []

    async def start(self, *, outgoing: dict[str, Any] | None = None, state: str = "ready", **channel: Any) -> None:
        services = {"demo.echo": echo, "demo.slow": slow, "demo.fails": fails, "demo.silent": silent}
        options = {"services": services, "backlog": {TOPIC: []}, **channel}
        self.channel = ZatoChannel(self._network.node("zato"), Address.parse(ADDRESS), **options)
        await self._nursery.start(self.channel.serve)
        self.apac: SimulatedCluster = await start(
            self._nursery, self._network, "apac", apac_settings(**(outgoing or {})), [Relay, hooks(self.events)]
        )
        await self.apac.until("outgoing", CONNECTION, state)

    @property
    def peer(self) -> Connection:
        return self.channel.connections[-1]

    async def call(self, service: str, request: Any = None, *, timeout: float = 5.0) -> Any:
        return await self.send({"service": service, "request": request}, timeout=timeout)

    async def send(self, message: Any, *, timeout: float = 5.0) -> Any:
        """Send a request over the link and return what the answer holds."""
        return await self.apac.invoke("test.relay", {"message": message, "timeout": timeout}, timeout=timeout + 60)

    async def until_links(self, number: int) -> None:
        """Wait until there have been so many links, of which the last is ready."""
        await until(lambda: len(self.channel.connections) == number)
        await self.apac.until("outgoing", CONNECTION, "ready")
        assert await self.call("demo.echo", "hello") == "hello"

    async def until_received(self, number: int) -> list[Any]:
        """Return the data of all messages, once there are so many."""

        def received() -> list[Any]:
            deliveries = [one.data.data for one in self.events if one.type == "message"]
            return [message["data"] for one in deliveries for message in one]

        await until(lambda: len(received()) >= number)
        return received()

    def of_type(self, kind: str) -> list[Any]:
        return [one for one in self.events if one.type == kind]


@pytest.fixture
async def world(nursery: trio.Nursery, network: MemoryNetwork) -> AsyncGenerator[World, None]:
    """The two, not started yet; whatever happens, nothing that ours says is beyond what Zato understands."""
    found = World(nursery, network)
    yield found
    assert found.channel.ignored == []


def hooks(events: list[Any]) -> type[Service]:
    class Hooks(Service):
        """Answers requests of the server with what they hold."""

        name = "hooks.all"

        class SimpleIO:
            input_optional = (Opaque("ctx"),)

        async def handle(self) -> Any:
            ctx = self.request.input.ctx
            events.append(ctx)
            return {"heard": ctx.data.data} if ctx.type == "message" else None

    return Hooks


async def echo(_connection: Connection, request: Any) -> Any:
    return request


async def slow(_connection: Connection, request: float) -> Any:
    await trio.sleep(request)
    return f"after {request} s"


async def fails(_connection: Connection, request: int) -> Any:
    raise ZatoFailure(request, "the text of the error")


async def silent(_connection: Connection, _request: Any) -> Any:
    return object()  # is no JSON, so that there is no answer, ever


@both_releases
@pytest.mark.parametrize("shape", list(Shape), ids=lambda one: one.value)
async def test_it_invokes_through_each_gateway(world: World, release: Release, shape: Shape) -> None:
    """The result is the result itself, whichever of the four shapes it comes in; the offered sub-protocol is ignored."""
    await world.start(release=release, shape=shape)
    assert world.apac.entry("outgoing", CONNECTION)["detail"]["wire"] == "zato"
    for data in ({"a": 1}, [1, {"b": "/"}], "text", 7, True, {}, "", [], {"x": 1, "response": 2}):
        expected = data if data or shape is not Shape.BARE else None
        assert await world.call("demo.echo", data) == expected


async def test_data_that_is_left_out_is_none(world: World) -> None:
    """On a channel that is mounted on a service nothing is wrapped, and a falsy result has no data in its frame."""
    await world.start(is_gateway=False, services={"mounted": echo})
    assert await world.send({"a": 1}) == {"a": 1}
    for falsy in ({}, [], 0, False, None):
        assert await world.send(falsy) is None


async def test_calls_are_answered_one_after_the_other(world: World) -> None:
    """A call that takes long holds up the one behind it; both have their answers."""
    await world.start()
    ended: list[str] = []
    began = trio.current_time()

    async def call(service: str, request: Any) -> None:
        await world.call(service, request)
        ended.append(service)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "demo.slow", 3.0)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(call, "demo.echo", "quick")
    assert ended == ["demo.slow", "demo.echo"]
    assert trio.current_time() - began >= 3.0


async def test_a_channel_that_is_busy_is_not_taken_for_dead(world: World) -> None:
    """It answers no ping while a service works for a minute; the link is there and the call has its answer."""
    await world.start()
    assert await world.call("demo.slow", 60.0, timeout=120.0) == "after 60.0 s"
    assert len(world.channel.connections) == 1


async def test_calls_excuse_a_dead_channel_for_their_time_only(world: World, network: MemoryNetwork) -> None:
    """Where nothing arrives any more, each call that follows has its own end, and the link ends all the same."""
    await world.start()
    network.silence("zato", "apac")
    began = trio.current_time()
    while not world.of_type("close"):
        with pytest.raises((InvokeTimeout, LinkDown, LinkLost)):
            await world.call("demo.echo", "anybody?", timeout=4.0)
    assert trio.current_time() - began < 60.0
    network.heal()
    await world.until_links(2)


@both_releases
async def test_bad_credentials_reject_the_connection(world: World, release: Release) -> None:
    """Denied and dropped, it shows why; with the right ones it is let in at its next attempt."""
    await world.start(release=release, credentials=("apac", "changed"), state="rejected")
    entry = world.apac.entry("outgoing", CONNECTION)
    assert "You are not authorized to access this resource" in entry["detail"]["reason"]
    assert world.channel.refusals == ["bad credentials of 'apac'"]
    world.channel.credentials = ("apac", PASSWORD)
    await world.until_links(2)


async def test_a_channel_without_security_lets_it_in(world: World) -> None:
    """A session is created all the same."""
    await world.start(credentials=None)
    assert world.peer.token.startswith("zwsxt.")
    assert await world.call("demo.echo", "hello") == "hello"


async def test_an_expired_token_costs_a_link_and_no_more(world: World) -> None:
    """The call that meets it is lost with the link, which comes back with a session and its subscriptions."""
    await world.start(token_ttl=20.0, ping_interval=3600.0, outgoing={"subscribe": (TOPIC,)})
    await trio.sleep(30.0)
    with pytest.raises(LinkLost):
        await world.call("demo.echo", "too late")
    assert world.channel.refusals[0].startswith("no token or a wrong one")
    await world.until_links(2)
    await until(lambda: TOPIC in world.peer.subscriptions)


@both_releases
async def test_pings_with_payloads_are_answered(world: World, release: Release) -> None:
    """Over many intervals each ping has its pong, which prolongs the token; ours do not bring foreign pongs about."""
    await world.start(release=release, token_ttl=10.0, ping_interval=3.0)
    await trio.sleep(300.0)
    assert world.peer.pongs >= 99
    assert await world.call("demo.echo", "hello") == "hello"
    assert (len(world.channel.connections), world.channel.refusals) == (1, [])


async def test_an_idle_link_lives(world: World) -> None:
    """Our own pings are answered where the server does not ping, and it sees no pong that it did not ask for."""
    await world.start(ping_interval=3600.0)
    await trio.sleep(600.0)
    assert await world.call("demo.echo", "hello") == "hello"
    assert (len(world.channel.connections), world.channel.refusals) == (1, [])


@both_releases
async def test_what_is_pushed_before_the_answer_is_handled_once(world: World, release: Release) -> None:
    """A backlog comes before the sub_key, each message twice in its frame; on_message gets each once."""
    await world.start(release=release, backlog={TOPIC: [1, 2, 3]}, outgoing={"subscribe": (TOPIC,)})
    assert await world.until_received(3) == [1, 2, 3]
    await world.peer.deliver(TOPIC, 4)
    assert await world.until_received(4) == [1, 2, 3, 4]


@both_releases
@pytest.mark.parametrize("data", [{"a": 1}, "{'a': 1}", [1, 2], '{\n    "a": 1\n}', ""])
async def test_one_message_and_several(world: World, release: Release, data: Any) -> None:
    """An object and a list of them are handed to on_message as a list, and each frame is answered."""
    await world.start(release=release, outgoing={"subscribe": (TOPIC,)})
    [single] = await world.peer.deliver(TOPIC, data)
    await world.peer.deliver(TOPIC, data, data, ctx={"reply_to_sk": ["zpsk.wsx.other.1"]})
    received = await world.until_received(3)
    assert received == [data] * 3
    assert [len(one.data.data) for one in world.of_type("message")] == [1, 2]
    await until(lambda: single in world.peer.answers)


@both_releases
async def test_it_answers_requests_of_the_server(world: World, release: Release) -> None:
    """What on_message returns is the answer, also to a request that has no data."""
    await world.start(release=release)
    assert await world.peer.request({"how": "are you"}) == {"heard": {"how": "are you"}}
    assert await world.peer.request(ABSENT) == {"heard": None}
    assert await world.peer.request([1]) == {"heard": [1]}


async def test_a_broadcast_has_one_id_for_all(world: World) -> None:
    """The same id again is another request, since Zato gives it to all peers of a broadcast."""
    await world.start()
    await world.channel.broadcast({"news": 1})
    assert await world.peer.answer_to("broadcast0000000000001") == {"heard": {"news": 1}}
    assert [one.data.data for one in world.of_type("message")] == [{"news": 1}]


async def test_silence_is_a_time_out(world: World) -> None:
    """A call that is never answered ends in its time, and the link carries the next one."""
    await world.start()
    with pytest.raises(InvokeTimeout):
        await world.call("demo.silent", timeout=2.0)
    assert await world.call("demo.echo", "hello") == "hello"
    assert len(world.channel.connections) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, BadInput), (403, Forbidden), (404, ServiceNotFound), (409, CallError), (500, RemoteError)],
)
async def test_errors_are_typed(world: World, status: int, error: type[CallError]) -> None:
    """Each status is an error of its own, with the text that the server gives."""
    await world.start()
    with pytest.raises(error, match="the text of the error"):
        await world.call("demo.fails", status)


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "Server is shutting down"), (4002, "Pings missed"), (4005, "")]
)
async def test_a_close_is_echoed_and_the_link_comes_back(world: World, code: int, reason: str) -> None:
    """The server, which does not end TCP by itself, gets its code back; on_close hears it; the link is dialled anew."""
    await world.start(outgoing={"subscribe": (TOPIC,)})
    first = world.peer
    await first.close(code, reason)
    await first.is_gone.wait()
    assert first.close_received is not None
    assert first.close_received[0] == code
    await world.until_links(2)
    await until(lambda: TOPIC in world.peer.subscriptions)
    [closed] = world.of_type("close")
    assert (closed.code, closed.reason, closed.origin) == (code, reason, "remote")


async def test_a_dropped_connection_comes_back(world: World) -> None:
    """The end of TCP without a close frame is the network's doing; the link is dialled anew."""
    await world.start()
    await world.peer.drop()
    await world.until_links(2)
    [closed] = world.of_type("close")
    assert (closed.code, closed.origin) == (1006, "network")


async def test_a_denial_ends_the_link(world: World) -> None:
    """The session is over with it, though the server does not end the connection: the link is dialled anew."""
    await world.start(release=Release.OLD)
    await world.peer.say(world.peer.frames.denial())
    await world.until_links(2)
    [closed] = world.of_type("close")
    assert (closed.reason, closed.origin) == ("You are not authorized to access this resource", "remote")


@both_releases
async def test_a_silent_link_is_given_up_by_both(world: World, network: MemoryNetwork, release: Release) -> None:
    """Where nothing arrives any more the server misses its pings and we miss ours; the next link works."""
    await world.start(release=release, ping_interval=3.0)
    first = world.peer
    network.partition(["apac"], ["zato"])
    await until(lambda: world.of_type("close"))
    assert world.of_type("close")[0].code == 4002
    await until(lambda: "pings missed" in world.channel.refusals)
    network.heal()
    await first.is_gone.wait()
    await world.until_links(2)


async def test_a_list_of_topics_is_answered_with_a_repr(world: World) -> None:
    """The answer has a string that is no JSON but a list in Python's words; whoever asked gets the list."""
    await world.start(backlog={TOPIC: [], "/customer/old": []})
    answer = await world.call(SUBSCRIBE, {"topic_name_list": [TOPIC, "/customer/old"]})
    assert {one["topic_name"]: one["sub_key"] for one in answer["sub_data"]} == world.peer.subscriptions


async def test_an_unknown_topic_holds_nothing_up(world: World) -> None:
    """It is shown as refused, with the server's words, and the link is ready."""
    await world.start(outgoing={"subscribe": ("/none", TOPIC)})
    detail = world.apac.entry("outgoing", CONNECTION)["detail"]
    assert "No such topic `/none`" in detail["refused"]["/none"]
    assert detail["subscribed"] == [TOPIC]


async def test_a_wrong_path_is_named(world: World) -> None:
    """A channel knows one path: the state shows the HTTP status."""
    await world.start(outgoing={"address": ADDRESS + ".other"}, state="backoff")
    assert "HTTP 404" in world.apac.entry("outgoing", CONNECTION)["detail"]["reason"]
