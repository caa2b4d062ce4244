"""The JavaScript client of the examples, in Node, against a cluster on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from actors import BadInput, Service
from actors.settings import DeliverySettings, TopicSettings
from runtime.config.schema import ClusterSettings
from tests.faults.proxy import Proxy
from tests.interop.javascript import JavaScriptClient, JavaScriptError, find_node, javascript_client
from tests.planted import PASSWORD
from tests.processes import free_port
from tests.support import emea_settings, start_real

TOPIC = "/customer/new"
NODE, WHY_NOT = find_node()

pytestmark = pytest.mark.skipif(not NODE, reason=WHY_NOT)


class Fails(Service):
    name = "test.fails"

    async def handle(self, request: dict[str, Any]) -> None:
        if "text" in request:
            raise BadInput(request["text"])
        msg = "a secret of the server"
        raise RuntimeError(msg)


class Slow(Service):
    name = "test.slow"

    async def handle(self) -> None:
        await trio.sleep_forever()


class Publisher(Service):
    """Publishes within the cluster, several messages in one transaction."""

    name = "test.publisher"

    async def handle(self, request: dict[str, Any]) -> list[str]:
        return await self.pubsub.publish(TOPIC, data_list=[{"data": one} for one in request["data"]])


class Asker(Service):
    """Asks the client that has these attributes."""

    name = "test.asker"

    async def handle(self, request: dict[str, Any]) -> list[Any]:
        answers = await self.wsx.channel.invoke_by_attrs(attrs=request["attrs"], request=request["data"])
        return list(answers.values())


CLASSES = (Fails, Slow, Publisher, Asker)


@pytest.fixture
def address() -> str:
    return f"ws://127.0.0.1:{free_port()}/zato.wsx.gateway"


def settings_at(address: str, **channel: Any) -> ClusterSettings:
    settings = emea_settings(address=address, **channel)
    settings.topics[TOPIC] = TopicSettings(guaranteed=True, delivery=DeliverySettings(wait_non_sock_err=0.1))
    settings.topics["/order/new"] = TopicSettings()
    return settings


@asynccontextmanager
async def running(address: str, **channel: Any) -> AsyncIterator[None]:
    """Run the cluster as long as the context."""
    async with trio.open_nursery() as nursery:
        await start_real(nursery, "emea", settings_at(address, **channel), CLASSES)
        yield
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(address: str, **options: Any) -> AsyncIterator[JavaScriptClient]:
    """Run the client, logged in."""
    async with javascript_client(NODE) as client:
        await client.do("connect", address=address, username="apac", password=PASSWORD, firstPause=0.05, **options)
        yield client


async def failure(client: JavaScriptClient, command: str, **arguments: Any) -> tuple[str, int | None, str]:
    with pytest.raises(JavaScriptError) as caught:
        await client.do(command, **arguments)
    return caught.value.kind, caught.value.status, str(caught.value).partition(": ")[2]


async def test_it_logs_in_and_invokes(address: str) -> None:
    """The result of a service is the client's result, whatever its type."""
    async with running(address), connected(address) as client:
        for data in ({"elem1": "value1"}, [1, 2.5, None], "text", "Zażółć 😀", 7, False, {}, {"response": 1}, None):
            assert await client.do("invoke", service="demo.echo", request=data) == data
        assert await client.do("invoke", service="zato.ping") == {"pong": "zato"}


async def test_wrong_credentials_are_refused(address: str) -> None:
    """The log-in fails with the server's reason, and nothing goes on in the background."""
    async with running(address), javascript_client(NODE) as client:
        kind, status, text = await failure(client, "connect", address=address, username="apac", password="wrong")
        assert (kind, status, text) == ("LoginRefused", 403, "You are not authorized to access this resource")
        assert (await client.state("closed"))["error"]["kind"] == "LoginRefused"
        assert (await failure(client, "invoke", service="zato.ping"))[0] == "LinkDown"


async def test_nobody_listens(address: str) -> None:
    """Without a server the first connect fails at once, by name."""
    async with javascript_client(NODE) as client:
        kind, status, text = await failure(client, "connect", address=address, username="apac", password=PASSWORD)
        assert (kind, status) == ("LinkDown", 503)
        assert address in text


