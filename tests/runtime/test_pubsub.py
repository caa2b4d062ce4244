"""Who may publish and subscribe, topics at run time, and what peers and services can do with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import trio
from attrs import evolve

from actors import CallError, Forbidden, NotFound, Service
from actors.settings import DeliverySettings, EndpointRole, EndpointSettings, SecuritySettings, TopicSettings
from runtime.config import ClusterSettings
from runtime.testing import MemoryNetwork, SimulatedCluster
from tests.runtime.peers import Peer, peer_of
from tests.runtime.test_two_clusters import until
from tests.support import emea_settings, start

PUBLISH = "zato.pubsub.pubapi.publish-message"
SUBSCRIBE = "zato.pubsub.subscription.create-wsx-subscription"
UNSUBSCRIBE = "zato.pubsub.pubapi.unsubscribe"
GET = "zato.pubsub.pubapi.get-messages"
RESUME = "zato.pubsub.resume-wsx-subscription"


def settings_with(
    endpoint: EndpointSettings | None = None, *, channel: dict[str, Any] | None = None, **topics: TopicSettings
) -> ClusterSettings:
    """Return emea with topics whose names are given without the first slash."""
    both = EndpointSettings(channel="gateway", publish=("/customer/*",), subscribe=("/customer/*",))
    settings = emea_settings(topics=(), **(channel or {}))
    settings.topics.update({f"/customer/{name}": one for name, one in topics.items()})
    settings.endpoints["apac"] = endpoint or both
    return settings


async def started(
    nursery: trio.Nursery, network: MemoryNetwork, settings: ClusterSettings, classes: Sequence[type[Service]] = ()
) -> SimulatedCluster:
    emea = await start(nursery, network, "emea", settings, classes)
    for channel in settings.channels:
        await emea.until("listener", channel, "listening")
    return emea


async def restarted(emea: SimulatedCluster) -> None:
    """Crash the cluster and start it again."""
    await emea.crash()
    await emea.start()
    await emea.ref("topics", "all").ask(None)
    await emea.until("listener", "gateway", "listening")


async def refusal(peer: Peer, service: str, **request: Any) -> tuple[type[CallError], int, str]:
    """Return what a call fails with, as the peer sees it."""
    with pytest.raises(CallError) as failed:
        await peer.invoke(service, **request)
    return type(failed.value), failed.value.status, str(failed.value)


async def test_who_may_not_is_told_nothing(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A topic that exists and one that does not are refused alike; only allowed publishers hear of an unknown one."""
    settings = settings_with(new=TopicSettings())
    settings.topics["/secret/known"] = TopicSettings()
    emea = await started(nursery, network, settings)
    async with peer_of(network, wire, "one") as peer:
        for service in (PUBLISH, SUBSCRIBE):
            for options in ({"data": "x"}, {"data": "x", "priority": 99}) if service == PUBLISH else ({},):
                known = await refusal(peer, service, topic_name="/secret/known", **options)
                unknown = await refusal(peer, service, topic_name="/secret/unknown", **options)
                assert known == unknown == (Forbidden, 403, "You are not allowed to access this resource")
        error = await refusal(peer, PUBLISH, topic_name="/customer/unknown", data="x")
        assert error[1:] == (404, "No such topic `/customer/unknown`")
        assert (await refusal(peer, SUBSCRIBE, topic_name="/customer/unknown"))[1] == 403
        assert (await refusal(peer, SUBSCRIBE, topic_name_list=["/customer/new", "/secret/known"]))[1] == 403
    assert await emea.invoke("isthmus.admin.subscriptions") == []
    assert not [one for one in emea.store.ledger.topics.values() if one.place]


