"""The scripted channel of Zato does what was observed, so that a peer which breaks its rules would be found out."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from runtime.testing import MemoryNetwork
from runtime.transport import Address
from tests.interop.zato_channel import ZatoChannel
from tests.interop.zato_frames import FORBIDDEN, Release
from tests.planted import PASSWORD
from tests.runtime.transport.support import websocket
from tests.support import ADDRESS


def message(action: str, **meta: Any) -> str:
    """Return a message as a client sends it; a part of meta that is None is left out."""
    parts = {"id": "a", "timestamp": "x", "action": action, **meta}
    return json.dumps({"meta": {key: value for key, value in parts.items() if value is not None}, "data": {}})


HELLO = message("create-session", username="apac", secret=PASSWORD)


@pytest.fixture
async def channel(network: MemoryNetwork, nursery: trio.Nursery) -> ZatoChannel:
    found = ZatoChannel(network.node("zato"), Address.parse(ADDRESS))
    await nursery.start(found.serve)
    return found


@asynccontextmanager
async def peer(network: MemoryNetwork, path: str = "", **options: Any) -> AsyncGenerator[WebSocketConnection, None]:
    address = Address.parse(ADDRESS + path)
    async with websocket(await network.node("peer").connect(address), address, **options) as found:
        yield found


async def until_dropped(socket: WebSocketConnection) -> list[Any]:
    """Return what comes until the connection ends, which must be without a close frame."""
    found: list[Any] = []

    async def read() -> None:
        while True:
            found.append(json.loads(await socket.get_message()))

    with pytest.raises(ConnectionClosed) as ended:
        await read()
    assert ended.value.reason is not None
    assert ended.value.reason.code == 1006
    return found


@pytest.mark.parametrize(
    "first",
    [
        message("create-session", username="apac", secret="wrong"),
        message("create-session", username="apac"),
        message("invoke-service", token="zwsxt.1"),
        message("client-response"),
    ],
)
async def test_who_may_not_is_denied_and_dropped(channel: ZatoChannel, network: MemoryNetwork, first: str) -> None:
    """A merr of 403 that answers nothing, then the end of TCP."""
    async with peer(network) as socket:
        await socket.send_message(first)
        [denial] = await until_dropped(socket)
    assert (denial["meta"]["msg_type"], denial["meta"]["status"], denial["data"]) == ("zwsx.merr", 403, FORBIDDEN)
    assert "in_reply_to" not in denial["meta"]


@pytest.mark.parametrize("release", list(Release))
async def test_a_wrong_token(channel: ZatoChannel, network: MemoryNetwork, release: Release) -> None:
    """3.2 compares it and drops the peer; 3.0 is content with any."""
    channel.release = release
    async with peer(network) as socket:
        await socket.send_message(HELLO)
        await socket.get_message()
        await socket.send_message(message("invoke-service", token="stolen"))
        if release is Release.NEW:
            assert [one["meta"]["msg_type"] for one in await until_dropped(socket)] == ["zwsx.merr"]
        else:
            assert json.loads(await socket.get_message())["meta"]["status"] == 500


@pytest.mark.parametrize(
    "text", ["no JSON", "[1]", message("invoke-service", id=None), message("invoke-service", timestamp=None), HELLO]
)
async def test_what_it_does_not_understand_has_no_answer(
    channel: ZatoChannel, network: MemoryNetwork, text: str
) -> None:
    """It is ignored, as a second create-session is, and the connection stays."""
    async with peer(network) as socket:
        await socket.send_message(HELLO)
        token = json.loads(await socket.get_message())["data"]["token"]
        await socket.send_message(text)
        await socket.send_message(message("invoke-service", token=token, id="b"))
        assert json.loads(await socket.get_message())["meta"]["in_reply_to"] == "b"
    assert len(channel.ignored) == 1


@pytest.mark.parametrize("payload", [b"", b"no JSON", b"{}", b'{"meta": {}}', b"[]"])
async def test_a_foreign_pong_drops_the_connection(
    channel: ZatoChannel, network: MemoryNetwork, payload: bytes
) -> None:
    """One that nobody asked for does, unless it is JSON with an id."""
    async with peer(network) as socket:
        await socket.pong(b'{"meta": {"id": "unknown"}}')
        await socket.send_message(HELLO)
        await socket.get_message()
        await socket.pong(payload)
        assert await until_dropped(socket) == []


async def test_the_upgrade(channel: ZatoChannel, network: MemoryNetwork) -> None:
    """Sub-protocols are ignored, and there is one path."""
    async with peer(network, subprotocols=["isthmus.1"]) as socket:
        assert socket.subprotocol is None
        assert (b"content-length", b"0") in socket.handshake_headers
    with pytest.raises((ConnectionRejected, ExceptionGroup)):
        async with peer(network, ".other"):
            pass