async def test_errors_have_types(address: str) -> None:
    """Each way in which a call can fail is an error of its own, and none of them costs the link."""
    async with running(address), connected(address) as client:
        assert await failure(client, "invoke", service="test.fails", request={"text": "name: expected text"}) == (
            "BadInput",
            400,
            "name: expected text",
        )
        assert await failure(client, "invoke", service="test.fails", request={}) == (
            "RemoteError",
            500,
            "Internal server error",
        )
        assert (await failure(client, "invoke", service="secret.service"))[:2] == ("Forbidden", 403)
        assert (await failure(client, "invoke", service="test.nothing"))[:2] == ("NotFound", 404)
        assert (await failure(client, "invoke", service="test.slow", timeout=0.2))[:2] == ("InvokeTimeout", 504)
        too_big = await failure(client, "invoke", service="demo.echo", request="ż" * 600_000)
        assert too_big[:2] == ("BadInput", 400)
        assert (await failure(client, "publish", topic="/secret", data=1))[:2] == ("Forbidden", 403)
        assert await client.do("invoke", service="zato.ping") == {"pong": "zato"}
        assert client.states == ["connecting", "ready"]


async def test_it_publishes(address: str) -> None:
    """A publish gives the id; the same id with other data is a conflict."""
    async with running(address), connected(address) as client:
        assert (await client.do("publish", topic="/order/new", data={"id": 1})).startswith("zpsm")
        assert await client.do("publish", topic="/order/new", data=1, msg_id="one") == "one"
        assert await client.do("publish", topic="/order/new", data=1, msg_id="one") == "one"
        assert (await failure(client, "publish", topic="/order/new", data=2, msg_id="one"))[:2] == ("Conflict", 409)


async def test_it_receives_one_and_several_messages(address: str) -> None:
    """Messages come in order, one at a time and many at once, each once, and each delivery is acknowledged."""
    async with running(address), connected(address) as client:
        sub_key = await client.do("subscribe", topic=TOPIC, ack_timeout=0.5)
        await client.do("invoke", service="test.publisher", request={"data": [{"customer_id": 1}]})
        [first] = await client.messages(1)
        assert (first["data"], first["topic_name"], first["sub_key"]) == ({"customer_id": 1}, TOPIC, sub_key)
        await client.do("invoke", service="test.publisher", request={"data": list(range(300))})
        assert [message["data"] for message in await client.messages(300)] == list(range(300))
        await client.do("unsubscribe", topic=TOPIC)
        await client.do("subscribe", topic=TOPIC)
        await client.do("invoke", service="test.publisher", request={"data": ["last"]})
        assert [message["data"] for message in await client.messages(1)] == ["last"]  # nothing was left over
        assert (await failure(client, "subscribe", topic=TOPIC))[:2] == ("Conflict", 409)
        assert (await failure(client, "subscribe", topic="/order/new"))[:2] == ("Forbidden", 403)


async def test_a_message_comes_again_when_the_handler_throws(address: str) -> None:
    """It is not acknowledged, so it comes again; what was handled with it is not handled twice."""
    async with running(address), connected(address) as client:
        await client.do("subscribe", topic=TOPIC, ack_timeout=0.5)
        await client.do("invoke", service="test.publisher", request={"data": ["a"]})
        assert (await client.messages(1))[0]["delivery_count"] == 1
        await client.do("fail", times=1)
        await client.do("invoke", service="test.publisher", request={"data": ["b", "c"]})
        failed = await client.event("message")
        assert (failed["message"]["data"], failed["fails"]) == ("b", True)
        assert (await client.event("error"))["error"]["message"] == "the handler failed"
        again = await client.messages(2)
        assert [(one["data"], one["delivery_count"] > 1) for one in again] == [("b", True), ("c", True)]
        await client.do("invoke", service="test.publisher", request={"data": ["d"]})
        assert [one["data"] for one in await client.messages(1)] == ["d"]


