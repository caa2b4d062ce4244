"""Gateways, channels mounted straight on a service, and the services that every cluster has for trying them."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from actors import Service, WebSocketsGateway, service
from actors.settings import Compat, EndpointSettings, TopicSettings
from runtime.loading import check_declarations
from runtime.testing import MemoryNetwork
from tests.runtime.test_pubsub import SUBSCRIBE, settings_with, started
from tests.runtime.zato_peer import serve, zato_peer

DENIED = "You are not allowed to access this resource"
GATEWAYS = ("helpers.web-sockets-gateway", "helpers.web-sockets-pub-sub-gateway", "helpers.service-gateway")
RESULTS: list[Any] = [{"a": 1}, {}, [1], [], "text", "", 7, 0, None, True, {"response": 1}]


class Secrets(Service):
    """What only a gateway of its own lets peers reach."""

    name = "secrets.get"

    async def handle(self) -> str:
        return "a secret"


class OwnGateway(WebSocketsGateway):
    """A gateway as users of Zato 3.2 write them."""

    name = "own.gateway"
    services_allowed = ["secrets.*"]  # noqa: RUF012 - as Zato's services have it


def wrapped(gateway: str, compat: Compat, name: str, result: Any) -> Any:
    """Return what a gateway makes of a result."""
    if gateway == GATEWAYS[0] and compat is Compat.ZATO_3_2:
        return {"response": {"zato_gateway_response": result}}
    return {"zato_ping_response": result} if (gateway, name) == (GATEWAYS[1], "zato.ping") else result


@pytest.mark.parametrize("compat", Compat)
@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_the_results_of_gateways_have_zato_s_shapes(
    network: MemoryNetwork, nursery: trio.Nursery, gateway: str, compat: Compat
) -> None:
    """Each gateway wraps as the release of Zato does that the channel follows, whatever the result is."""
    await serve(network, nursery, service=gateway, compat=compat)
    async with zato_peer(network) as peer:
        await peer.log_in()
        for result in RESULTS:
            answer = await peer.invoke("demo.echo", result)
            assert (answer["meta"]["status"], "data" in answer) == (200, True)
            assert answer["data"] == wrapped(gateway, compat, "demo.echo", result)
        ping = (await peer.invoke("zato.ping"))["data"]
        assert ping == wrapped(gateway, compat, "zato.ping", {"pong": "zato"})


@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_gateways_deny_by_default(network: MemoryNetwork, nursery: trio.Nursery, gateway: str) -> None:
    """Only what `services_allowed` matches is reached, whether it exists or not, and never what is for operators."""
    await serve(network, nursery, [Secrets], service=gateway)
    async with zato_peer(network) as peer:
        await peer.log_in()
        for name in ("secrets.get", "secrets.none", "helpers.echo", "isthmus.admin.status", "demo", "demo.echo.x"):
            answer = await peer.invoke(name)
            assert (answer["meta"]["status"], answer["meta"]["error_message"]) == (403, DENIED)
        assert (await peer.invoke("demo.none"))["meta"]["status"] == 404


async def test_a_gateway_of_one_s_own_adds_what_it_allows(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Its patterns hold beside those of the channel, for whoever comes by way of it."""
    await serve(network, nursery, [Secrets, OwnGateway], service="own.gateway")
    async with zato_peer(network) as peer:
        await peer.log_in()
        assert (await peer.invoke("secrets.get"))["data"] == {"response": {"zato_gateway_response": "a secret"}}
        assert (await peer.invoke("demo.echo", 1))["meta"]["status"] == 200
        assert (await peer.invoke("helpers.echo", 1))["meta"]["status"] == 403


@pytest.mark.parametrize("allowed", ["demo.*", [1], {"demo.*"}, None])
def test_patterns_that_are_none_are_found_before_anything_starts(allowed: Any) -> None:
    """A text instead of a list, above all, which would be a list of its letters."""
    wrong = type("Wrong", (WebSocketsGateway,), {"name": "own.wrong", "services_allowed": allowed})
    [problem] = check_declarations([wrong])
    assert "services_allowed: expected a list of patterns" in problem


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (None, 400),
        ({}, 400),
        ([], 400),
        ("demo.echo", 400),
        ({"request": 1}, 400),
        ({"service": None}, 400),
        ({"service": ["demo.echo"]}, 400),
        ({"service": ""}, 403),
        ({"service": "demo.echo"}, 200),
        ({"service": "demo.echo", "other": 1}, 200),
    ],
)
@pytest.mark.parametrize("gateway", GATEWAYS)
async def test_what_a_gateway_is_asked(
    network: MemoryNetwork, nursery: trio.Nursery, gateway: str, data: Any, status: int
) -> None:
    """Without a service it is a bad request, never silence; without a request the service is given nothing."""
    await serve(network, nursery, service=gateway, compat=Compat.ZATO_3_0)
    async with zato_peer(network) as peer:
        await peer.log_in()
        answer = await peer.call(data)
        assert answer["meta"]["status"] == status
        if status == 200:
            assert answer["data"] is None