@pytest.mark.parametrize(
    ("role", "may_publish", "may_subscribe"),
    [
        (EndpointRole.PUBLISH_ONLY, True, False),
        (EndpointRole.SUBSCRIBE_ONLY, False, True),
        (EndpointRole.BOTH, True, True),
    ],
)
async def test_a_role_decides_which_patterns_count(
    role: EndpointRole, may_publish: bool, may_subscribe: bool, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """An endpoint that may only publish does not subscribe, whatever its patterns say, and the other way round."""
    endpoint = EndpointSettings(security="apac", role=role, publish=("/customer/*",), subscribe=("/customer/*",))
    await started(nursery, network, settings_with(endpoint, new=TopicSettings()))
    async with peer_of(network, "isthmus.1", "one") as peer:
        for service, may in ((PUBLISH, may_publish), (SUBSCRIBE, may_subscribe)):
            request = {"topic_name": "/customer/new", **({"data": "x"} if service == PUBLISH else {})}
            if may:
                await peer.invoke(service, **request)
            else:
                assert (await refusal(peer, service, **request))[1] == 403


async def test_a_peer_without_an_endpoint_may_do_neither(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Without an endpoint of its channel or of its security definition everything is refused."""
    settings = settings_with(new=TopicSettings())
    settings.endpoints.clear()
    await started(nursery, network, settings)
    async with peer_of(network, "isthmus.1", "one") as peer:
        assert (await refusal(peer, PUBLISH, topic_name="/customer/new", data="x"))[1] == 403
        assert (await refusal(peer, SUBSCRIBE, topic_name="/customer/new"))[1] == 403


async def test_the_pattern_that_matched_is_recorded(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Administration shows which endpoint and pattern let a message and a subscription in."""
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)))
    async with peer_of(network, "isthmus.1", "one") as peer:
        await peer.invoke(PUBLISH, topic_name="/customer/new", data="x")
        await peer.invoke(SUBSCRIBE, topic_name="/customer/new", active_status="pub-only")
        [message] = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/new"})
        assert (message["publisher"], message["pattern"]) == ("apac", "/customer/*")
        [subscription] = await emea.invoke("isthmus.admin.subscriptions")
        assert (subscription["pattern"], subscription["options"]) == ("/customer/*", {"active_status": "pub-only"})


async def test_what_cannot_be_published_is_refused_and_not_stored(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Each kind of bad input has its status and text, and leaves nothing behind."""
    emea = await started(
        nursery,
        network,
        settings_with(new=TopicSettings(guaranteed=True, max_message_size=100), asleep=TopicSettings(active=False)),
    )
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"data": ""}, 400, "No data sent on input"),
        ({}, 400, "No data sent on input"),
        ({"data": "x", "priority": 0}, 400, "priority: expected a whole number from 1 to 9"),
        ({"data": "x", "priority": 10}, 400, "priority: expected a whole number from 1 to 9"),
        ({"data": "x", "expiration": -1}, 400, "expiration: expected seconds"),
        ({"data": "x", "has_gd": "yes"}, 400, "has_gd: expected true or false"),
        ({"data": "x", "prioriti": 1}, 400, "unknown publish option 'prioriti'"),
        ({"data": "x" * 101}, 400, "the message has 101 bytes"),
        ({"data": "x", "topic_name": "/customer/asleep"}, 503, "not active"),
    ]
    async with peer_of(network, wire, "one") as peer:
        for request, status, text in cases:
            error = await refusal(peer, PUBLISH, **{"topic_name": "/customer/new", **request})
            assert error[1] == status
            assert text in error[2]
        assert (await refusal(peer, PUBLISH, data="x"))[1] == 400
        await peer.invoke(PUBLISH, topic_name="/customer/new", data="x", msg_id="one")
        assert (await refusal(peer, PUBLISH, topic_name="/customer/new", data="y", msg_id="one"))[1] == 409
    [message] = await emea.invoke("isthmus.admin.messages", {"topic": "/customer/new"})
    assert message["data"] == "x"


async def test_two_clients_with_one_client_id_are_two(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Peers of one user that claim the same client id have subscriptions of their own, and end only their own."""
    await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)))
    async with (
        peer_of(network, wire, "one", client_id="same") as one,
        peer_of(network, wire, "two", client_id="same") as two,
    ):
        keys = [(await peer.invoke(SUBSCRIBE, topic_name="/customer/new"))["sub_key"] for peer in (one, two)]
        assert keys[0] != keys[1]
        await one.invoke(PUBLISH, topic_name="/customer/new", data="both")
        assert await one.data(1) == await two.data(1) == ["both"]
        assert {message["sub_key"] for message in one.received} == {keys[0]}
        assert {message["sub_key"] for message in two.received} == {keys[1]}
        assert await one.invoke(UNSUBSCRIBE, topic_name="/customer/new") == {}
        assert await one.invoke(UNSUBSCRIBE, topic_name="/customer/new") == {}
        await one.invoke(PUBLISH, topic_name="/customer/new", data="two alone")
        assert await two.data(2) == ["both", "two alone"]
        assert len(one.received) == 1


