"""What services do with `self.pubsub`: publish lists and to services, make topics, subscribe others and themselves."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors import CallError, Forbidden, Overloaded, PubSubHook, Service
from actors.settings import MIB, EndpointSettings, TopicSettings
from actors.topics import topic_hooks
from runtime.testing import MemoryNetwork
from tests.runtime.peers import peer_of
from tests.runtime.test_pubsub import PUBLISH, SUBSCRIBE, refusal, restarted, settings_with, started
from tests.runtime.test_two_clusters import until


class Act(Service):
    """Does with self.pubsub what it is told; returns the result, or the error's class."""

    name = "test.act"

    async def handle(self, request: dict) -> Any:
        method = getattr(self.pubsub, request["method"])
        try:
            return await method(*request.get("args", ()), **request.get("options", {}))
        except CallError as error:
            return [type(error).__name__, str(error)]


class ActBlocking(Service):
    """Does the same in a worker thread."""

    name = "test.act-blocking"

    def handle(self, request: dict) -> Any:
        method = getattr(self.pubsub, request["method"])
        return method(*request.get("args", ()), **request.get("options", {}))


def call(method: str, *args: Any, **options: Any) -> dict[str, Any]:
    return {"method": method, "args": args, "options": options}


async def test_a_service_makes_a_topic_that_stays(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """create_topic takes Zato's words and ours, and the topic is as it was made after a crash."""
    emea = await started(nursery, network, settings_with(new=TopicSettings()), [Act, ActBlocking])
    made = call("create_topic", "/made", has_gd=True, accept_on_no_sub=False, max_depth_gd=5, ordered=True)
    assert await emea.invoke("test.act-blocking", made) is None
    assert await emea.invoke("test.act", made) is None
    for wrong, kind in (
        (call("create_topic", "/made"), "Conflict"),
        (call("create_topic", "/customer/new", has_gd=True), "Conflict"),
        (call("create_topic", "made"), "BadInput"),
        (call("create_topic", "/made/*"), "BadInput"),
        (call("create_topic", "/zato/s/to/test.act"), "BadInput"),
        (call("create_topic", "/other", hass_gd=True), "BadInput"),
        (call("create_topic", "/other", max_depth_gd=-1), "BadInput"),
        (call("create_topic", "/other", has_gd=True, on_full="drop"), "BadInput"),
    ):
        assert (await emea.invoke("test.act", wrong))[0] == kind
    await restarted(emea)
    entry = emea.entry("topic", "/made")
    assert entry["detail"]["guaranteed"]
    assert (await emea.invoke("test.act", call("create_topic", "/made")))[0] == "Conflict"


async def test_a_list_is_published_at_once(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Each element has its own options beside those of all; a wrong one is named and nothing is stored."""
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)), [Act, ActBlocking])
    elements = [{"data": "a", "msg_id": "a"}, {"data": {"b": 1}, "priority": 9}]
    for service in ("test.act", "test.act-blocking"):
        elements[0]["msg_id"] = service
        ids = await emea.invoke(service, call("publish", "/customer/new", data_list=elements, correl_id="all"))
        assert (ids[0], len(ids)) == (service, 2)
    wrong = call("publish", "/customer/new", data_list=[{"data": "a"}, {"data": "b", "priority": 0}])
    assert await emea.invoke("test.act", wrong) == [
        "BadInput",
        "data_list: element 2: priority: expected a whole number from 1 to 9, got 0",
    ]
    taken = call("publish", "/customer/new", data_list=[{"data": "c"}, {"data": "other", "msg_id": "test.act"}])
    kind, text = await emea.invoke("test.act", taken)
    assert kind == "Conflict"
    assert text.startswith("1 of 2 messages are not published; message 2: ")
    messages = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/new"})
    assert [message["data"] for message in messages] == ["a", {"b": 1}, "a", {"b": 1}, "c"]
    assert [message["priority"] for message in messages] == [5, 9, 5, 9, 5]


async def test_a_publisher_need_not_wait_for_a_confirmation(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """It gets None at once; the message arrives, in order; what is refused is counted; who may not is told as ever."""
    settings = settings_with(new=TopicSettings(), small=TopicSettings(max_message_size=3))
    settings.topics["/customer/made/*"] = TopicSettings()
    settings.endpoints["act"] = EndpointSettings(service="test.act-blocking", publish=("/customer/new",))
    emea = await started(nursery, network, settings, [Act, ActBlocking])
    async with peer_of(network, "isthmus.1", "one") as peer:
        await peer.invoke(SUBSCRIBE, topic_name="/customer/new")
        for number in range(300):
            unconfirmed = call("publish", "/customer/new", f"x{number}", confirm=False)
            assert await emea.invoke("test.act" if number else "test.act-blocking", unconfirmed) is None
        many = call("publish", "/customer/new", data_list=[{"data": "y"}, {"data": "z"}], confirm=False)
        assert await emea.invoke("test.act", many) is None
        assert await peer.data(302) == [*(f"x{number}" for number in range(300)), "y", "z"]
    assert await emea.invoke("test.act", call("publish", "/customer/made/1", "x", confirm=False)) is None
    assert await emea.invoke("test.act", call("publish", "/customer/small", "large", confirm=False)) is None
    await until(lambda: emea.entry("topic", "/customer/small")["counts"].get("refused") == 1)
    await until(lambda: emea.entry("topic", "/customer/made/1")["counts"].get("published") == 1)
    assert (await emea.invoke("test.act", call("publish", "/nowhere", "x", confirm=False)))[0] == "NotFound"
    assert (await emea.invoke("test.act", call("publish", "/customer/new", "", confirm=False)))[0] == "BadInput"
    with pytest.raises(Forbidden):
        await emea.invoke("test.act-blocking", call("publish", "/customer/small", "x", confirm=False))


async def test_who_waits_for_no_confirmation_waits_for_room(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """While a hook holds the topic up only so much waits for it, and publishing waits; then all of it is published."""
    release = trio.Event()
    published: list[int] = []

    class Slow(PubSubHook):
        name = "test.slow"

        async def before_publish(self, _ctx: Any) -> None:
            await release.wait()

    class Publishes(Service):
        name = "test.publishes"

        async def handle(self) -> None:
            for number in range(200):
                await self.pubsub.publish("/customer/new", "x" * 900_000, confirm=False)
                published.append(number)

    topic = TopicSettings(hook_service="test.slow")
    emea = await started(nursery, network, settings_with(new=topic), [Slow, Publishes])
    nursery.start_soon(emea.invoke, "test.publishes")
    await trio.sleep(5.0)  # on the mock clock, which jumps when everybody waits
    most = 64 * MIB // 900_000
    assert most <= len(published) <= 2 * most + 2  # the topic has what waited at first in its hands
    release.set()
    await until(lambda: emea.entry("topic", "/customer/new")["counts"].get("published") == 200)


async def test_no_room_in_time_is_overloaded(
    network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publisher waits for room as long as for anything else in its cluster."""
    monkeypatch.setattr(topic_hooks, "HOOK_TIMEOUT", 1000.0)
    topic = TopicSettings(hook_service="test.never")

    class Never(PubSubHook):
        name = "test.never"

        async def before_publish(self, _ctx: Any) -> None:
            await trio.sleep_forever()

    class Publishes(Service):
        name = "test.publishes"

        async def handle(self) -> str:
            try:
                while True:
                    await self.pubsub.publish("/customer/new", "x" * 900_000, confirm=False)
            except Overloaded as error:
                return str(error)

    emea = await started(nursery, network, settings_with(new=topic), [Never, Publishes])
    assert await emea.invoke("test.publishes", timeout=60.0) == "topic '/customer/new' had no room for 30 s"


async def test_a_service_s_endpoint_limits_it(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A service with an endpoint may use what its patterns match; others of the cluster may use everything."""
    settings = settings_with(new=TopicSettings(), old=TopicSettings())
    settings.endpoints["act"] = EndpointSettings(service="test.act", publish=("/customer/new",))
    emea = await started(nursery, network, settings, [Act, ActBlocking])
    assert (await emea.invoke("test.act", call("publish", "/customer/new", "x"))).startswith("zpsm")
    for args in (("/customer/old", "x"), ("/customer/unknown", "x")):
        assert (await emea.invoke("test.act", call("publish", *args)))[0] == "Forbidden"
    for topic in ("/customer/new", "/customer/unknown"):
        refused = await emea.invoke("test.act", call("subscribe", topic, service="test.act-blocking"))
        assert refused[0] == "Forbidden"
    assert (await emea.invoke("test.act-blocking", call("publish", "/customer/old", "x"))).startswith("zpsm")


async def test_a_service_can_be_published_to(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """It receives a list of one message, guaranteed, also after a crash; peers may not unless a pattern names it."""
    received: list[Any] = []

    class Target(Service):
        name = "test.target"

        async def handle(self, data: Any) -> None:
            received.append(data)

    endpoint = EndpointSettings(channel="gateway", publish=("/**",), subscribe=("/**",))
    emea = await started(nursery, network, settings_with(endpoint), [Act, Target])
    assert (await emea.invoke("test.act", call("publish", "test.nobody", "x")))[0] == "NotFound"
    for number in range(2):
        await emea.invoke("test.act", call("publish", "test.target", {"number": number}))
    await until(lambda: len(received) == 2)
    assert [[message["data"]["number"] for message in messages] for messages in received] == [[0], [1]]
    assert received[0][0]["has_gd"]
    received.clear()
    await restarted(emea)
    await emea.invoke("test.act", call("publish", "test.target", "again"))
    await until(lambda: received)
    assert [message["data"] for message in received[0]] == ["again"]
    async with peer_of(network, "isthmus.1", "one") as peer:
        assert (await refusal(peer, PUBLISH, topic_name="/zato/s/to/test.target", data="x"))[1] == 403
        assert (await refusal(peer, SUBSCRIBE, topic_name="/zato/s/to/test.target"))[1] == 403


async def test_a_service_subscribes_itself_or_its_caller(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """For the peer that invokes it, where the peer may; or for a service, which then receives the messages."""
    received: list[Any] = []

    class Target(Service):
        name = "test.target"

        async def handle(self) -> None:
            received.append(self.request.payload["ctx"].data.data)

    settings = settings_with(new=TopicSettings(guaranteed=True))
    settings.topics["/secret"] = TopicSettings()
    emea = await started(nursery, network, settings, [Act, Target])
    async with peer_of(network, "isthmus.1", "one") as peer:
        sub_key = await peer.invoke("test.act", **call("subscribe", "/customer/new", wrap_one_msg_in_list=False))
        assert (await peer.invoke("test.act", **call("subscribe", "/secret")))[0] == "Forbidden"
        assert (await emea.invoke("test.act", call("subscribe", "/customer/new")))[0] == "BadInput"
        own = await emea.invoke("test.act", call("subscribe", "/customer/new", service="test.target"))
        assert own == await emea.invoke("test.act", call("subscribe", "/customer/new", service="test.target"))
        await emea.publish("/customer/new", "both")
        assert await peer.data(1) == ["both"]
        assert peer.received[0]["sub_key"] == sub_key
        await until(lambda: received)
        assert received[0][0]["sub_key"] == own
        await peer.invoke("test.act", **call("unsubscribe", "/customer/new", sub_key))
    assert [one["sub_key"] for one in await emea.invoke("isthmus.admin.subscriptions")] == [own]
