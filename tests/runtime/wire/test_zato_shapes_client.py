"""Every shape of a frame that Zato's channels send, and every one that a connection sends them, by its fact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.messages import Acknowledge, Cancel, Deliver, Denied, Failure, Goodbye, Hello, Invoke, Reply, Welcome
from runtime.wire import Violation, ZatoClientWire
from tests.runtime.wire.zato_frames import NOW, TOKEN, frame, new_client, open_client, sent

FORBIDDEN = "You are not authorized to access this resource"
DELIVERED_3_2 = {
    "msg_id": "zpsm1",
    "correl_id": "c",
    "in_reply_to": "",
    "group_id": "",
    "data": '{\n    "k": "v"\n}',
    "size": 12,
    "topic_name": "/customer/new",
    "sub_key": "zpsk.wsx.client.1",
    "mime_type": "application/json",
    "priority": 5,
    "expiration": 86400,
    "delivery_count": 1,
    "position_in_group": 1,
    "pub_time_iso": NOW,
    "expiration_time_iso": NOW,
    "recv_time_iso": NOW,
    "ext_pub_time_iso": "",
    "ext_client_id": "",
    "user_ctx": "{'a': 1}",
}
DELIVERED_3_0 = {
    "delivery_count": 0,
    "msg_id": "zpsm1",
    "expiration_time_iso": NOW,
    "topic_name": "/customer/new",
    "pub_time_iso": NOW,
    "priority": 5,
    "expiration": 2_147_483_647_000,
    "has_gd": True,
    "data": "x",
    "sub_key": "zpsk.websockets.1",
    "mime_type": "text/plain",
    "size": 1,
    "is_in_sub_queue": True,
    "server_name": "server1",
    "server_pid": 7,
}
SECOND = {**DELIVERED_3_2, "msg_id": "zpsm2"}


def answer(data: Any = ..., **meta: Any) -> str:
    return frame(data, **{"msg_type": "zwsx.rspok", "in_reply_to": "i1", "status": 200, **meta})


RECEIVED: dict[str, tuple[str, Any]] = {
    "3: zwsx.rspok": (answer({"a": 1}), Reply("m1", "i1", {"a": 1}, NOW)),
    "1: indented, slashes escaped": (
        json.dumps(json.loads(answer("a/b")), indent=4).replace("/", "\\/"),
        Reply("m1", "i1", "a/b", NOW),
    ),
    "3: data is absent where it is false": (answer(), Reply("m1", "i1", None, NOW)),
    "3: status as text": (answer([], status="200"), Reply("m1", "i1", [], NOW)),
    "3: status as another number": (answer([], status=200.0), Reply("m1", "i1", [], NOW)),
    "3: no status": (frame(1, msg_type="zwsx.rspok", in_reply_to="i1"), Reply("m1", "i1", 1, NOW)),
    "10: msg_type is not read": (frame(1, in_reply_to="i1", status=200), Reply("m1", "i1", 1, NOW)),
    "3: zwsx.rsperr": (
        answer({"cid": "m1"}, msg_type="zwsx.rsperr", status=404, error_message="No such topic `T`"),
        Failure("m1", "i1", 404, "No such topic `T`", timestamp=NOW),
    ),
    "3: an error with its status as text": (
        answer({"cid": "m1"}, msg_type="zwsx.rsperr", status="403", error_message="no"),
        Failure("m1", "i1", 403, "no", timestamp=NOW),
    ),
    "3: an error without a text": (
        answer({"cid": "m1"}, msg_type="zwsx.rsperr", status=500),
        Failure("m1", "i1", 500, "status 500", timestamp=NOW),
    ),
    "3: an error whose text is its data": (
        answer("I/O processing error", msg_type="zwsx.rsperr", status=400),
        Failure("m1", "i1", 400, "I/O processing error", timestamp=NOW),
    ),
    "3: a status that means nothing": (
        answer(status=10**30, error_message="x"),
        Failure("m1", "i1", 500, "x", timestamp=NOW),
    ),
    "3: a status that is no number": (answer(status=[]), Failure("m1", "i1", 500, "status 500", timestamp=NOW)),
    "5: the answer to what could not be decoded": (
        frame(
            {"cid": "<no-cid>"},
            id="<no-cid>",
            msg_type="zwsx.rsperr",
            in_reply_to="<no-msg-id>",
            status=422,
            error_message="Invalid UTF-8 bytes",
        ),
        Failure("<no-cid>", "<no-msg-id>", 422, "Invalid UTF-8 bytes", timestamp=NOW),
    ),
    "3: zwsx.merr in a session": (
        frame(FORBIDDEN, msg_type="zwsx.merr", status=403),
        Denied("m1", FORBIDDEN, NOW, 403),
    ),
    "3: zwsx.merr without anything": (frame(msg_type="zwsx.merr"), Denied("m1", FORBIDDEN, NOW, 403)),
    "4: a renewed token": (
        frame({"token": "zwsxt.2"}, msg_type="zwsx.rspa", in_reply_to="h2", status=200),
        Welcome("m1", "h2", NOW, "zwsxt.2"),
    ),
    "6: zwsx.rqc": (frame({"a": 1}, msg_type="zwsx.rqc"), Invoke("m1", {"a": 1}, NOW, cid="m1")),
    "6: zwsx.rqc without data": (frame(msg_type="zwsx.rqc"), Invoke("m1", None, NOW, cid="m1")),
    "6: a request with an in_reply_to of null": (
        frame(1, msg_type="zwsx.rqc", in_reply_to=None),
        Invoke("m1", 1, NOW, cid="m1"),
    ),
    "10: a request of another type": (frame(1, msg_type="new"), Invoke("m1", 1, NOW, cid="m1")),
    "10: a request without a timestamp": (
        json.dumps({"meta": {"id": "m1"}, "data": 1}),
        Invoke("m1", 1, "", cid="m1"),
    ),
    "9: one message": (
        frame(DELIVERED_3_2, id="zpsm1", msg_type="zwsx.psrq"),
        Deliver("zpsm1", "zpsk.wsx.client.1", [DELIVERED_3_2], NOW),
    ),
    "9: several messages": (
        frame([DELIVERED_3_2, SECOND], msg_type="zwsx.psrq"),
        Deliver("m1", "zpsk.wsx.client.1", [DELIVERED_3_2, SECOND], NOW),
    ),
    "9: each message twice": (
        frame([DELIVERED_3_2, SECOND, DELIVERED_3_2, SECOND], msg_type="zwsx.psrq"),
        Deliver("m1", "zpsk.wsx.client.1", [DELIVERED_3_2, SECOND], NOW),
    ),
    "9: the same message of two subscriptions": (
        frame([DELIVERED_3_2, {**DELIVERED_3_2, "sub_key": "other"}], msg_type="zwsx.psrq"),
        Deliver("m1", "zpsk.wsx.client.1", [DELIVERED_3_2, {**DELIVERED_3_2, "sub_key": "other"}], NOW),
    ),
    "9: ctx of one message": (
        frame(
            {**DELIVERED_3_2, "ctx": {"reply_to_sk": ["k"]}},
            id="zpsm1",
            msg_type="zwsx.psrq",
            ctx={"reply_to_sk": ["k"]},
        ),
        Deliver("zpsm1", "zpsk.wsx.client.1", [{**DELIVERED_3_2, "ctx": {"reply_to_sk": ["k"]}}], NOW),
    ),
    "9: ctx of several messages, under the empty key": (
        frame([DELIVERED_3_2, SECOND], msg_type="zwsx.psrq", ctx={"": [["k"], ["k"]]}),
        Deliver("m1", "zpsk.wsx.client.1", [DELIVERED_3_2, SECOND], NOW),
    ),
    "9: a message of 3.0 with its extra fields": (
        frame([DELIVERED_3_0], msg_type="zwsx.psrq"),
        Deliver("m1", "zpsk.websockets.1", [DELIVERED_3_0], NOW),
    ),
    "9: what a hook put in place of a message": (
        frame(["text", "text", 5], msg_type="zwsx.psrq"),
        Deliver("m1", "", [{"data": "text"}, {"data": "text"}, {"data": 5}], NOW),
    ),
    "9: messages without a usable id are different ones": (
        frame([{"msg_id": []}, {"msg_id": []}, {"msg_id": ""}], msg_type="zwsx.psrq"),
        Deliver("m1", "", [{"msg_id": []}, {"msg_id": []}, {"msg_id": ""}], NOW),
    ),
    "9: an empty list": (frame([], msg_type="zwsx.psrq"), Deliver("m1", "", [], NOW)),
}


@pytest.mark.parametrize(("raw", "expected"), RECEIVED.values(), ids=RECEIVED)
@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "binary"])
def test_what_a_channel_says_in_a_session(raw: str, expected: Any, is_binary: bool) -> None:
    """Answers, requests and deliveries are understood in each shape, before or after anything else."""
    client = open_client()
    client.send([Invoke("i1", [])])
    assert client.receive(raw.encode() if is_binary else raw) == [expected]


RESULTS: list[Any] = [{"a": 1}, {}, [1], [], "text", "", 7, None, {"response": 1, "other": 2}]


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda result: result,
        lambda result: {"zato_gateway_response": result},
        lambda result: {"response": result},
        lambda result: {"response": {"zato_gateway_response": result}},
    ],
    ids=["bare", "zato_gateway_response", "response", "both"],
)
def test_the_result_of_a_gateway_is_the_result_itself(result: Any, wrap: Any) -> None:
    """5: in all four shapes, and of every kind; what a channel's own service answers is not unwrapped."""
    client = open_client()
    client.send([Invoke("i1", {"service": "a"}), Invoke("i2", {"no": "gateway"})])
    assert client.receive(answer(wrap(result)))[0].data == result
    assert client.receive(answer(wrap(result), in_reply_to="i2"))[0].data == wrap(result)