async def test_two_users_that_claim_one_client_id_see_nothing_of_each_other(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Another security definition cannot resume, read or end a subscription: its sub_key is as if unknown."""
    settings = settings_with(new=TopicSettings(guaranteed=True), channel={"unsub_on_wsx_close": False})
    first = settings.channels["gateway"]
    other = "ws://127.0.0.1:47044/other"
    settings.security["other"] = SecuritySettings("other", settings.security["apac"].password)
    settings.channels["other"] = evolve(first, address=other, security="other")
    settings.endpoints["other"] = evolve(settings.endpoints["apac"], channel="other")
    emea = await started(nursery, network, settings)
    async with peer_of(network, wire, "one", client_id="same") as one:
        sub_key = (await one.invoke(SUBSCRIBE, topic_name="/customer/new", active_status="pub-only"))["sub_key"]
        await one.invoke(PUBLISH, topic_name="/customer/new", data="mine")
        async with peer_of(network, wire, "two", address=other, username="other", client_id="same") as two:
            unknown = await refusal(two, RESUME, sub_key="zpsk.websockets.same.0")
            assert unknown[1] == 403
            assert await refusal(two, RESUME, sub_key=sub_key) == unknown
            assert await refusal(two, GET, topic_name="/customer/new", sub_key=sub_key) == unknown
            assert await two.invoke(UNSUBSCRIBE, topic_name="/customer/new", sub_key=sub_key) == {}
    [subscription] = await emea.invoke("isthmus.admin.subscriptions")
    assert (subscription["sub_key"], subscription["waiting"]) == (sub_key, 1)


async def test_a_subscription_is_resumed_by_its_sub_key(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """A peer that nobody knows again goes on where it was, where it kept its subscription and tells the key."""
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)))
    request = {"topic_name": "/customer/new", "unsub_on_wsx_close": False}
    async with peer_of(network, wire, "one") as one:
        sub_key = (await one.invoke("zato.pubsub.pubapi.subscribe-wsx", **request))["sub_key"]
    await emea.publish("/customer/new", "meanwhile")
    async with peer_of(network, wire, "two") as two:
        assert await two.invoke(RESUME, sub_key=sub_key) in ({}, None)
        assert await two.data(1) == ["meanwhile"]
        assert two.received[0]["sub_key"] == sub_key


@pytest.mark.parametrize("ordered", [False, True])
async def test_several_sessions_share_a_subscription(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery, *, ordered: bool
) -> None:
    """Each message goes to one of them; with `ordered` all go to one, and to another when that one is gone."""
    delivery = DeliverySettings(delivery_batch_size=1, ordered=ordered)
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True, delivery=delivery)))
    async with peer_of(network, wire, "one") as one, peer_of(network, wire, "two") as two:
        sub_key = (await one.invoke(SUBSCRIBE, topic_name="/customer/new", unsub_on_wsx_close=False))["sub_key"]
        await two.invoke(RESUME, sub_key=sub_key)
        for number in range(20):
            await emea.publish("/customer/new", number)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as takers:
                takers.start_soon(one.data, 1000)
                takers.start_soon(two.data, 1000)
                await until(lambda: len(one.received) + len(two.received) == 20)
                scope.cancel()
        found = [[message["data"] for message in peer.received] for peer in (one, two)]
        assert sorted(found[0] + found[1]) == list(range(20))
        assert (sorted(map(len, found)) == [0, 20]) == ordered
        assert all(numbers == sorted(numbers) for numbers in found)
    async with peer_of(network, wire, "three") as three:
        await three.invoke(RESUME, sub_key=sub_key)
        await emea.publish("/customer/new", 20)
        assert await three.data(1) == [20]


async def test_what_is_answered_late_holds_up_nothing(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A session that is free gets what waits behind messages that need not go out again after all."""
    delivery = DeliverySettings(delivery_batch_size=2, ack_timeout=10.0)
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True, delivery=delivery)))
    async with peer_of(network, "zato", "none") as none:
        sub_key = (await none.invoke(SUBSCRIBE, topic_name="/customer/new", unsub_on_wsx_close=False))["sub_key"]
    for number in range(5):
        await emea.publish("/customer/new", number)
    async with peer_of(network, "zato", "one") as one, peer_of(network, "zato", "two") as two:
        for peer, so_far in ((one, [0, 1]), (two, [2, 3])):
            peer.is_silent = True
            await peer.invoke(RESUME, sub_key=sub_key)
            assert await peer.data(2) == so_far
        assert (await one.data(3), await two.data(3)) == ([0, 1, 0], [2, 3, 1])  # one by one, since nobody answered
        two.acknowledge(two.deliveries[0])
        await two.invoke("zato.ping")
        one.acknowledge(one.deliveries[1])
        with trio.fail_after(5):  # in less time than the other one has to answer
            assert await one.data(4) == [0, 1, 0, 4]


