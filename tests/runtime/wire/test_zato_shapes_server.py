"""Every shape of a frame that Zato's clients send, and every one that a channel sends them, by the fact it stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.messages import (
    Acknowledge,
    Cancel,
    Deliver,
    Denied,
    Failure,
    Goodbye,
    Hello,
    Invoke,
    Reply,
    Welcome,
)
from actors.settings import Compat
from tests.runtime.wire.zato_frames import NOW, TOKEN, frame, new_server, open_server, sent

FORBIDDEN = "You are not authorized to access this resource"

PYPI_HELLO = {
    "data": {},
    "meta": {
        "action": "create-session",
        "client_id": "client-1",
        "client_name": "Client One",
        "id": "zato.ws.client.auth.0123456789abcdef0123456789abcdef",
        "secret": "s",
        "timestamp": NOW,
        "token": None,
        "username": "u",
    },
}
ZATO_3_2_HELLO = {
    "meta": {
        "id": "zwsxc.auth.0123456789abcdef01234567",
        "action": "create-session",
        "attrs": None,
        "timestamp": NOW,
        "client_id": "client-1",
        "client_name": "Client One",
        "token": "",
        "username": "u",
        "secret": "s",
        "in_reply_to": None,
    },
    "data": {},
}
HELLOS: dict[str, tuple[Any, dict[str, Any]]] = {
    "2: the client of the package index, pretty-printed, data before meta": (
        json.dumps(PYPI_HELLO, indent=4),
        {"username": "u", "secret": "s", "client_id": "client-1", "client_name": "Client One"},
    ),
    "2: the 3.2 client, with all keys and unused ones null, and an empty token": (
        json.dumps(ZATO_3_2_HELLO),
        {"username": "u", "secret": "s", "client_id": "client-1", "client_name": "Client One", "attrs": {}},
    ),
    "1: a binary frame is taken as text": (json.dumps(PYPI_HELLO).encode(), {"username": "u", "secret": "s"}),
    "1: slashes may be escaped": (
        json.dumps(PYPI_HELLO).replace("Client One", "a\\/b"),
        {"client_name": "a/b"},
    ),
    "2: without security neither username nor secret": (
        frame({}, action="create-session"),
        {"username": None, "secret": None, "client_id": "", "client_name": ""},
    ),
    "2: a username without the key of a secret": (
        frame({}, action="create-session", username="u"),
        {"username": "u", "secret": None},
    ),
    "2: data may be missing": (frame(action="create-session"), {"id": "m1"}),
    "2: an object as client_name is flattened, by key": (
        frame({}, action="create-session", client_name={"b": 2, "a": "x", "c": None, "d": True}),
        {"client_name": "a: x; b: 2; c: ; d: True"},
    ),
    "2: attrs over lines, with comments": (
        frame({}, action="create-session", attrs="# all of it\nregion=emea # not apac\n\nno value\n=no key"),
        {"attrs": {"region": "emea"}},
    ),
    "2: attrs separated by semicolons, values coerced": (
        frame({}, action="create-session", attrs="a=1; b=-20;c=true;d=False;e=1.5;f=;g=a=b;h=0x1"),
        {"attrs": {"a": 1, "b": -20, "c": True, "d": False, "e": "1.5", "f": "", "g": "a=b", "h": "0x1"}},
    ),
    "2: a timestamp is not validated": (frame({}, action="create-session", timestamp="x"), {"timestamp": "x"}),
    "2: nor need it be text": (frame({}, action="create-session", timestamp=1535971740), {"timestamp": "1535971740"}),
    "2: the username may be a number": (frame({}, action="create-session", username=7, secret=8), {"username": "7"}),
    "2: keys that nobody knows are ignored": (frame({}, action="create-session", other=[1], ctx={}), {"id": "m1"}),
}


@pytest.mark.parametrize(("raw", "expected"), HELLOS.values(), ids=HELLOS)
def test_create_session(raw: str | bytes, expected: dict[str, Any]) -> None:
    """What a client says first is understood, whichever client says it."""
    [hello] = new_server().receive(raw)
    assert isinstance(hello, Hello)
    assert {key: getattr(hello, key) for key in expected} == expected
    for name, value in expected.get("attrs", {}).items():
        assert type(hello.attrs[name]) is type(value)


REQUESTS: dict[str, tuple[Any, Any]] = {
    "2: invoke-service, as the client of the package index sends it": (
        json.dumps(
            {
                "data": {"service": "a", "request": {"k": 1}},
                "meta": {
                    "action": "invoke-service",
                    "id": "zato.ws.client.invs.0123456789abcdef0123456789abcdef",
                    "timestamp": NOW,
                    "token": TOKEN,
                },
            }
        ),
        Invoke(
            "zato.ws.client.invs.0123456789abcdef0123456789abcdef",
            {"service": "a", "request": {"k": 1}},
            NOW,
            cid="zato.ws.client.invs.0123456789abcdef0123456789abcdef",
        ),
    ),
    "2: invoke-service, as the 3.2 client sends it": (
        frame([1], action="invoke-service", id="zwsxc.inv.1", token=TOKEN, attrs=None, username=None, in_reply_to=None),
        Invoke("zwsxc.inv.1", [1], NOW, cid="zwsxc.inv.1"),
    ),
    "2: an unknown action is an invocation": (frame(1, action="x", token=TOKEN), Invoke("m1", 1, NOW, cid="m1")),
    "5: a request without data": (
        frame(action="invoke-service", token=TOKEN),
        Invoke("m1", None, NOW, cid="m1"),
    ),
    "1: a request in a binary frame": (
        frame("ä", action="invoke-service", token=TOKEN).encode(),
        Invoke("m1", "ä", NOW, cid="m1"),
    ),
    "2: without an action it is a response": (
        frame({"response": 1}, token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", 1, NOW),
    ),
    "2: an action of null is none": (
        frame({"response": 1}, action=None, token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", 1, NOW),
    ),
    "2: client-response with data.response": (
        frame({"response": {"a": 1}}, action="client-response", token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", {"a": 1}, NOW),
    ),
    "2: client-response of the 3.2 client": (
        frame({"response": None}, action="client-response", id="zwsxc.rsp.1", token=TOKEN, in_reply_to="q1"),
        Reply("zwsxc.rsp.1", "q1", None, NOW),
    ),
    "2: client-response with an object of its own": (
        frame({"a": 1}, action="client-response", token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", {"a": 1}, NOW),
    ),
    "2: client-response with a bare string": (
        frame("text", action="client-response", token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", "text", NOW),
    ),
    "2: client-response with a list": (
        frame([1, 2], action="client-response", token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", [1, 2], NOW),
    ),
    "2: client-response without data": (
        frame(action="client-response", token=TOKEN, in_reply_to="q1"),
        Reply("m1", "q1", None, NOW),
    ),
    "2: client-response with ctx": (
        frame(1, action="client-response", token=TOKEN, in_reply_to="q1", ctx={"reply_to_sk": ["k"]}),
        Reply("m1", "q1", 1, NOW),
    ),
    "6: an unknown in_reply_to is for the session to ignore": (
        frame(1, action="client-response", token=TOKEN, in_reply_to="never"),
        Reply("m1", "never", 1, NOW),
    ),
    "6: so is a missing one": (frame(1, action="client-response", token=TOKEN), Reply("m1", "", 1, NOW)),
    "9: the answer to a delivery acknowledges it": (
        frame({"response": None}, action="client-response", token=TOKEN, in_reply_to="d1"),
        Acknowledge("m1", "d1", NOW),
    ),
    "10: a push is answered before the client has its token": (
        frame({"response": None}, action="client-response", token=None, in_reply_to="d1"),
        Acknowledge("m1", "d1", NOW),
    ),
    "10: or without an action": (frame({"response": 5}, in_reply_to="q1"), Reply("m1", "q1", 5, NOW)),
    "10: or with an empty one": (
        frame({"response": 5}, action="client-response", token="", in_reply_to="q1"),
        Reply("m1", "q1", 5, NOW),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_what_a_client_says_in_its_session(raw: str | bytes, expected: Any) -> None:
    """Requests and answers of clients are understood, in each shape that they come in."""
    server = open_server()
    server.send([Invoke("q1", "question"), Deliver("d1", "zpsk.1", [{"msg_id": "zpsm1"}])])
    assert server.receive(raw) == [expected]


PUBLISHED = {"msg_id": "zpsm1", "sub_key": "zpsk.1", "data": "x"}
SENT: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "3: zwsx.rspa": (
        Welcome("w2", "h1", token="zwsxt.2"),
        {"id": "w2", "msg_type": "zwsx.rspa", "in_reply_to": "h1", "status": 200},
        {"token": "zwsxt.2"},
    ),
    "3: zwsx.rspok": (
        Reply("r1", "i1", {"a": 1}),
        {"id": "r1", "msg_type": "zwsx.rspok", "in_reply_to": "i1", "status": 200},
        {"a": 1},
    ),
    "10: data is there also where it is false": (
        Reply("r1", "i1", None),
        {"id": "r1", "msg_type": "zwsx.rspok", "in_reply_to": "i1", "status": 200},
        None,
    ),
    "3: zwsx.rsperr": (
        Failure("c1", "i1", 404, "No such topic `T`"),
        {
            "id": "c1",
            "msg_type": "zwsx.rsperr",
            "in_reply_to": "i1",
            "status": 404,
            "error_message": "No such topic `T`",
        },
        {"cid": "c1"},
    ),
    "3: zwsx.merr": (Denied("e1", FORBIDDEN), {"id": "e1", "msg_type": "zwsx.merr", "status": 403}, FORBIDDEN),
    "3: zwsx.rqc": (Invoke("q1", {"a": 1}), {"id": "q1", "msg_type": "zwsx.rqc"}, {"a": 1}),
    "3, mended: text that looks like JSON stays text": (
        Invoke("q1", '{"a": 1}'),
        {"id": "q1", "msg_type": "zwsx.rqc"},
        '{"a": 1}',
    ),
    "3: zwsx.psrq": (
        Deliver("d1", "zpsk.1", [PUBLISHED, {**PUBLISHED, "msg_id": "zpsm2"}]),
        {"id": "d1", "msg_type": "zwsx.psrq"},
        [PUBLISHED, {**PUBLISHED, "msg_id": "zpsm2"}],
    ),
    "3: a single message that is wanted bare": (
        Deliver("d1", "zpsk.1", [PUBLISHED], is_bare=True),
        {"id": "d1", "msg_type": "zwsx.psrq"},
        PUBLISHED,
    ),
    "9: ctx says what a message is to be answered to": (
        Deliver("d1", "zpsk.1", [{**PUBLISHED, "ctx": {"reply_to_sk": ["a"]}}], is_bare=True),
        {"id": "d1", "msg_type": "zwsx.psrq", "ctx": {"reply_to_sk": ["a"]}},
        {**PUBLISHED, "ctx": {"reply_to_sk": ["a"]}},
    ),
    "9, mended: of several messages, too": (
        Deliver("d1", "k", [{"ctx": {"reply_to_sk": ["a", "b"]}}, {}, {"ctx": {"reply_to_sk": ["b", "c"]}}]),
        {"id": "d1", "msg_type": "zwsx.psrq", "ctx": {"reply_to_sk": ["a", "b", "c"]}},
        [{"ctx": {"reply_to_sk": ["a", "b"]}}, {}, {"ctx": {"reply_to_sk": ["b", "c"]}}],
    ),
}


@pytest.mark.parametrize(("message", "meta", "data"), SENT.values(), ids=SENT)
def test_what_a_channel_sends(message: Any, meta: dict[str, Any], data: Any) -> None:
    """Each kind of message has the keys that Zato's clients require, and no others."""
    assert sent(open_server(), message) == [{"meta": {"timestamp": NOW, **meta}, "data": data}]


