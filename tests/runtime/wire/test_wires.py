"""Both wire formats: the shapes of frames, and that no input raises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Acknowledge, Cancel, Deliver, Denied, Failure, Hello, Invoke, Reply, Welcome
from runtime.wire import LocalProtocolError, NativeWire, Role, Violation, Wire, ZatoClientWire, ZatoServerWire

NOW = "2018-09-03T10:49:00.540024"


def native(role: Role) -> NativeWire:
    return NativeWire(role, timestamp=lambda: NOW, max_message_size=100_000)


def zato_server(now: Callable[[], float] = lambda: 0.0) -> ZatoServerWire:
    return ZatoServerWire(timestamp=lambda: NOW, now=now, token_ttl=3600.0)


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


def test_a_zato_client_needs_its_token() -> None:
    """Without the token, with a wrong one or with an expired one the session ends, and the answer is Zato's."""
    for token, at in ((None, 0.0), ("zwsxt.wrong", 0.0), ("zwsxt.abc", 4000.0)):
        clock = [0.0]
        server = zato_server(lambda clock=clock: clock[0])
        opened((zato_client(), server))
        clock[0] = at
        [violation] = server.receive(frame("invoke-service", token=token))
        assert isinstance(violation, Violation)
        assert isinstance(violation.answer, Denied)
        assert violation.close_code == 1008


def test_a_token_is_extended_by_use() -> None:
    """Each message lets the token live on."""
    clock = [0.0]
    server = zato_server(lambda: clock[0])
    opened((zato_client(), server))
    for clock[0] in (3000.0, 6000.0, 9000.0):
        assert isinstance(server.receive(frame("invoke-service"))[0], Invoke)


@pytest.mark.parametrize(
    ("raw", "status", "answered"),
    [
        (b"\xff\xfe", 422, "<no-msg-id>"),
        ("no json", 400, "<no-msg-id>"),
        ("[1, 2]", 400, "<no-msg-id>"),
        ('{"data": 1}', 400, "<no-msg-id>"),
        ('{"meta": {"id": "m9"}}', 400, "m9"),
    ],
)
def test_what_cannot_be_understood_is_answered(raw: str | bytes, status: int, answered: str) -> None:
    """A bad frame on an open session gets an error that names what is wrong, and the session goes on."""
    _client, server = opened((zato_client(), zato_server()))
    [violation] = server.receive(raw)
    assert (violation.answer.status, violation.answer.in_reply_to) == (status, answered)
    assert violation.close_code is None
    assert isinstance(server.receive(frame("invoke-service", data=1))[0], Invoke)


def test_an_unknown_action_is_an_invocation() -> None:
    """As Zato does, anything that is no response invokes the channel's service."""
    _client, server = opened((zato_client(), zato_server()))
    assert isinstance(server.receive(frame("something-else"))[0], Invoke)


@pytest.mark.parametrize(
    "data",
    [
        {"pong": "zato"},
        {"zato_gateway_response": {"pong": "zato"}},
        {"response": {"pong": "zato"}},
        {"response": {"zato_gateway_response": {"pong": "zato"}}},
    ],
)
def test_all_shapes_of_a_gateway_s_reply_are_understood(data: Any) -> None:
    """The result of a call through a gateway is the result itself, whatever it came in."""
    client, _server = opened((zato_client(), zato_server()))
    client.send([Invoke("i1", {"service": "zato.ping"})])
    meta = {"id": "x", "timestamp": NOW, "msg_type": "zwsx.rspok", "in_reply_to": "i1", "status": 200}
    [reply] = client.receive(json.dumps({"meta": meta, "data": data}))
    assert reply.data == {"pong": "zato"}


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)
META = st.fixed_dictionaries(
    {"id": st.just("m1") | JSON, "timestamp": st.just(NOW) | JSON},
    optional={
        name: JSON | st.sampled_from(["create-session", "client-response", "zwsx.rspa", "zwsx.psrq", "zwsxt.abc"])
        for name in ("action", "msg_type", "token", "in_reply_to", "status", "username", "attrs", "client_name")
    },
)
FRAMES = (
    st.binary()
    | st.text()
    | JSON.map(lambda data: json.dumps(data))
    | st.builds(lambda meta, data: json.dumps({"meta": meta, "data": data}), META, JSON)
)


@given(frames=st.lists(FRAMES, max_size=4), is_open=st.booleans())
def test_no_input_raises(frames: list[str | bytes], is_open: bool) -> None:
    """Whatever bytes come, in whatever state, the result is messages and violations."""
    for make in PAIRS.values():
        for wire in opened(make()) if is_open else make():
            for one in frames:
                wire.receive(one)


def test_deep_nesting_is_a_violation() -> None:
    """A frame that is nested too deep to decode is refused like any other bad one."""
    depth = 100_000
    for wire in (*opened(PAIRS["zato"]()), *opened(PAIRS["native"]())):
        assert isinstance(wire.receive("[" * depth)[0], Violation)
        assert isinstance(wire.receive(b"\x91" * depth)[0], Violation)
