"""What a channel does with frames of Zato's clients that are wrong, too early or without the right token, by fact."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.messages import Hello, Invoke, Welcome
from runtime.wire import Violation
from tests.runtime.wire.zato_frames import NOW, TOKEN, frame, new_server, open_server, sent

FORBIDDEN = "You are not authorized to access this resource"

UNREADABLE: dict[str, tuple[Any, int, str]] = {
    "5: invalid UTF-8": (b'{"meta": {"id": "m1"}}\xff', 422, "<no-msg-id>"),
    "5: invalid JSON": ("no json", 400, "<no-msg-id>"),
    "5: invalid JSON whose id can be read": ('{"meta": {"id": "m1", "timestamp": "x"}, "data": {', 400, "m1"),
    "5: the same with data before meta, which has a meta of its own": (
        '{"data": {"meta": {"id": "other"}}, "meta": {"token": null, "id" : "m1"}',
        400,
        "m1",
    ),
    "5: the same with data behind meta": ('{"meta": {"id": "m1"}, "data": {"meta": 1, }}', 400, "m1"),
    "5: numbers beyond all bounds": (frame(1, id="m1").replace('"data": 1', f'"data": 1{"0" * 5000}'), 400, "m1"),
    "5: a JSON array": ("[1, 2]", 400, "<no-msg-id>"),
    "5: a JSON array around a message": (f"[{frame(1)}]", 400, "m1"),
    "5: a number": ("5", 400, "<no-msg-id>"),
    "5: no meta": ('{"data": 1}', 400, "<no-msg-id>"),
    "5: a meta that is none": ('{"meta": ["id"]}', 400, "<no-msg-id>"),
    "5: no id": (json.dumps({"meta": {"timestamp": NOW}}), 400, "<no-msg-id>"),
    "5: an empty id": (frame(id=""), 400, "<no-msg-id>"),
    "5: an id of null": (frame(id=None), 400, "<no-msg-id>"),
    "5: a number as id": (frame(id=17), 400, "17"),
    "5: an object as id": (frame(id={"a": 1}), 400, "<no-msg-id>"),
    "5: an id that is too long to keep": (frame(id="x" * 201), 400, "x" * 201),
    "5: no timestamp": (json.dumps({"meta": {"id": "m1"}}), 400, "m1"),
    "5: a timestamp of null": (frame(timestamp=None), 400, "m1"),
    "5: an in_reply_to that is too long to keep": (frame(in_reply_to="x" * 201), 400, "m1"),
    "2: a client_name that is too long to keep": (
        frame(action="create-session", client_name={"a": "x" * 10_000}),
        400,
        "m1",
    ),
    "2: a username that is too long": (frame(action="create-session", username="x" * 10_001), 400, "m1"),
    "2: a secret that is too long": (frame(action="create-session", secret="x" * 10_001), 400, "m1"),
    "4: a token that is too long": (frame(1, token="x" * 10_001), 400, "m1"),
    "2: attrs that are too long to keep": (frame(action="create-session", attrs="x" * 10_001), 400, "m1"),
}


@pytest.mark.parametrize(("raw", "status", "answered"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_understood_is_answered(raw: str | bytes, status: int, answered: str) -> None:
    """An error names what is wrong and, where it can be read, the message; the session goes on."""
    server = open_server()
    [violation] = server.receive(raw)
    assert isinstance(violation, Violation)
    assert violation.close_code is None
    [error] = sent(server, violation.answer)
    assert error["meta"] == {
        "id": "<no-cid>",
        "timestamp": NOW,
        "msg_type": "zwsx.rsperr",
        "in_reply_to": answered,
        "status": status,
        "error_message": violation.reason,
    }
    assert error["data"] == {"cid": "<no-cid>"}
    assert server.receive(frame(1, action="invoke-service", token=TOKEN)) == [Invoke("m1", 1, NOW, cid="m1")]


@pytest.mark.parametrize(("raw", "status", "answered"), UNREADABLE.values(), ids=UNREADABLE)
def test_without_a_session_that_is_the_end(raw: str | bytes, status: int, answered: str) -> None:
    """A peer that has not logged in is told what it broke, where its id can be read, and loses its link."""
    server = new_server()
    [violation] = server.receive(raw)
    assert isinstance(violation, Violation)
    if status == 422:
        assert (violation.close_code, violation.reason, violation.answer) == (4001, "Invalid UTF-8 bytes", None)
    else:
        assert violation.close_code == 1008
        [error] = sent(server, violation.answer)
        if answered == "<no-msg-id>":
            assert (error["meta"]["msg_type"], error["data"]) == ("zwsx.merr", FORBIDDEN)
        else:
            assert (error["meta"]["in_reply_to"], error["meta"]["status"]) == (answered, status)
    assert server.receive(frame({}, action="create-session")) == []


REFUSED: dict[str, str] = {
    "4: no token": frame(1, action="invoke-service"),
    "4: an empty token": frame(1, action="invoke-service", token=""),
    "4: a wrong token": frame(1, action="invoke-service", token="zwsxt.other"),
    "4: a token that is no text": frame(1, action="invoke-service", token=[TOKEN]),
    "6: a response without a token": frame(1, action="client-response", in_reply_to="never"),
    "6: a response to nothing without a token": frame(1, action="client-response"),
    "2: no action and no token": frame(1, in_reply_to="never"),
    "4: an answer that is not one, without a token": frame(1, action="invoke-service", in_reply_to="q1"),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_without_its_token_a_session_ends(raw: str) -> None:
    """The peer is told so by a message that answers nothing, and nothing more is read from it."""
    server = open_server()
    server.send([Invoke("q1", "question")])
    [violation] = server.receive(raw)
    assert isinstance(violation, Violation)
    assert violation.close_code == 1008
    [error] = sent(server, violation.answer)
    assert error == {
        "meta": {"id": "m1", "timestamp": NOW, "msg_type": "zwsx.merr", "status": 403},
        "data": FORBIDDEN,
    }
    assert server.receive(frame(1, action="invoke-service", token=TOKEN)) == []


@pytest.mark.parametrize("action", [None, "invoke-service", "client-response", "x"])
def test_nothing_but_create_session_comes_first(action: str | None) -> None:
    """4: until the session exists, any other message ends the link with a merr."""
    server = new_server()
    [violation] = server.receive(frame(1, action=action, token=TOKEN))
    assert violation.close_code == 1008
    assert sent(server, violation.answer)[0]["meta"]["msg_type"] == "zwsx.merr"


def test_a_request_behind_create_session_ends_the_link() -> None:
    """4: a request that is sent before the token is known has none."""
    server = new_server()
    assert isinstance(server.receive(frame({}, action="create-session"))[0], Hello)
    [violation] = server.receive(frame(1, action="invoke-service"))
    assert violation.close_code == 1008
    assert sent(server, violation.answer)[0]["meta"]["status"] == 403


def test_a_second_create_session_renews_the_token() -> None:
    """4, mended: the client gets another token and goes on; the first stays good until the second is used."""
    server = open_server()
    [hello] = server.receive(frame({}, action="create-session", id="h2", username="u", secret="s", token=TOKEN))
    assert isinstance(hello, Hello)
    [renewed] = sent(server, Welcome("w2", "h2", token="zwsxt.second"))
    assert renewed["data"] == {"token": "zwsxt.second"}
    for token in (TOKEN, "zwsxt.second"):
        assert isinstance(server.receive(frame(1, action="invoke-service", token=token))[0], Invoke)
    assert isinstance(server.receive(frame(1, action="invoke-service", token=TOKEN))[0], Violation)


def test_a_create_session_while_one_is_looked_at_is_answered() -> None:
    """Twice at once is an error of its own; the first goes on."""
    server = new_server()
    server.receive(frame({}, action="create-session", id="h1"))
    [violation] = server.receive(frame({}, action="create-session", id="h2"))
    [error] = sent(server, violation.answer)
    assert (error["meta"]["in_reply_to"], error["meta"]["status"], violation.close_code) == ("h2", 400, None)
    assert sent(server, Welcome("w1", "h1", token=TOKEN))[0]["meta"]["msg_type"] == "zwsx.rspa"


TTL = 3600.0
USES: dict[str, tuple[Any, float, bool]] = {
    "4: a token lives for its time": (lambda _server: None, TTL - 1, True),
    "4: and no longer": (lambda _server: None, TTL, False),
    "4, mended: a request extends it": (
        lambda server: server.receive(frame(1, action="invoke-service", token=TOKEN)),
        TTL + 1,
        True,
    ),
    "4, mended: so does an answer": (
        lambda server: server.receive(frame(1, action="client-response", token=TOKEN)),
        TTL + 1,
        True,
    ),
    "4: so does an answered ping": (lambda server: server.extend_token(), TTL + 1, True),
    "an error does not": (lambda server: server.receive("no json"), TTL + 1, False),
}


@pytest.mark.parametrize(("use", "at", "is_good"), USES.values(), ids=USES)
def test_how_long_a_token_lives(use: Any, at: float, is_good: bool) -> None:
    """From its creation, its last use or the last answered ping, as long as token_ttl says."""
    clock = [0.0]
    server = open_server(clock=clock)
    clock[0] = TTL / 2
    use(server)
    clock[0] = at
    [found] = server.receive(frame(1, action="invoke-service", token=TOKEN))
    assert isinstance(found, Invoke if is_good else Violation)
