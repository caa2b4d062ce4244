"""Zato's own Python client, as its package has it, against a channel of Isthmus on a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import ActorRef
from actors.settings import Compat
from actors.topics.publication import Publish
from runtime.cluster import Cluster
from runtime.wire.zato import ZatoServerWire
from tests.interop.zato_client.client import ZatoClient, zato_client
from tests.interop.zato_client.servers import GUARANTEED, MEMORY, free_address, start_channel, until_state

PUBLISH = "zato.pubsub.pubapi.publish-message"
CREATE = "zato.pubsub.subscription.create-wsx-subscription"
both_releases = pytest.mark.parametrize("compat", list(Compat), ids=lambda one: one.value)
both_kinds = pytest.mark.parametrize("topic", [GUARANTEED, MEMORY], ids=["guaranteed", "memory"])


@pytest.fixture
async def client(python: Path) -> AsyncGenerator[ZatoClient, None]:
    async with zato_client(python) as found:
        yield found


@pytest.fixture
def address() -> str:
    return free_address()


async def publish(cluster: Cluster, topic: str, data: Any) -> str:
    """Publish on the server's side."""
    msg_id: str = await ActorRef(f"topic:{topic}", cluster.registry).ask(Publish.of(data, {}))
    return msg_id


def result_of(answer: dict[str, Any], compat: Compat) -> Any:
    """Return a gateway's result, which is where each release has it."""
    assert (answer["status"], answer["is_ok"]) == (200, True)
    return answer["data"]["response"]["zato_gateway_response"] if compat is Compat.ZATO_3_2 else answer["data"]


@both_releases
async def test_it_logs_in_and_invokes(nursery: trio.Nursery, client: ZatoClient, address: str, compat: Compat) -> None:
    """Whatever JSON it sends comes back, in the shape of the release that the channel follows; then it leaves."""
    cluster = await start_channel(nursery, address, compat=compat)
    assert await client.log_in(address) == {"is_connected": True, "is_authenticated": True}
    for data in ({"a": [1, 2.5, None, True]}, ["é", "/", "\u2028"], "text", 7, {}, [], "", "x" * 500_000):
        assert result_of(await client.invoke("demo.echo", data), compat) == data
    assert result_of(await client.invoke("zato.ping"), compat) == {"pong": "zato"}
    await client.do("stop")
    await until_state(cluster, "session", "ready", number=0)
    await cluster.stop()


async def test_bad_credentials_are_refused(nursery: trio.Nursery, client: ZatoClient, address: str) -> None:
    """It is told so and its link ends; the same client with the right ones is let in."""
    cluster = await start_channel(nursery, address)
    for wrong in ({"secret": "wrong"}, {"username": "somebody"}, {"secret": ""}):
        state = await client.log_in(address, **wrong)
        assert not state["is_authenticated"]
        assert client.closes.pop()["code"] == 1008
    assert (await client.log_in(address))["is_authenticated"]
    await cluster.stop()


@pytest.mark.parametrize(
    ("service", "request_", "status", "text"),
    [
        ("test.fails", "bad input", 400, "data: expected something better"),
        ("secret.service", None, 403, "You are not allowed to access this resource"),
        ("isthmus.admin.status", None, 403, "You are not allowed to access this resource"),
        ("test.fails", "not found", 404, "No such customer"),
        ("test.absent", None, 404, "No such service 'test.absent'"),
        ("test.fails", "uncaught", 500, "Internal server error"),
        (CREATE, {}, 400, "Either or topic_name or topic_name_list is required"),
        (CREATE, {"topic_name": "/secret/topic"}, 403, None),
        (PUBLISH, {"topic_name": "/secret/topic", "data": "x"}, 403, None),
    ],
)
async def test_each_kind_of_error(
    nursery: trio.Nursery, client: ZatoClient, address: str, service: str, request_: Any, status: int, text: str | None
) -> None:
    """An error is its status, its text and a cid, and nothing of an exception nobody foresaw; the session goes on."""
    cluster = await start_channel(nursery, address)
    await client.log_in(address)
    answer = await client.invoke(service, request_)
    assert (answer["status"], answer["is_ok"]) == (status, False)
    assert answer["data"] == {"cid": answer["meta"]["id"]}
    assert text in (None, answer["meta"]["error_message"])
    assert "internal detail" not in json.dumps(answer)
    assert await client.result("demo.echo", "still there") == "still there"
    await cluster.stop()