async def test_messages_can_be_taken_instead_of_delivered(
    wire: str, network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """Urgent ones come first, then the oldest; each is given out once, and only to its owner."""
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)))
    topic = "/customer/new"
    async with peer_of(network, wire, "one") as one, peer_of(network, wire, "two") as two:
        sub_key = (await one.invoke(SUBSCRIBE, topic_name=topic, unsub_on_wsx_close=False))["sub_key"]
        await one.invoke(PUBLISH, topic_name=topic, data="delivered")
        await one.data(1)
        error = await refusal(two, GET, topic_name="/customer/other", sub_key=sub_key)
        assert error[1] == 403
        assert (await refusal(one, GET, topic_name=topic, sub_key=sub_key, limit=0))[1] == 400
    async with peer_of(network, wire, "three") as three:
        for number, priority in enumerate((5, 9, 5)):
            await three.invoke(PUBLISH, topic_name=topic, data=number, priority=priority)
        first = await three.invoke(GET, topic_name=topic, sub_key=sub_key, limit=2)
        assert [(message["data"], message["delivery_count"]) for message in first] == [(1, 1), (0, 1)]
        assert [message["data"] for message in await three.invoke(GET, topic_name=topic, sub_key=sub_key)] == [2]
        assert await three.invoke(GET, topic_name=topic, sub_key=sub_key) in ([], None)
    [subscription] = [one for one in await emea.invoke("isthmus.admin.subscriptions") if one["sub_key"] == sub_key]
    assert (subscription["waiting"], subscription["in_hand"]) == (0, 0)


async def test_a_topic_that_takes_no_subscriptions_of_peers_refuses_them(
    network: MemoryNetwork, nursery: trio.Nursery
) -> None:
    """With is_api_sub_allowed = false publishing goes on and subscribing is 403."""
    await started(nursery, network, settings_with(new=TopicSettings(is_api_sub_allowed=False)))
    async with peer_of(network, "isthmus.1", "one") as peer:
        await peer.invoke(PUBLISH, topic_name="/customer/new", data="x")
        assert (await refusal(peer, SUBSCRIBE, topic_name="/customer/new"))[1] == 403


async def test_a_pattern_makes_topics_at_first_use(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Publishing and subscribing start such a topic, which is there again after a crash; others stay unknown."""
    settings = settings_with()
    settings.topics["/customer/*"] = TopicSettings(guaranteed=True)
    emea = await started(nursery, network, settings)
    async with peer_of(network, "isthmus.1", "one") as peer:
        await peer.invoke(PUBLISH, topic_name="/customer/7", data="seven")
        await peer.invoke(SUBSCRIBE, topic_name="/customer/8")
        for name in ("/customer/*", "/customer/\n", "/customer/" + "x" * 200):
            assert (await refusal(peer, PUBLISH, topic_name=name, data="x"))[1] == 404
    assert running_topics(emea) == ["/customer/7", "/customer/8"]
    await restarted(emea)
    assert running_topics(emea) == ["/customer/7", "/customer/8"]
    with pytest.raises(NotFound):
        await emea.invoke(PUBLISH, {"topic_name": "/order/1", "data": "x"})


def running_topics(cluster: SimulatedCluster) -> list[str]:
    return sorted(cluster.cluster.registry.names("topic"))


async def test_who_only_looks_on_leaves_the_backlog_alone(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A subscription that ends with its session and begins at now takes nothing from the first that stays."""
    emea = await started(nursery, network, settings_with(new=TopicSettings(guaranteed=True)))
    await emea.publish("/customer/new", "before")
    async with peer_of(network, "isthmus.1", "one") as looking:
        await looking.invoke(SUBSCRIBE, topic_name="/customer/new", deliver_from="now")
        await emea.publish("/customer/new", "meanwhile")
        assert await looking.data(1) == ["meanwhile"]
    await until(lambda: not emea.store.ledger.topics["/customer/new"].live)
    await trio.sleep(60)
    async with peer_of(network, "isthmus.1", "two") as first:
        await first.invoke(SUBSCRIBE, topic_name="/customer/new")
        assert await first.data(2) == ["before", "meanwhile"]


async def test_dead_letters_reach_who_subscribes_to_them(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A dead-letter topic starts when it is subscribed to, and its subscriber hears of what the store puts there."""
    endpoint = EndpointSettings(channel="gateway", subscribe=("/dead-letter/emea/**", "/customer/*"))
    emea = await started(nursery, network, settings_with(endpoint, new=TopicSettings(guaranteed=True)))
    async with peer_of(network, "isthmus.1", "one") as peer:
        await peer.invoke(SUBSCRIBE, topic_name="/dead-letter/emea/customer/new")
        await peer.invoke(SUBSCRIBE, topic_name="/customer/new", active_status="pub-only")
        await emea.publish("/customer/new", "late", expiration=1)
        assert await peer.data(1) == ["late"]
        assert (peer.received[0]["original_topic"], peer.received[0]["reason"]) == ("/customer/new", "expired")
