"""The JavaScript client of the examples against a scripted server that frames as Zato 3.2 does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
import trio
from trio_websocket import WebSocketConnection, WebSocketRequest, serve_websocket

from tests.interop.javascript import JavaScriptClient, find_node, javascript_client

NODE, WHY_NOT = find_node()
NOW = "2018-09-03T10:49:00.540024"
TOKEN = "zwsxt.1"

pytestmark = pytest.mark.skipif(not NODE, reason=WHY_NOT)


class Zato:
    """The server's end, after the session was created."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def receive(self, token: str = TOKEN) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._socket.get_message())
        assert message["meta"]["token"] == token
        return message

    async def send(self, msg_type: str, **keys: Any) -> None:
        """Send a frame: `data`, where it is given, beside the rest as meta."""
        data = {"data": keys.pop("data")} if "data" in keys else {}
        meta = {"id": f"z{msg_type}", "timestamp": NOW, "msg_type": msg_type, **keys}
        await self._socket.send_message(json.dumps({"meta": meta, **data}, indent=4).replace("/", "\\/"))

    async def answer(self, message: dict[str, Any], **data: Any) -> None:
        await self.send("zwsx.rspok", in_reply_to=message["meta"]["id"], status=200, **data)


Script: TypeAlias = Callable[[Zato], Awaitable[None]]


@asynccontextmanager
async def client_of(script: Script) -> AsyncIterator[JavaScriptClient]:
    """Run the script as a server, and a client that has logged in; both must come to their end."""
    done = trio.Event()

    async def serve(request: WebSocketRequest) -> None:
        assert not request.proposed_subprotocols
        socket = await request.accept()
        hello = json.loads(await socket.get_message())["meta"]
        assert (hello["action"], hello["username"], hello["secret"]) == ("create-session", "u", "p")
        assert hello["attrs"].split("\n") == ["role=till", "floor=2"]
        zato = Zato(socket)
        await zato.send("zwsx.rspa", in_reply_to=hello["id"], status=200, data={"token": TOKEN})
        await script(zato)
        done.set()

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, serve, "127.0.0.1", 0, None)
        async with javascript_client(NODE) as client:
            address = f"ws://127.0.0.1:{server.port}/"
            attrs = {"role": "till", "floor": "2"}
            await client.do("connect", address=address, username="u", password="p", attrs=attrs)
            yield client
            with trio.fail_after(10):
                await done.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "data",
    [
        {"pong": "zato"},
        {"zato_gateway_response": {"pong": "zato"}},
        {"response": {"pong": "zato"}},
        {"response": {"zato_gateway_response": {"pong": "zato"}}},
    ],
)
async def test_all_shapes_of_a_gateway_s_reply_are_understood(data: Any) -> None:
    """The result of a call through a gateway is the result itself, whatever it came in."""

    async def script(zato: Zato) -> None:
        call = await zato.receive()
        assert call["data"] == {"service": "zato.ping", "request": None}
        await zato.answer(call, data=data)

    async with client_of(script) as client:
        assert await client.do("invoke", service="zato.ping") == {"pong": "zato"}


async def test_absent_data_is_null() -> None:
    """Zato leaves a falsy result out."""

    async def script(zato: Zato) -> None:
        await zato.answer(await zato.receive())

    async with client_of(script) as client:
        assert await client.do("invoke", service="test") is None


async def test_it_answers_requests() -> None:
    """A request of the server is answered under its id with what the handler returns, or null where that throws."""
    answers = []

    async def script(zato: Zato) -> None:
        for number, data in enumerate(({"n": 1}, [2], {"fail": True})):
            await zato.send("zwsx.rqc", id=f"q{number}", data=data)
            answers.append(await zato.receive())

    async with client_of(script) as client:
        assert [(await client.event("request"))["data"] for _ in range(3)] == [{"n": 1}, [2], {"fail": True}]
        assert (await client.event("error"))["error"]["message"] == "the handler failed"
    metas = [one["meta"] for one in answers]
    assert [(one["action"], one["in_reply_to"]) for one in metas] == [("client-response", f"q{n}") for n in range(3)]
    responses = [one["data"]["response"] for one in answers]
    assert responses == [{"answered": {"n": 1}}, {"answered": [2]}, None]


async def test_deliveries_as_zato_frames_them() -> None:
    """A delivery before the answer to subscribing, one bare object, and one message twice in a frame: each once."""
    answered = []

    def message(msg_id: str, data: str) -> dict[str, Any]:
        return {"msg_id": msg_id, "topic_name": "/a", "sub_key": "zpsk.1", "data": data, "delivery_count": 1}

    async def script(zato: Zato) -> None:
        call = await zato.receive()
        await zato.send("zwsx.psrq", id="d1", data=message("zpsm1", "first"))
        answered.append((await zato.receive())["meta"]["in_reply_to"])
        await zato.answer(call, data={"response": {"zato_gateway_response": {"sub_key": "zpsk.1"}}})
        twice = message("zpsm2", "second")
        await zato.send("zwsx.psrq", id="d2", data=[twice, message("zpsm3", "third"), twice])
        answered.append((await zato.receive())["meta"]["in_reply_to"])

    async with client_of(script) as client:
        assert await client.do("subscribe", topic="/a") == "zpsk.1"
        assert [one["data"] for one in await client.messages(3)] == ["first", "second", "third"]
    assert answered == ["d1", "d2"]
    assert "message" not in [event["event"] for event in client.events]


async def test_a_renewed_token_is_used() -> None:
    """What follows a renewal bears the new token."""

    async def script(zato: Zato) -> None:
        renewal = await zato.receive()
        assert renewal["meta"]["action"] == "create-session"
        await zato.send("zwsx.rspa", in_reply_to=renewal["meta"]["id"], status=200, data={"token": "zwsxt.2"})
        await zato.answer(await zato.receive("zwsxt.2"), data="renewed")

    async with client_of(script) as client:
        await client.do("renew")
        assert await client.do("invoke", service="test") == "renewed"