def test_an_inner_wrapper_is_kept() -> None:
    """5: the gateway for topics leaves that of zato.ping in place, and so does whoever reads it."""
    client = open_client()
    client.send([Invoke("i1", {"service": "zato.ping"})])
    [reply] = client.receive(answer({"zato_ping_response": {"pong": "zato"}}))
    assert reply.data == {"zato_ping_response": {"pong": "zato"}}


SUB_DATA: dict[str, tuple[Any, Any]] = {
    "a repr of dicts": (
        "[{'topic_name': '/a', 'sub_key': 'zpsk.1', 'current_depth': '0'}, {'topic_name': \"/b'c\"}]",
        [{"topic_name": "/a", "sub_key": "zpsk.1", "current_depth": "0"}, {"topic_name": "/b'c"}],
    ),
    "of Python 2": ("[{u'topic_name': u'/a'}]", [{"topic_name": "/a"}]),
    "none": ("[]", []),
    "a list already": ([{"topic_name": "/a"}], [{"topic_name": "/a"}]),
    "code": ("[__import__('os').getcwd()]", "[__import__('os').getcwd()]"),
    "something else": ("{'a': 1}", "{'a': 1}"),
    "no literal": ("[{'a': ", "[{'a': "),
    "nested too deep": ("[" * 5000, "[" * 5000),
    "with a null byte": ("[\0]", "[\0]"),
    "larger than any list of topics": (f"[{' ' * 70_000}]", f"[{' ' * 70_000}]"),
}