async def test_it_answers_requests_of_a_service(address: str) -> None:
    """A service that the client itself invoked asks it back by its attributes, and gets what the handler returns."""
    async with running(address), connected(address, attrs={"role": "till"}) as client:
        question = {"attrs": {"role": "till"}, "data": {"how": "many"}}
        assert await client.do("invoke", service="test.asker", request=question) == [{"answered": {"how": "many"}}]
        assert (await client.event("request"))["data"] == {"how": "many"}
        question["data"] = {"fail": True}
        assert await client.do("invoke", service="test.asker", request=question) == [None]


async def test_it_reconnects_and_subscribes_anew(address: str) -> None:
    """After a restart of the cluster the link comes back by itself; calls made meanwhile wait for it."""
    async with javascript_client(NODE) as client:
        async with running(address):
            await client.do("connect", address=address, username="apac", password=PASSWORD, firstPause=0.05)
            await client.do("subscribe", topic=TOPIC)
            await client.state("ready")
        await client.state("backoff")
        async with trio.open_nursery() as nursery:
            waiting: list[Any] = []

            async def call() -> None:
                waiting.append(await client.do("invoke", service="demo.echo", request="waited", timeout=20))

            nursery.start_soon(call)
            async with running(address):
                await client.state("ready")
                await client.do("invoke", service="test.publisher", request={"data": ["after"]}, timeout=20)
                assert [one["data"] for one in await client.messages(1)] == ["after"]
        assert waiting == ["waited"]


async def test_a_lasting_subscription_is_resumed(address: str) -> None:
    """With `unsub_on_wsx_close: false` a later client goes on by the sub_key, with what was published meanwhile."""
    async with running(address):
        async with connected(address) as client:
            sub_key = await client.do("subscribe", topic=TOPIC, unsub_on_wsx_close=False)
        async with connected(address) as publisher:
            await publisher.do("invoke", service="test.publisher", request={"data": ["meanwhile"]})
        async with connected(address) as client:
            assert await client.do("subscribe", topic=TOPIC, sub_key=sub_key) == sub_key
            [message] = await client.messages(1)
            assert (message["data"], message["sub_key"]) == ("meanwhile", sub_key)


async def test_it_renews_its_token(address: str) -> None:
    """A token that is renewed in time outlives its time to live, though nothing else is said."""
    async with running(address, token_ttl=0.5), connected(address, renewInterval=0.2) as client:
        for _ in range(5):
            await client.event("sent")
        assert await client.do("invoke", service="zato.ping") == {"pong": "zato"}
        assert client.states == ["connecting", "ready"]


async def test_an_expired_token_costs_one_link(address: str) -> None:
    """A token that was not renewed ends the session with the server's reason, and the next link has a new one."""
    async with running(address, token_ttl=0.0), connected(address) as client:
        await client.state("ready")
        assert (await failure(client, "invoke", service="zato.ping"))[0] == "LinkLost"
        lost = await client.state("backoff")
        assert "You are not authorized to access this resource" in lost["error"]["message"]
        await client.state("ready")


async def test_a_silent_server_is_noticed(address: str) -> None:
    """A renewal that is not answered ends the link, although nobody closed it; the next one works."""
    async with running(address), trio.open_nursery() as nursery:
        proxy = Proxy(int(address.rpartition(":")[2].partition("/")[0]))
        await nursery.start(proxy.serve)
        by_proxy = f"ws://127.0.0.1:{proxy.port}/zato.wsx.gateway"
        async with connected(by_proxy, renewInterval=0.2, timeout=0.5) as client:
            await client.state("ready")
            proxy.silence()
            assert "could not be renewed" in (await client.state("backoff"))["error"]["message"]
            proxy.heal()
            await client.state("ready")
            assert await client.do("invoke", service="zato.ping", timeout=5) == {"pong": "zato"}
        nursery.cancel_scope.cancel()


async def test_without_a_websocket_it_says_so(address: str) -> None:
    """Where there is no WebSocket the error names the option that gives one."""
    async with javascript_client(NODE, "--no-experimental-websocket") as client:
        assert "option WebSocket" in (await failure(client, "connect", address=address))[2]
