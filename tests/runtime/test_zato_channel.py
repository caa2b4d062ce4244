"""A channel as a client sees it that speaks Zato's format: sessions, tokens, pings, errors, and how links end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import WebSocketConnection
from wsproto.events import Ping

from actors import (
    BadRequest,
    Conflict,
    Forbidden,
    InternalServerError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    Service,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from actors.errors import DialFailed
from actors.settings import Compat
from runtime.testing import MemoryNetwork
from runtime.transport import Address
from tests.planted import PASSWORD
from tests.runtime.zato_peer import serve, zato_peer
from tests.support import ADDRESS, CONNECTION, apac_settings, emea_settings, start

FORBIDDEN = "You are not authorized to access this resource"


async def test_a_session_is_created_used_and_renewed(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The token of create-session lets requests in; a second create-session gives another one, and the link goes on."""
    await serve(network, nursery)
    async with zato_peer(network) as peer:
        answer = await peer.log_in(client_id="c1", client_name={"b": 1, "a": 2})
        first = peer.token
        assert (answer["meta"]["msg_type"], answer["meta"]["status"]) == ("zwsx.rspa", 200)
        assert first is not None
        assert first.startswith("zwsxt.")
        assert (await peer.invoke("demo.echo", [1]))["data"] == {"response": {"zato_gateway_response": [1]}}
        await peer.log_in()
        assert peer.token != first
        assert (await peer.invoke("demo.echo"))["meta"]["status"] == 200