@pytest.mark.parametrize(("given", "expected"), SUB_DATA.values(), ids=SUB_DATA)
def test_what_subscribing_to_several_topics_gives(given: Any, expected: Any) -> None:
    """9: the Python repr of a list is made a list of, without running anything; all else stays as it came."""
    client = open_client()
    client.send([Invoke("i1", {"service": "zato.pubsub.subscription.create-wsx-subscription"})])
    [reply] = client.receive(answer({"response": {"zato_gateway_response": {"sub_data": given}}}))
    assert reply.data == {"sub_data": expected}


LOG_IN: dict[str, tuple[str, Any]] = {
    "3: zwsx.rspa": (
        frame({"token": TOKEN}, msg_type="zwsx.rspa", in_reply_to="h1", status=200),
        Welcome("m1", "h1", NOW, TOKEN),
    ),
    "3: a token of 3.0": (
        frame({"token": "ws.token.1"}, msg_type="zwsx.rspa", in_reply_to="h1", status=200),
        Welcome("m1", "h1", NOW, "ws.token.1"),
    ),
    "10: without a msg_type": (
        frame({"token": TOKEN}, in_reply_to="h1", status=200),
        Welcome("m1", "h1", NOW, TOKEN),
    ),
    "4: bad credentials are a merr, which answers nothing": (
        frame(FORBIDDEN, msg_type="zwsx.merr", status=403),
        Denied("m1", FORBIDDEN, NOW, 403),
    ),
    "3: an error in answer": (
        frame({"cid": "m1"}, msg_type="zwsx.rsperr", in_reply_to="h1", status=400, error_message="bad"),
        Denied("m1", "bad", NOW, 400),
    ),
}


@pytest.mark.parametrize(("raw", "expected"), LOG_IN.values(), ids=LOG_IN)
def test_what_a_channel_answers_to_create_session(raw: str, expected: Any) -> None:
    """A token, or a denial in each of its shapes, after which nothing more is read."""
    client = new_client()
    client.send([Hello("h1")])
    assert client.receive(raw) == [expected]
    after = client.receive(frame(1, msg_type="zwsx.rqc"))
    assert after == ([] if isinstance(expected, Denied) else [Invoke("m1", 1, NOW, cid="m1")])


