"""Publishing and subscribing over a link: messages of their own between peers that know them, invocations with others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from attrs import evolve
from trio.testing import wait_all_tasks_blocked

from actors import CallError, InvokeTimeout, LinkLost, NotSupported, PubSubHook, Service
from actors.channels import channel
from actors.messages import Confirm, Failure, Hello, Publication, PublishTo, SubscribeTo, UnsubscribeFrom, Welcome
from actors.settings import EndpointSettings, OnFull, TopicSettings
from actors.topics.publication import published_of
from runtime.config import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from runtime.transport import WebSocketDialer
from tests.planted import PASSWORD
from tests.runtime.peers import Peer, peer_of
from tests.runtime.test_two_clusters import until
from tests.support import CONNECTION, apac_settings, emea_settings, start

PUBLISH = "zato.pubsub.pubapi.publish-message"
WAYS = ("native", "older", "zato")
DENIED = ["Forbidden", 403, "You are not allowed to access this resource"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A server that knows the messages, one of an older release, and one that speaks Zato's format."""
    if request.param == "older":
        monkeypatch.setattr(channel, "FEATURES", ("streams",))
    elif request.param == "zato":
        monkeypatch.setitem(WebSocketDialer.__init__.__kwdefaults__, "subprotocols", ())
    return str(request.param)


def topics(**options: Any) -> ClusterSettings:
    """Return emea with a topic that is kept, one in memory, one that rejects, one by a pattern and one nobody may use."""
    settings = emea_settings(topics=("/customer/new", "/secret/known"), **options)
    settings.topics["/customer/memory"] = TopicSettings()
    settings.topics["/customer/full"] = TopicSettings(max_depth_non_gd=1, on_full=OnFull.REJECT)
    settings.topics["/customer/made/*"] = TopicSettings()
    settings.endpoints["apac"] = EndpointSettings(
        channel="gateway", publish=("/customer/**",), subscribe=("/customer/**",)
    )
    return settings


def acting(act: Callable[[Any], Awaitable[Any]]) -> type[Service]:
    """Return a service that does what a test says with the client of its connection."""

    class Acts(Service):
        name = "test.acts"

        async def handle(self) -> Any:
            async with self.out.wsx.get(CONNECTION).conn.client() as client:
                return await act(client)

    return Acts


class Hook(Service):
    """Keeps what is delivered."""

    name = "hooks.all"

    async def setup(self) -> None:
        self.received: list[Any] = []

    async def handle(self) -> Any:
        data = getattr(self.request.payload["ctx"], "data", None) if isinstance(self.request.payload, dict) else None
        if data is not None:
            self.received += data.data
        return [one["data"] for one in self.received]


async def outcome(doing: Awaitable[Any]) -> Any:
    """Return a result's data, or what the call failed with."""
    try:
        return (await doing).data
    except CallError as error:
        return [type(error).__name__, error.status, str(error)]


async def pair(
    nursery: trio.Nursery,
    network: MemoryNetwork,
    act: Callable[[Any], Awaitable[Any]],
    settings: ClusterSettings | None = None,
    *,
    hooks: bool = False,
    classes: tuple[type[Service], ...] = (),
) -> tuple[SimulatedCluster, SimulatedCluster]:
    """Start emea, and apac whose service acts over their link."""
    emea = await start(nursery, network, "emea", settings or topics(), classes)
    apac = await start(nursery, network, "apac", apac_settings(hooks=hooks), [acting(act), Hook])
    await apac.until("outgoing", CONNECTION, "ready")
    return emea, apac


def invoked(emea: SimulatedCluster, service: str) -> int:
    """Return how often a service was invoked."""
    count: int = emea.entry("service", service)["counts"].get("handled", 0)
    return count