@pytest.mark.parametrize("message", [Cancel("q1"), Goodbye(1001, "Server is shutting down")])
def test_what_zato_has_no_words_for_gives_no_frame(message: Any) -> None:
    """A cancel, and a goodbye beside the close frame, exist on native links only."""
    assert open_server().send([message]) == []


def test_a_ping_is_a_small_message() -> None:
    """7: its payload is compact JSON that a client can read, within what a control frame holds."""
    payload = new_server().ping_payload("0123456789abcdef01234567")
    meta = {"id": "0123456789abcdef01234567", "timestamp": NOW, "msg_type": "zwsx.rqc"}
    assert json.loads(payload) == {"meta": meta}
    assert len(payload) <= 125
    assert b" " not in payload


@pytest.mark.parametrize(("compat", "is_told"), [(Compat.ZATO_3_0, True), (Compat.ZATO_3_2, False)])
def test_what_a_peer_that_answers_no_pings_is_told(compat: Compat, is_told: bool) -> None:
    """7: a merr for a client of 3.0; others read it from the close frame."""
    words = [json.loads(one) for one in open_server(compat).last_words("Pings missed")]
    meta = {"id": "<no-cid>", "timestamp": NOW, "msg_type": "zwsx.merr", "status": 403}
    assert words == ([{"meta": meta, "data": "Pings missed"}] if is_told else [])
    assert new_server(compat).last_words("Pings missed") == []