@service("orders.take")
async def take(order: Any) -> Any:
    """Tell what was ordered."""
    return {"taken": order}


async def test_a_channel_mounted_straight_on_a_service(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """What the peer sends is the input, and what the service returns the data of the answer."""
    await serve(network, nursery, [take], service="orders.take")
    async with zato_peer(network) as peer:
        await peer.log_in()
        for data in RESULTS:
            assert (await peer.call(data))["data"] == {"taken": data}
        assert (await peer.invoke("demo.echo", 1))["data"] == {"taken": {"service": "demo.echo", "request": 1}}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("helpers.echo", {"a": 1}, {"a": 1}),
        ("helpers.input-logger", {"a": "x", "password": "hidden"}, '{"a":"x","password":"***"}'),
        ("helpers.raw-request-logger", [{"Token": "hidden"}], '[{"Token":"***"}]'),
        ("helpers.json-raw-request-logger", '{"auth-token": "hidden"}', '{"auth-token":"***"}'),
    ],
)
async def test_the_services_for_trying_a_channel(
    network: MemoryNetwork, nursery: trio.Nursery, name: str, data: Any, expected: Any
) -> None:
    """One gives its input back; the others log it without its secrets, and say who sent it."""
    await serve(network, nursery, service=name)
    async with zato_peer(network) as peer:
        await peer.log_in(client_id="c1")
        with capture_logs() as logs:
            answer = await peer.call(data)
        assert answer["meta"]["status"] == 200
        if name == "helpers.echo":
            assert answer["data"] == expected
            return
        assert answer["data"] is None
        [line] = [one for one in logs if one["event"] == "input received"]
        assert (line["input"], line["channel"], line["client"]) == (expected, "gateway", "c1")
    if "json" in name:
        async with zato_peer(network) as peer:
            await peer.log_in()
            assert (await peer.call("no json"))["meta"]["status"] == 400


@pytest.mark.parametrize(("unsub_on_close", "waits"), [(True, False), (False, True), (None, False)])
@pytest.mark.parametrize("name", ["zato.pubsub.pubapi.subscribe-wsx", SUBSCRIBE])
async def test_subscribing_through_a_gateway(
    network: MemoryNetwork, nursery: trio.Nursery, name: str, unsub_on_close: bool | None, waits: bool
) -> None:
    """The peer's session receives what is published; `unsub_on_wsx_close` decides whether the queue outlives it."""
    both = EndpointSettings(channel="gateway", publish=("/customer/*",), subscribe=("/customer/*",))
    emea = await started(nursery, network, settings_with(both, new=TopicSettings(guaranteed=True)))
    request: dict[str, Any] = {"topic_name": "/customer/new"}
    if unsub_on_close is not None:
        request["unsub_on_wsx_close"] = unsub_on_close
    async with zato_peer(network) as peer:
        await peer.log_in()
        answer = await peer.invoke(name, request)
        sub_key = answer["data"]["response"]["zato_gateway_response"]["sub_key"]
        await emea.publish("/customer/new", "first")
        push = await peer.receive()
        assert (push["meta"]["msg_type"], push["data"][0]["data"]) == ("zwsx.psrq", "first")
        await peer.send("client-response", {"response": None}, in_reply_to=push["meta"]["id"], token=None)
        assert (await peer.invoke("demo.echo", 1))["meta"]["status"] == 200
    await trio.sleep(60.0)
    await emea.publish("/customer/new", "second")
    async with zato_peer(network) as peer:
        await peer.log_in()
        answer = await peer.invoke("zato.pubsub.resume-wsx-subscription", {"sub_key": sub_key})
        assert answer["meta"]["status"] == (200 if waits else 403)
        if waits:
            push = peer.pushes[0] if peer.pushes else await peer.receive()
            assert push["data"][0]["data"] == "second"