async def test_wrong_credentials_are_a_merr(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The peer is told before its link ends, without a token and whatever was wrong."""
    await serve(network, nursery)
    for secret in ("wrong", None):
        async with zato_peer(network) as peer:
            await peer.send("create-session", {}, username="apac", secret=secret)
            [error], code, _reason = await peer.end()
            assert (error["meta"]["msg_type"], error["meta"]["status"], error["data"]) == ("zwsx.merr", 403, FORBIDDEN)
            assert "in_reply_to" not in error["meta"]
            assert code == 1008


@pytest.mark.parametrize("token", [None, "", "zwsxt.stolen"])
async def test_a_wrong_token_is_a_merr(network: MemoryNetwork, nursery: trio.Nursery, token: str | None) -> None:
    """Whoever has a session and not its token is told so, and that is the end of the link."""
    await serve(network, nursery)
    async with zato_peer(network) as peer:
        await peer.log_in()
        await peer.send("invoke-service", {"service": "demo.echo"}, token=token)
        [error], code, _reason = await peer.end()
        assert (error["meta"]["msg_type"], error["data"], code) == ("zwsx.merr", FORBIDDEN, 1008)


async def test_a_request_before_the_session_is_a_merr(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Nothing but create-session is taken from a peer that has no session."""
    await serve(network, nursery)
    async with zato_peer(network) as peer:
        await peer.send("invoke-service", {"service": "demo.echo"})
        [error], code, _reason = await peer.end()
        assert (error["meta"]["msg_type"], code) == ("zwsx.merr", 1008)


async def test_a_session_that_is_not_created_in_time_is_a_merr(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """`new_token_wait_time` is how long a peer has."""
    await serve(network, nursery, new_token_wait_time=3.0)
    async with zato_peer(network) as peer:
        began = trio.current_time()
        [error], code, _reason = await peer.end()
        assert (error["meta"]["msg_type"], error["data"], code) == ("zwsx.merr", FORBIDDEN, 1008)
        assert 3.0 <= trio.current_time() - began < 4.0


async def test_a_broken_create_session_is_answered(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Where its id can be read the peer is told what it broke, rather than left to wait."""
    await serve(network, nursery)
    async with zato_peer(network) as peer:
        await peer.send("create-session", {}, timestamp=None, id="h1")
        [error], code, _reason = await peer.end()
        assert (error["meta"]["in_reply_to"], error["meta"]["status"], code) == ("h1", 400, 1008)
        assert "timestamp" in error["meta"]["error_message"]


async def test_a_token_lives_on_by_pongs_and_expires_without(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A quiet peer that answers pings keeps its token; with no ping in its time the token is over."""
    for ping_interval, is_good in ((10.0, True), (3600.0, False)):
        emea = await serve(network, nursery, token_ttl=60.0, ping_interval=ping_interval)
        async with zato_peer(network) as peer:
            await peer.log_in()
            await trio.sleep(100.0)
            if is_good:
                assert (await peer.invoke("demo.echo"))["meta"]["status"] == 200
            else:
                await peer.send("invoke-service", {"service": "demo.echo"})
                assert (await peer.end())[0][0]["meta"]["msg_type"] == "zwsx.merr"
        await emea.stop()


async def test_a_token_lives_on_by_use(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Requests alone keep it, however long the session is."""
    await serve(network, nursery, token_ttl=60.0, ping_interval=3600.0)
    async with zato_peer(network) as peer:
        await peer.log_in()
        for _ in range(5):
            await trio.sleep(50.0)
            assert (await peer.invoke("demo.echo"))["meta"]["status"] == 200


async def test_a_ping_can_be_read_and_a_foreign_pong_is_harmless(
    network: MemoryNetwork, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings carry a message of Zato's; a pong that answers none of them, whatever is in it, costs nothing."""
    payloads: list[bytes] = []
    answer = WebSocketConnection._handle_ping_event

    async def note(socket: WebSocketConnection, event: Ping) -> None:
        payloads.append(bytes(event.payload))
        await answer(socket, event)

    monkeypatch.setattr(WebSocketConnection, "_handle_ping_event", note)
    await serve(network, nursery, ping_interval=10.0)
    async with zato_peer(network) as peer:
        await peer.log_in()
        await trio.sleep(25.0)
        for payload in (b"", b"no json", b"[]", b'{"meta":{"id":"unknown"}}'):
            await peer.socket.pong(payload)
        assert (await peer.invoke("demo.echo"))["meta"]["status"] == 200
    assert len(payloads) == 2
    for payload in payloads:
        meta = json.loads(payload)["meta"]
        assert set(meta) == {"id", "timestamp", "msg_type"}
        assert (meta["msg_type"], len(payload) <= 125) == ("zwsx.rqc", True)


@pytest.mark.parametrize(
    ("options", "after", "words"),
    [
        ({"ping_interval": 20.0, "ping_timeout": 5.0, "pings_missed_threshold": 3}, 35.0, []),
        ({}, 15.0, []),
        ({"compat": Compat.ZATO_3_0}, 55.0, ["Pings missed"]),
    ],
    ids=["as set", "default", "as Zato 3.0"],
)
async def test_a_peer_that_answers_no_pings_loses_its_link(
    network: MemoryNetwork, nursery: trio.Nursery, options: dict[str, Any], after: float, words: list[str]
) -> None:
    """After so many pings that were not answered; the close says why, and a client of 3.0 is told in words."""
    emea = await serve(network, nursery, **options)
    async with zato_peer(network) as peer:
        await peer.log_in()
        network.silence("peer", "emea")
        began = trio.current_time()
        frames, code, reason = await peer.end()
        assert trio.current_time() - began == pytest.approx(after, abs=1.0)
        assert [frame["data"] for frame in frames] == words
        assert (code, reason) == (4002, "Pings missed")
        network.heal()
    await emea.stop()


async def test_a_channel_that_stops_says_so(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Its peers read 1001 and Zato's words for it."""
    emea = await serve(network, nursery)
    async with zato_peer(network) as peer:
        await peer.log_in()
        async with trio.open_nursery() as stopping:
            stopping.start_soon(emea.stop)
            assert await peer.end() == ([], 1001, "Server is shutting down")


async def test_a_channel_that_is_not_active_does_not_listen(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """There is no socket at all."""
    emea = await start(nursery, network, "emea", emea_settings(active=False))
    await emea.until("channel", "gateway", "not active")
    with pytest.raises(DialFailed, match="refused"):
        await network.node("peer").connect(Address.parse(ADDRESS))


@pytest.mark.parametrize(("compat", "prefix"), [(Compat.ZATO_3_0, "ws.token."), (Compat.ZATO_3_2, "zwsxt.")])
async def test_what_compat_changes(network: MemoryNetwork, nursery: trio.Nursery, compat: Compat, prefix: str) -> None:
    """How tokens begin and in what a gateway wraps its results follow the release of Zato."""
    await serve(network, nursery, compat=compat)
    async with zato_peer(network) as peer:
        await peer.log_in()
        assert str(peer.token).startswith(prefix)
        bare = (await peer.invoke("demo.echo", {"a": 1}))["data"]
        wrapped = {"response": {"zato_gateway_response": {"a": 1}}}
        assert bare == ({"a": 1} if compat is Compat.ZATO_3_0 else wrapped)


RAISED = {
    "BadRequest": (BadRequest, 400),
    "Unauthorized": (Unauthorized, 401),
    "Forbidden": (Forbidden, 403),
    "NotFound": (NotFound, 404),
    "MethodNotAllowed": (MethodNotAllowed, 405),
    "Conflict": (Conflict, 409),
    "TooManyRequests": (TooManyRequests, 429),
    "InternalServerError": (InternalServerError, 500),
    "ServiceUnavailable": (ServiceUnavailable, 503),
    "Overloaded": (Overloaded, 503),
}


class Raises(Service):
    """Raises what it is told to, as Zato's services do, with the cid first."""

    name = "test.raises"

    async def handle(self, request: str) -> None:
        if request in RAISED:
            raise RAISED[request][0](self.cid, f"about {request}")
        raise RuntimeError(request)


async def test_each_error_of_a_service_has_its_status_and_text(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """Those that are meant for callers reach them as they are; of all others they learn nothing."""
    await serve(network, nursery, [Raises])
    async with zato_peer(network) as peer:
        await peer.log_in()
        for name, (_error, status) in RAISED.items():
            answer = await peer.invoke("test.raises", name)
            assert (answer["meta"]["status"], answer["meta"]["error_message"]) == (status, f"about {name}")
            assert answer["data"] == {"cid": answer["meta"]["id"]}
        answer = await peer.invoke("test.raises", "an internal detail")
        assert (answer["meta"]["status"], answer["meta"]["error_message"]) == (500, "Internal server error")


class Calls(Service):
    """Has the other cluster raise, and tells which error that was here."""

    name = "test.calls"

    async def handle(self, request: str) -> list[Any]:
        async with self.out.wsx.get(CONNECTION).conn.client() as client:
            try:
                await client.invoke("test.raises", request)
            except tuple(cls for cls, _status in RAISED.values()) as error:
                return [type(error).__name__, error.status, str(error)]
        return []


async def test_errors_keep_their_class_across_a_link(wire: str, network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """A caller catches what the remote service raised; where the wire says only the status, what has that status."""
    await serve(network, nursery, [Raises])
    apac = await start(nursery, network, "apac", apac_settings(hooks=False), [Calls])
    await apac.until("outgoing", CONNECTION, "ready")
    by_status = {"BadRequest": "BadInput", "NotFound": "ServiceNotFound", "ServiceUnavailable": "Overloaded"}
    for name, (cls, status) in RAISED.items():
        if wire == "zato" and name == "InternalServerError":
            continue  # any failure of a remote has this status
        expected = by_status.get(name, name) if wire == "zato" else cls.__name__
        assert await apac.invoke("test.calls", name) == [expected, status, f"about {name}"]


async def test_the_context_of_a_connection_is_logged(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """With `StoreCtx` there is a line for each connection, which says who it is and none of its secrets."""
    for properties, lines in (({"StoreCtx": True}, 1), ({"other": 1}, 0)):
        emea = await serve(network, nursery, extra_properties=properties)
        with capture_logs() as logs:
            async with zato_peer(network) as peer:
                await peer.log_in(client_id="c1", client_name="Client One", attrs="region=emea;password=hidden")
        found = [one for one in logs if one["event"] == "connection context"]
        assert len(found) == lines
        for one in found:
            assert (one["channel"], one["ext_client_id"], one["ext_client_name"]) == ("gateway", "c1", "Client One")
            assert one["attrs"] == {"region": "emea", "password": "***"}
            assert one["pub_client_id"].startswith("ws.")
            assert not {"hidden", PASSWORD, str(peer.token)} & set(map(str, one.values()))
        await emea.stop()


class Shows(Service):
    """Tells what it sees of its caller."""

    name = "test.shows"

    async def handle(self) -> dict[str, Any]:
        caller = self.caller
        assert caller is not None
        return {"channel": caller.channel, "attrs": dict(caller.attrs), "extra": dict(caller.extra_properties)}


async def test_a_service_sees_the_channel_behind_the_gateway(network: MemoryNetwork, nursery: trio.Nursery) -> None:
    """The channel of the caller, its extra properties, and the client's attributes with their types."""
    await serve(network, nursery, [Shows], extra_properties={"tier": "gold"})
    async with zato_peer(network) as peer:
        await peer.log_in(attrs="region=emea\nsize=3\nis_new=true")
        data = (await peer.invoke("test.shows"))["data"]["response"]["zato_gateway_response"]
    assert data["channel"] == "gateway"
    assert data["attrs"] == {"region": "emea", "size": 3, "is_new": True}
    assert data["extra"] == {"tier": "gold"}
