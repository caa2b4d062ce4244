"""Both wire formats, end to end: what one sends is what the other receives."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from actors.messages import Acknowledge, Cancel, Deliver, Failure, Hello, Invoke, Reply, Welcome
from runtime.wire import LocalProtocolError, NativeWire, Role, Wire, ZatoClientWire, ZatoServerWire

NOW = "2018-09-03T10:49:00.540024"


def native(role: Role) -> NativeWire:
    return NativeWire(role, timestamp=lambda: NOW, max_message_size=100_000)


def zato_server() -> ZatoServerWire:
    return ZatoServerWire(timestamp=lambda: NOW, now=lambda: 0.0, token_ttl=3600.0)


def zato_client() -> ZatoClientWire:
    return ZatoClientWire(timestamp=lambda: NOW)


PAIRS = {
    "native": lambda: (native(Role.CLIENT), native(Role.SERVER)),
    "zato": lambda: (zato_client(), zato_server()),
}


def carry(sender: Wire, receiver: Wire, *messages: Any) -> list[Any]:
    return [item for frame in sender.send(messages) for item in receiver.receive(frame)]


def opened(pair: tuple[Wire, Wire]) -> tuple[Wire, Wire]:
    client, server = pair
    [hello] = carry(client, server, Hello("h1", username="u", secret="s"))
    assert (hello.username, hello.secret) == ("u", "s")
    [welcome] = carry(server, client, Welcome("w1", "h1", token="zwsxt.abc"))
    assert isinstance(welcome, Welcome)
    return client, server


def frame(action: str | None, *, token: str | None = "zwsxt.abc", data: object = None, **meta: Any) -> str:
    return json.dumps({"meta": {"action": action, "id": "m1", "timestamp": NOW, "token": token, **meta}, "data": data})


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
def test_calls_and_deliveries_cross_in_both_directions(make: Callable[[], tuple[Wire, Wire]]) -> None:
    """What one end sends after the session exists is what the other end receives."""
    client, server = opened(make())
    [invoke] = carry(client, server, Invoke("i1", {"a": 1}))
    assert (invoke.id, invoke.data) == ("i1", {"a": 1})
    [reply] = carry(server, client, Reply("r1", "i1", []))
    assert (reply.in_reply_to, reply.data) == ("i1", [])
    [failure] = carry(server, client, Failure("r2", "i2", 404, "No such service"))
    assert (failure.status, failure.message) == (404, "No such service")
    [deliver] = carry(server, client, Deliver("d1", "zpsk.1", [{"msg_id": "z1", "sub_key": "zpsk.1"}]))
    assert (deliver.sub_key, len(deliver.messages)) == ("zpsk.1", 1)
    [acknowledge] = carry(client, server, Acknowledge("a1", "d1"))
    assert (type(acknowledge), acknowledge.in_reply_to) == (Acknowledge, "d1")
    [request] = carry(server, client, Invoke("q1", "question"))
    [answer] = carry(client, server, Reply("q2", request.id, {"an": "answer"}))
    assert answer.data == {"an": "answer"}


@pytest.mark.parametrize("make", PAIRS.values(), ids=PAIRS)
def test_nothing_but_hello_comes_first(make: Callable[[], tuple[Wire, Wire]]) -> None:
    """This end may not send a call before the session; a failed send leaves the session as it was."""
    client, server = make()
    with pytest.raises(LocalProtocolError):
        client.send([Invoke("i1")])
    with pytest.raises(ValueError, match=r"JSON|encoded"):
        opened((client, server))[0].send([Invoke("i1", object())])


def test_cancels_exist_on_native_links_only() -> None:
    """Zato's format has no words for a cancel."""
    client, _server = opened(PAIRS["zato"]())
    assert client.send([Cancel("i1")]) == []
    client, server = opened(PAIRS["native"]())
    assert carry(client, server, Cancel("i1")) == [Cancel("i1")]


def test_native_frames_keep_to_the_size_limit() -> None:
    """Many messages share a frame, up to the limit; a message beyond it is refused and costs nothing."""
    client, server = opened((native(Role.CLIENT), native(Role.SERVER)))
    frames = client.send([Invoke(str(number), "x" * 1000) for number in range(250)])
    assert 1 < len(frames) < 5
    assert all(len(one) <= 100_000 for one in frames)
    assert len([item for one in frames for item in server.receive(one)]) == 250
    with pytest.raises(ValueError, match="more than the limit"):
        client.send([Invoke("big", "x" * 100_000)])
