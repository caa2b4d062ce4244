"""The log of a session's messages: what is kept of each, how many, and what is never kept."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from actors.channels.message_log import Direction, MessageLog
from actors.messages import Acknowledge, Deliver, Denied, Extend, Failure, Goodbye, Hello, Invoke, Reply, Welcome
from actors.settings import ChannelSettings

BOTH = ChannelSettings(
    address="ws://127.0.0.1:1/x",
    service="demo.echo",
    security="none",
    is_audit_log_sent_active=True,
    is_audit_log_received_active=True,
)
SENT, RECEIVED = Direction.SENT, Direction.RECEIVED


def log_of(**settings: Any) -> MessageLog:
    times = iter(range(100_000))
    return MessageLog(evolve(BOTH, **settings), lambda: f"at {next(times)}")


def test_messages_of_both_directions_are_kept_in_order() -> None:
    """Each with when it passed, which way, its id and what it answers."""
    log = log_of()
    log.note(RECEIVED, Invoke("i1", {"a": 1}))
    log.note(SENT, Reply("r1", "i1", [1]))
    found = [
        (one.number, one.at, one.direction, one.kind, one.id, one.in_reply_to, one.data, one.size)
        for one in log.messages()
    ]
    assert found == [
        (1, "at 0", RECEIVED, "Invoke", "i1", "", '{"a":1}', 7),
        (2, "at 1", SENT, "Reply", "r1", "i1", "[1]", 3),
    ]


@pytest.mark.parametrize("direction", Direction)
def test_a_direction_is_logged_by_itself(direction: Direction) -> None:
    """What goes the other way is neither kept nor counted."""
    log = log_of(is_audit_log_sent_active=direction is SENT, is_audit_log_received_active=direction is RECEIVED)
    log.note(SENT, Reply("r1", "i1"))
    log.note(RECEIVED, Invoke("i1"))
    assert [one.direction for one in log.messages()] == [direction]
    assert log.counts == {direction: 1}


def test_the_oldest_make_room() -> None:
    """Each direction keeps as many as its own limit says; all of them are counted."""
    log = log_of(max_len_messages_sent=2, max_len_messages_received=3)
    for number in range(10):
        log.note(RECEIVED, Invoke(f"i{number}"))
        log.note(SENT, Reply(f"r{number}", f"i{number}"))
    assert [one.id for one in log.messages()] == ["i7", "i8", "r8", "i9", "r9"]
    assert log.counts == {SENT: 10, RECEIVED: 10}
    assert log_of(max_len_messages_sent=0).messages() == []


def test_long_data_is_cut_and_its_size_known() -> None:
    """In kilobytes, each direction by its own limit, and never in the middle of a character."""
    log = log_of(max_bytes_per_message_sent=1, max_bytes_per_message_received=2)
    log.note(SENT, Reply("r1", "i1", "é" * 5000))
    log.note(RECEIVED, Invoke("i1", "x" * 5000))
    sent, received = log.messages()
    assert (len(sent.data.encode()), sent.size) == (1023, 10_002)
    assert (len(received.data), received.size) == (2048, 5002)


KEPT: list[tuple[Any, str]] = [
    (
        Hello("h1", username="u", secret="hidden", client_id="c", attrs={"password": "hidden", "a": 1}),
        '{"username":"u","client_id":"c","client_name":"","attrs":{"password":"***","a":1}}',
    ),
    (Welcome("w1", "h1", token="hidden", cluster="emea"), '{"cluster":"emea"}'),
    (Invoke("i1", {"request": [{"Password": "hidden", "secret-key": "hidden", "api_key": None}]}), ""),
    (Failure("f1", "i1", 404, "No such topic"), '{"status":404,"message":"No such topic"}'),
    (Denied("d1", "not authorized"), '"not authorized"'),
    (Goodbye(1001, "bye"), '"bye"'),
    (Extend(["d1", "d2"]), "null"),
    (Acknowledge("a1", "d1"), "null"),
    (Deliver("d1", "k", [{"data": "x"}, {"data": {"token": "hidden"}}]), '[{"data":"x"},{"data":{"token":"***"}}]'),
    (Deliver("d1", "k", [{"data": "x"}], is_bare=True), '{"data":"x"}'),
]


@pytest.mark.parametrize(("message", "expected"), KEPT, ids=lambda one: type(one).__name__)
def test_secrets_and_tokens_are_never_kept(message: Any, expected: str) -> None:
    """Of a log-in only who it was, and of users' data nothing whose name says that it is a secret."""
    log = log_of()
    log.note(RECEIVED, message)
    [kept] = log.messages()
    assert "hidden" not in repr(kept)
    assert kept.data == (expected or '{"request":[{"Password":"***","secret-key":"***","api_key":"***"}]}')


def test_what_cannot_be_shown_says_so() -> None:
    """Data that is nested too deep, or that JSON cannot say, is no reason to fail."""
    log = log_of()
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    log.note(RECEIVED, Invoke("i1", deep))
    log.note(SENT, Reply("r1", "i1", object()))
    assert all(one.data.startswith("cannot be shown") for one in log.messages())