@both_releases
@both_kinds
async def test_it_publishes_and_receives(
    nursery: trio.Nursery, client: ZatoClient, address: str, compat: Compat, topic: str
) -> None:
    """What it publishes, and what the server does, is delivered to it once, as it was published."""
    cluster = await start_channel(nursery, address, compat=compat)
    await client.log_in(address)
    sub_key = result_of(await client.invoke(CREATE, {"topic_name": topic}), compat)["sub_key"]
    published = []
    for data in ("text", {"customer": {"id": 1}}, [1, 2], 7):
        answer = await client.invoke(PUBLISH, {"topic_name": topic, "data": data, "priority": 6})
        published.append((result_of(answer, compat)["msg_id"], data))
    published.append((await publish(cluster, topic, "by the server"), "by the server"))
    received = await client.messages(len(published))
    assert sorted((one["msg_id"], str(one["data"])) for one in received) == sorted(
        (msg_id, str(data)) for msg_id, data in published
    )
    assert {(one["topic_name"], one["sub_key"], one["has_gd"]) for one in received} == {
        (topic, sub_key, topic == GUARANTEED)
    }
    assert {one["delivery_count"] for one in received} == {0 if compat is Compat.ZATO_3_0 else 1}
    await cluster.stop()


@both_kinds
async def test_its_answer_is_the_acknowledgement(
    nursery: trio.Nursery, client: ZatoClient, address: str, topic: str
) -> None:
    """What it has answered is not delivered to the next subscriber, which gets only what comes later."""
    cluster = await start_channel(nursery, address)
    await client.log_in(address)
    await client.subscribe(topic)
    for number in range(3):
        await publish(cluster, topic, number)
    await client.messages(3)
    await client.result("demo.echo", "what was said before this has been heard")
    await client.do("stop")
    await until_state(cluster, "session", "ready", number=0)
    client.requests.clear()
    await client.log_in(address)
    await client.subscribe(topic)
    await publish(cluster, topic, "later")
    [message] = await client.messages(1)
    assert message["data"] == "later"
    await cluster.stop()


@both_kinds
async def test_several_messages_share_a_frame(
    nursery: trio.Nursery, client: ZatoClient, address: str, topic: str
) -> None:
    """What waited for its first subscriber comes as one list, in order."""
    cluster = await start_channel(nursery, address)
    for number in range(20):
        await publish(cluster, topic, {"number": number})
    await client.log_in(address)
    await client.subscribe(topic)
    received = await client.messages(20)
    assert [one["data"]["number"] for one in received] == list(range(20))
    assert [len(one["data"]) for one in client.requests] == [20]
    await cluster.stop()


async def test_it_answers_a_request_of_the_server(nursery: trio.Nursery, client: ZatoClient, address: str) -> None:
    """A service that calls its own caller back gets what the client's callback returned, and the call its answer."""
    cluster = await start_channel(nursery, address)
    await client.log_in(address)
    for answer in ({"customer": 1}, [1, 2], "text", None):
        await client.do("answer_with", answer=answer)
        assert await client.result("test.calls-back", {"how": "are you"}) == answer
    assert [one["data"] for one in client.requests] == [{"how": "are you"}] * 4
    await cluster.stop()


async def test_pings_keep_it_and_its_token_alive(
    nursery: trio.Nursery, client: ZatoClient, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a word of its own it answers each ping, which extends its token; a call works long after its time."""
    pongs = 0
    enough = trio.Event()
    extend = ZatoServerWire.extend_token

    def count(wire: ZatoServerWire) -> None:
        nonlocal pongs
        pongs += 1
        extend(wire)
        if pongs == 8:
            enough.set()

    cluster = await start_channel(
        nursery, address, ping_interval=0.7, ping_timeout=5.0, pings_missed_threshold=1, token_ttl=4.0
    )
    monkeypatch.setattr(ZatoServerWire, "extend_token", count)
    await client.log_in(address)
    pongs = 0
    with trio.fail_after(30):
        await enough.wait()
    assert await client.result("demo.echo", "awake") == "awake"
    assert client.closes == []
    await cluster.stop()


async def test_it_comes_back_after_a_restart(nursery: trio.Nursery, client: ZatoClient, address: str) -> None:
    """It is told that the server goes; as it does not reconnect by itself, it logs in and subscribes anew."""
    first = await start_channel(nursery, address)
    await client.log_in(address)
    await client.subscribe(GUARANTEED)
    await first.stop()
    await client.until(lambda: client.closes)
    assert client.closes[0]["code"] == 1001
    second = await start_channel(nursery, address)
    assert (await client.log_in(address))["is_authenticated"]
    await client.subscribe(GUARANTEED)
    await publish(second, GUARANTEED, "after the restart")
    [message] = await client.messages(1)
    assert message["data"] == "after the restart"
    await second.stop()