async def test_all_ways_publish_alike(way: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Every option arrives, every error is the same; only a peer that knows the message is spared the service."""
    options = {
        "msg_id": "m1",
        "priority": 9,
        "expiration": 60,
        "correl_id": "c1",
        "in_reply_to": "r1",
        "ext_client_id": "e1",
        "ext_pub_time": "2026-01-31T12:00:00",
        "mime_type": "text/x",
        "has_gd": True,
        "user_ctx": {"a": 1},
    }

    async def act(client: Any) -> list[Any]:
        return [
            await outcome(client.publish("/customer/memory", {"a": [1, None]}, **options)),
            await outcome(client.publish("/customer/memory", {"a": [1, None]}, **options)),
            await outcome(client.publish("/customer/memory", "other", **options)),
            await outcome(client.publish("/customer/memory", "x", priority=10)),
            await outcome(client.publish("/customer/memory", "x", hass_gd=True)),
            await outcome(client.publish("/customer/memory", "")),
            await outcome(client.publish("/customer/full", "x", msg_id="f1")),
            await outcome(client.publish("/customer/full", "x", msg_id="f2")),
            await outcome(client.publish("/customer/unknown", "x")),
            await outcome(client.publish("/customer/made/1", "x", msg_id="p1")),
            await outcome(client.publish("/secret/known", "x", priority=10)),
            await outcome(client.publish("/secret/unknown", "")),
        ]

    emea, apac = await pair(nursery, network, act)
    *good, invalid, unknown_option, empty, first, second, unknown, made, denied, denied_too = await apac.invoke(
        "test.acts"
    )
    conflict = ["Conflict", 409, "message id 'm1' was used before with other data"]
    assert good == [{"msg_id": "m1"}, {"msg_id": "m1"}, conflict]
    assert invalid == ["BadInput", 400, "priority: expected a whole number from 1 to 9, got 10"]
    assert unknown_option[2].startswith("unknown publish option 'hass_gd'")
    assert empty == ["BadInput", 400, "No data sent on input"]
    assert first == {"msg_id": "f1"}
    assert second[:2] == ["Overloaded", 503]
    assert unknown[1:] == [404, "No such topic `/customer/unknown`"]
    assert made == {"msg_id": "p1"}
    assert denied == denied_too == DENIED
    ledger = emea.store.ledger
    [stored] = list(ledger.messages(ledger.topics["/customer/memory"], 0, 100))
    published = published_of(stored.body)
    assert published.data == {"a": [1, None]}
    assert {name: getattr(published, name) for name in options} == options
    assert (invoked(emea, PUBLISH) > 0) is (way != "native")


async def test_all_ways_subscribe_alike(way: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A subscription is made, delivers, and is ended again; refusals tell nothing of what there is."""

    async def act(client: Any) -> list[Any]:
        sub_key = await outcome(client.subscribe("/customer/new", delivery_batch_size=7))
        refused = [
            await outcome(client.subscribe("/secret/known", ordered="yes")),
            await outcome(client.subscribe("/secret/unknown")),
            await outcome(client.subscribe("/customer/unknown")),
        ]
        wrong = [
            await outcome(client.subscribe("/customer/new", ordered="yes")),
            await outcome(client.subscribe("/customer/new", unsub_on_wsx_close="yes")),
        ]
        return [sub_key, refused, wrong]

    emea, apac = await pair(nursery, network, act, hooks=True)
    given, refused, wrong = await apac.invoke("test.acts")
    assert given["sub_key"].startswith("zpsk.websockets.")
    assert refused == [DENIED] * 3
    assert [one[:2] for one in wrong] == [["BadInput", 400]] * 2
    [found] = await emea.invoke("isthmus.admin.subscriptions")
    assert (found["sub_key"], found["topic"]) == (given["sub_key"], "/customer/new")
    await emea.publish("/customer/new", "one")
    with trio.fail_after(60):
        while not await apac.invoke("hooks.all"):
            await trio.sleep(0.1)
    assert await apac.invoke("hooks.all") == ["one"]


async def test_a_subscription_is_ended_over_the_link(way: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """With its sub_key or without; a second time, and for what is not there, it is harmless."""

    async def act(client: Any) -> list[Any]:
        sub_key = (await client.subscribe("/customer/new"))["sub_key"]
        await client.subscribe("/customer/memory")
        return [
            await outcome(client.unsubscribe("/customer/new", sub_key)),
            await outcome(client.unsubscribe("/customer/new", sub_key)),
            await outcome(client.unsubscribe("/customer/memory")),
            await outcome(client.unsubscribe("/secret/unknown")),
        ]

    emea, apac = await pair(nursery, network, act, hooks=True)
    assert await apac.invoke("test.acts") == [{}] * 4
    assert await emea.invoke("isthmus.admin.subscriptions") == []


async def test_a_list_goes_as_one_request(way: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Its messages are checked before any is stored; a peer that takes one at a time is sent nothing."""
    elements = [{"data": "a", "msg_id": "a"}, {"data": {"b": 1}, "priority": 9}]

    async def act(client: Any) -> list[Any]:
        return [
            await outcome(client.publish("/customer/new", data_list=elements, correl_id="all")),
            await outcome(client.publish("/customer/made/2", data_list=elements)),
            await outcome(client.publish("/customer/new", data_list=[])),
            await outcome(client.publish("/customer/new", data_list=[{"data": "c"}, {"data": "d", "priority": 0}])),
            await outcome(client.publish("/customer/new", data_list=[{"data": "e"}, {"data": "f", "msg_id": "a"}])),
        ]

    emea, apac = await pair(nursery, network, act)
    outcomes = await apac.invoke("test.acts")
    if way != "native":
        assert [one[0] for one in outcomes] == [NotSupported.__name__] * 5
        assert emea.entry("topic", "/customer/new")["counts"].get("handled", 0) == 0
        return
    ids, made, none, wrong, conflict = outcomes
    assert ids["msg_ids"][0] == made["msg_ids"][0] == "a"
    assert (len(ids["msg_ids"]), none) == (2, {"msg_ids": []})
    assert wrong == ["BadInput", 400, "data_list: element 2: priority: expected a whole number from 1 to 9, got 0"]
    assert conflict[:2] == ["Conflict", 409]
    assert conflict[2].startswith("1 of 2 messages are not published; message 2: ")
    messages = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/new"})
    assert [one["data"] for one in messages] == ["a", {"b": 1}, "e"]


@pytest.mark.parametrize("wrong", ["topic", "sub_key", "element"])
async def test_what_cannot_be_sent_costs_the_link_nothing(
    wrong: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A caller's mistake fails its call before anything is sent, and the link is the same afterwards."""

    async def act(client: Any) -> Any:
        mistakes = {
            "topic": lambda: client.publish(7, "x"),
            "sub_key": lambda: client.unsubscribe("/customer/new", 7),
            "element": lambda: client.publish("/customer/new", data_list=[{1: "x"}]),
        }
        with pytest.raises(CallError) as failed:
            await mistakes[wrong]()
        assert failed.value.status == 400
        with pytest.raises(CallError, match="cannot be encoded"):
            await client.publish("/customer/new", 1 << 70)
        return (await client.publish("/customer/new", "x", msg_id="good")).data

    emea, apac = await pair(nursery, network, act)
    assert await apac.invoke("test.acts") == {"msg_id": "good"}
    assert [one["restarts"] for one in apac.actors() if one["restarts"]] == []
    assert emea.entry("topic", "/customer/new")["counts"]["handled"] == 1


async def test_who_has_no_time_left_publishes_nothing(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A publish that waits for its topic when its time is over, or whose caller leaves, is never stored."""
    release = trio.Event()

    class Slow(PubSubHook):
        name = "test.slow"

        async def before_publish(self, ctx: Any) -> None:
            if ctx.msg.data == "first":
                await release.wait()

    async def act(client: Any) -> Any:
        async with trio.open_nursery() as inner:
            first: list[Any] = []

            async def publish_first() -> None:
                first.append((await client.publish("/customer/slow", "first", msg_id="first", timeout=60.0)).data)

            inner.start_soon(publish_first)
            await wait_all_tasks_blocked()
            with pytest.raises(InvokeTimeout):
                await client.publish("/customer/slow", "late", timeout=1.0)
            with trio.move_on_after(1.0):
                await client.publish("/customer/slow", "left", timeout=60.0)
            await trio.sleep(1.0)
            release.set()
        return first

    settings = topics()
    settings.topics["/customer/slow"] = TopicSettings(hook_service="test.slow")
    emea, apac = await pair(nursery, network, act, settings, classes=(Slow,))
    assert await apac.invoke("test.acts", timeout=120.0) == [{"msg_id": "first"}]
    messages = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/slow"})
    assert [one["data"] for one in messages] == ["first"]
    [session] = [one for one in emea.actors() if one["kind"] == "session" and one["detail"].get("cluster") == "apac"]
    assert session["gauges"]["in_flight"] == 0


async def test_a_lost_link_says_whether_a_publish_was_sent(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """As with calls: who waits for a confirmation hears that it may have been stored."""
    waits = trio.Event()

    class Never(PubSubHook):
        name = "test.never"

        async def before_publish(self, _ctx: Any) -> None:
            waits.set()
            await trio.sleep_forever()

    async def act(client: Any) -> Any:
        async def cut() -> None:
            await waits.wait()
            network.cut()

        async with trio.open_nursery() as inner:
            inner.start_soon(cut)
            with pytest.raises(LinkLost) as lost:
                await client.publish("/customer/never", "x", timeout=60.0)
        return lost.value.sent

    settings = topics()
    settings.topics["/customer/never"] = TopicSettings(hook_service="test.never")
    _emea, apac = await pair(nursery, network, act, settings, classes=(Never,))
    assert await apac.invoke("test.acts", timeout=120.0) is True


async def test_no_gateway_is_needed(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """On a channel straight on a service the endpoint lets its peers use topics; the service is not asked."""

    class Straight(Service):
        name = "test.straight"

        async def handle(self) -> str:
            return "asked"

    async def act(client: Any) -> Any:
        return [await outcome(client.publish("/customer/new", "x", msg_id="m1")), (await client.invoke({})).data]

    settings = topics()
    gateway = evolve(settings.channels["gateway"], service="test.straight")
    _emea, apac = await pair(
        nursery, network, act, evolve(settings, channels={"gateway": gateway}), classes=(Straight,)
    )
    assert await apac.invoke("test.acts") == [{"msg_id": "m1"}, "asked"]


class Answers(Peer):
    """A peer that keeps every answer about topics."""

    async def hear(self, requests: set[str]) -> tuple[list[Confirm], list[Failure]]:
        """Read until each of the requests is answered."""
        confirms: list[Confirm] = []
        failures: list[Failure] = []
        while requests:
            for message in await self._link.receive():
                if isinstance(message, Confirm):
                    confirms.append(message)
                    requests -= {one.in_reply_to for one in message.confirmed}
                elif isinstance(message, Failure):
                    failures.append(message)
                    requests.discard(message.in_reply_to)
        return confirms, failures

    def say_all(self, *messages: Any) -> None:
        """Send without waiting for answers."""
        for message in messages:
            self._link.send_nowait(message)


def publish(number: int, topic: str = "/customer/memory", **options: Any) -> PublishTo:
    return PublishTo(f"p{number}", [Publication(f"x{number}", options)], topic=topic)


async def test_what_is_published_at_once_is_confirmed_at_once(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """One message confirms many; each request is answered once, those that fail by themselves."""
    emea = await start(nursery, network, "emea", topics(max_in_flight=1000))
    await emea.until("listener", "gateway", "listening")
    async with peer_of(network, "isthmus.1", "one") as plain:
        peer = Answers(plain._link, plain._entropy)
        peer.say_all(
            *(publish(number) for number in range(400)), publish(400, priority=0), publish(401, "/secret/known")
        )
        confirms, failures = await peer.hear({f"p{number}" for number in range(402)})
    confirmed = [one for confirm in confirms for one in confirm.confirmed]
    assert sorted(one.in_reply_to for one in confirmed) == sorted(f"p{number}" for number in range(400))
    assert len({one.ids[0] for one in confirmed}) == 400
    assert len(confirms) < 10
    assert {(one.in_reply_to, one.kind) for one in failures} == {("p400", "BadInput"), ("p401", "Forbidden")}
    messages = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/memory", "limit": 400})
    assert [one["data"] for one in messages] == [f"x{number}" for number in range(400)]


async def test_requests_about_topics_count_as_others_do(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """An id that is under way is ignored; more than max_in_flight are refused and were not begun."""

    class Never(PubSubHook):
        name = "test.never"

        async def before_publish(self, _ctx: Any) -> None:
            await trio.sleep_forever()

    settings = topics(max_in_flight=2)
    settings.topics["/customer/never"] = TopicSettings(hook_service="test.never")
    emea = await start(nursery, network, "emea", settings, [Never])
    await emea.until("listener", "gateway", "listening")
    async with peer_of(network, "isthmus.1", "one") as plain:
        peer = Answers(plain._link, plain._entropy)
        never = [publish(number, "/customer/never") for number in (1, 1, 2)]
        subscribe = SubscribeTo("s1", ["/customer/new"])
        peer.say_all(*never, publish(3), subscribe, UnsubscribeFrom("u1", "/customer/new"))
        confirms, failures = await peer.hear({"p3", "s1", "u1"})
        assert confirms == []
        assert [(one.in_reply_to, one.kind) for one in failures] == [(one, "Overloaded") for one in ("p3", "s1", "u1")]
        [session] = [one for one in emea.actors() if one["kind"] == "session"]
        assert session["counts"]["ignored"] == 1
    await until(lambda: not [one for one in emea.actors() if one["kind"] == "session"])
    assert emea.entry("topic", "/customer/memory")["counts"].get("handled", 0) == 0


async def test_several_topics_are_subscribed_to_or_none(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The sub_keys come in the order of the topics; one that may not be refuses all."""
    emea = await start(nursery, network, "emea", topics())
    await emea.until("listener", "gateway", "listening")
    async with peer_of(network, "isthmus.1", "one") as plain:
        peer = Answers(plain._link, plain._entropy)
        peer.say_all(SubscribeTo("s1", ["/customer/new", "/secret/known"]), SubscribeTo("s2", ["/customer/new", ""]))
        _confirms, failures = await peer.hear({"s1", "s2"})
        assert [one.kind for one in failures] == ["Forbidden", "Forbidden"]
        assert await emea.invoke("isthmus.admin.subscriptions") == []
        peer.say_all(SubscribeTo("s3", ["/customer/new", "/customer/memory"]))
        [[confirmed]] = [one.confirmed for one in (await peer.hear({"s3"}))[0]]
        found = {one["topic"]: one["sub_key"] for one in await emea.invoke("isthmus.admin.subscriptions")}
        assert confirmed.ids == [found["/customer/new"], found["/customer/memory"]]


async def test_both_ends_say_what_they_know(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A connection names its features when it says hello, a channel in its welcome."""
    hellos: list[Any] = []
    admit = channel.Channel._admit

    def seen(self: Any, message: Any, grant: Any) -> Any:
        hellos.append(message.hello)
        return admit(self, message, grant)

    channel.Channel._admit = seen  # type: ignore[method-assign]
    try:
        await pair(nursery, network, outcome)
    finally:
        channel.Channel._admit = admit  # type: ignore[method-assign]
    assert {"streams", "pubsub", "parts"} <= set(hellos[0].features)
    async with peer_of(network, "isthmus.1", "one") as peer:
        welcome = await peer.say(Hello("again", username="apac", secret=PASSWORD))
        assert isinstance(welcome, Welcome)
        assert {"streams", "pubsub", "parts"} <= set(welcome.features)


async def test_only_sessions_hand_over_such_messages(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Whoever invokes the service behind them by name is told that it is not for that."""
    emea = await start(nursery, network, "emea", topics())
    await emea.until("listener", "gateway", "listening")
    with pytest.raises(CallError, match="Only a peer"):
        await emea.invoke("isthmus.pubsub.requests", {"topic": "/customer/new"})