def test_a_merr_comes_at_any_point() -> None:
    """4: also before this end has said anything; the session is over."""
    for client in (new_client(), open_client()):
        assert client.receive(frame(FORBIDDEN, msg_type="zwsx.merr", status=403)) == [Denied("m1", FORBIDDEN, NOW, 403)]
        assert client.receive(frame(1, msg_type="zwsx.rqc")) == []


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "not JSON": ("no json", ""),
    "not UTF-8": (b"\xff", ""),
    "no object": ("[1]", ""),
    "no meta": ('{"data": 1}', ""),
    "no id": (json.dumps({"meta": {"timestamp": NOW}}), ""),
    "a request that is cut off": ('{"meta": {"id": "q1", "msg_type": "zwsx.rqc"}, "data": {', "q1"),
    "an answer that is cut off": ('{"meta": {"id": "q1", "in_reply_to": "i1"}, "data": {', ""),
    "an id that is too long": (frame(1, id="q" * 201), "q" * 201),
}


@pytest.mark.parametrize(("raw", "answered"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_understood_costs_nothing(raw: str | bytes, answered: str) -> None:
    """The session goes on; a request whose id can be read is answered with nothing, so that nobody waits."""
    client = open_client()
    [violation] = client.receive(raw)
    assert isinstance(violation, Violation)
    assert violation.close_code is None
    if answered:
        [response] = sent(client, violation.answer)
        assert response["meta"]["action"] == "client-response"
        assert (response["meta"]["in_reply_to"], response["data"]) == (answered, {"response": None})
    else:
        assert violation.answer is None
    assert client.receive(frame(1, msg_type="zwsx.rqc")) == [Invoke("m1", 1, NOW, cid="m1")]


@pytest.mark.parametrize("raw", [frame(1, msg_type="zwsx.rqc"), answer(1), frame([], msg_type="zwsx.psrq")])
def test_before_the_session_there_is_nothing_else(raw: str) -> None:
    """A request, an answer or a delivery that comes before this end said hello is not taken for anything."""
    assert isinstance(new_client().receive(raw)[0], Violation)


CLIENT = {"client_id": "wsx.out.0123", "client_name": "WSX outconn - x"}
SENT: dict[str, tuple[Any, dict[str, Any], Any]] = {
    "6: an answer to a request": (
        Reply("r1", "q1", {"a": 1}),
        {"id": "r1", "action": "client-response", "in_reply_to": "q1"},
        {"response": {"a": 1}},
    ),
    "6: an answer of nothing": (
        Reply("r1", "q1", None),
        {"id": "r1", "action": "client-response", "in_reply_to": "q1"},
        {"response": None},
    ),
    "6: what failed has no words": (
        Failure("r1", "q1", 500, "an internal detail"),
        {"id": "r1", "action": "client-response", "in_reply_to": "q1"},
        {"response": None},
    ),
    "9: an acknowledgement": (
        Acknowledge("r1", "d1"),
        {"id": "r1", "action": "client-response", "in_reply_to": "d1"},
        {"response": None},
    ),
    "2: a request through a gateway": (
        Invoke("i1", {"service": "a", "request": None}),
        {"id": "i1", "action": "invoke-service"},
        {"service": "a", "request": None},
    ),
    "2: a request of the channel's service": (Invoke("i1", [1]), {"id": "i1", "action": "invoke-service"}, [1]),
}


@pytest.mark.parametrize(("message", "meta", "data"), SENT.values(), ids=SENT)
def test_what_a_connection_sends(message: Any, meta: dict[str, Any], data: Any) -> None:
    """Each message bears its id, the time, the token and whose it is."""
    expected = {"meta": {"timestamp": NOW, "token": TOKEN, **CLIENT, **meta}, "data": data}
    assert sent(open_client(), message) == [expected]


def test_create_session() -> None:
    """2: the credentials and labels, and no token at first; a renewal bears the one before it."""
    hello = Hello("h1", username="u", secret="s", attrs={"a": 1, "b": True, "c": "x"}, **CLIENT)
    meta = {
        "id": "h1",
        "timestamp": NOW,
        "token": None,
        "action": "create-session",
        "username": "u",
        "secret": "s",
        "attrs": "a=1\nb=True\nc=x",
        **CLIENT,
    }
    assert sent(new_client(), hello) == [{"meta": meta, "data": {}}]
    assert sent(open_client(), hello)[0]["meta"]["token"] == TOKEN


@pytest.mark.parametrize("message", [Cancel("q1"), Goodbye(1001)])
def test_what_zato_has_no_words_for_gives_no_frame(message: Any) -> None:
    """A cancel, and a goodbye beside the close frame, exist on native links only."""
    assert open_client().send([message]) == []


def test_a_connection_s_ping_is_a_message_too() -> None:
    """7: a channel that reads payloads can read it; a client has nothing to say when pings are missed."""
    client: ZatoClientWire = new_client()
    assert json.loads(client.ping_payload("x"))["meta"]["id"] == "x"
    assert client.last_words("Pings missed") == []
