"""Hypothesis against both wires' decoders: whatever comes, in whatever role and state, is a message or a violation."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import Goodbye, Hello, Invoke
from runtime.wire import Frame, NativeWire, Role, Violation
from tests.fuzzing.inputs import FORMATS, ROLES, Inputs
from tests.fuzzing.wires import STATES, TOKEN, check, make_wire
from tests.runtime.wire.zato_frames import NOW, frame, open_client, open_server

ENDS = [(one, role, state) for one in FORMATS for role in ROLES for state in STATES]
NAMES = [" ".join(end) for end in ENDS]
EFFORT = settings(max_examples=40)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(2**4000, 2**4001)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
WORDS = st.sampled_from(
    [
        "create-session",
        "invoke-service",
        "client-response",
        "zwsx.rspa",
        "zwsx.rspok",
        "zwsx.rsperr",
        "zwsx.merr",
        "zwsx.rqc",
        "zwsx.psrq",
        TOKEN,
        "200",
        "m1",
    ]
)
META_KEYS = (
    "action",
    "attrs",
    "client_id",
    "client_name",
    "ctx",
    "error_message",
    "in_reply_to",
    "msg_type",
    "secret",
    "status",
    "token",
    "username",
)
META = st.fixed_dictionaries(
    {"id": st.just("m1") | VALUES, "timestamp": st.just(NOW) | VALUES},
    optional=dict.fromkeys(META_KEYS, WORDS | VALUES),
)
ZATO_FRAMES = st.builds(lambda meta, data: json.dumps({"meta": meta, "data": data}), META, VALUES)
KINDS = st.sampled_from(
    [
        "hello",
        "welcome",
        "denied",
        "invoke",
        "publish",
        "subscribe",
        "unsubscribe",
        "confirm",
        "reply",
        "failure",
        "cancel",
        "deliver",
        "acknowledge",
        "refuse",
        "x",
    ]
)
PACKABLE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=9) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
NATIVE_FRAMES = st.lists(
    st.builds(lambda kind, fields: [kind, *fields], KINDS, st.lists(st.just("m1") | PACKABLE, max_size=9)), max_size=3
).map(msgspec.msgpack.encode)
FRAMES: st.SearchStrategy[Frame] = st.binary() | st.text() | ZATO_FRAMES | NATIVE_FRAMES


@pytest.mark.parametrize("end", ENDS, ids=NAMES)
@EFFORT
@given(frames=st.lists(FRAMES, min_size=1, max_size=4))
def test_whatever_comes_is_a_message_or_a_violation(end: tuple[str, str, str], frames: list[Frame]) -> None:
    """Nothing is raised, by what is received or by what this end answers; and a closed session says nothing."""
    wire = make_wire(*end)
    for one in frames:
        outcomes = check(wire, one)
        assert end[2] != "closed" or outcomes == ["nothing"]


@pytest.mark.parametrize("end", ENDS, ids=NAMES)
@EFFORT
@given(seed=st.integers(0, 2**32), places=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), max_size=5))
def test_messages_that_were_damaged(end: tuple[str, str, str], seed: int, places: list[tuple[int, int]]) -> None:
    """What was a message before a few bytes of it changed is one, or a violation."""
    _kind, one = Inputs(seed).next(end[0], end[1], TOKEN)
    raw = bytearray(one.encode(errors="replace") if isinstance(one, str) else one)
    for place, value in places:
        if raw:
            raw[place % len(raw)] = value
    check(make_wire(*end), bytes(raw))


@pytest.mark.parametrize("end", ENDS, ids=NAMES)
@pytest.mark.parametrize("depth", [900, 1100, 500_000])
def test_nesting_costs_no_more_than_its_bytes(end: tuple[str, str, str], depth: int) -> None:
    """However deep, in whatever field, it is dealt with at once."""
    began = time.perf_counter()
    nested = "[" * depth + "]" * depth
    for key in ("id", "timestamp", "token", "client_name", "attrs", "in_reply_to", "status", "username"):
        check(make_wire(*end), frame(**{key: "here"}).replace('"here"', nested))
    check(make_wire(*end), frame("here").replace('"here"', nested))
    check(make_wire(*end), b"\x91" * depth)
    assert time.perf_counter() - began < 20


@pytest.mark.parametrize("length", [201, 100_000])
def test_an_id_that_is_too_long_to_keep_is_refused(length: int) -> None:
    """On both wires: ids are remembered until they are answered."""
    native = make_wire("native", "server", "open")
    [violation] = native.receive(msgspec.msgpack.encode([Invoke("x" * length)]))
    assert (violation.close_code, violation.reason) == (1002, "an id has at most 200 characters")
    assert isinstance(open_server().receive(frame(1, id="x" * length, token=TOKEN))[0], Violation)
    assert isinstance(open_client().receive(frame(1, id="x" * length, msg_type="zwsx.rqc"))[0], Violation)


LABELS = ("username", "secret", "client_id", "client_name", "cluster", "connection", "server", "incarnation")


@pytest.mark.parametrize("field", [*LABELS, "attrs"])
def test_what_a_client_says_of_itself_is_bounded(field: str) -> None:
    """On the native wire, too: it is kept as long as the session, or longer."""
    for length, is_fine in ((9_000, True), (10_001, False)):
        value: Any = {"a": "x" * length} if field == "attrs" else "x" * length
        raw = msgspec.msgpack.encode([Hello("h1", **{field: value})])
        [found] = make_wire("native", "server", "new").receive(raw)
        assert isinstance(found, Hello if is_fine else Violation)


@pytest.mark.parametrize("seconds", [float("nan"), -1.0, float("-inf")])
@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("server", ["invoke", "i1", None, "", None]),
        ("client", ["deliver", "d1", "k", [], "", None]),
        ("server", ["refuse", "r1", "d1", "", "", [["zpsm1", "", None]]]),
    ],
)
def test_a_duration_is_not_negative_and_a_number(role: str, fields: list[Any], seconds: float) -> None:
    """Time left, ack_timeout and redeliver_after: what they cannot be is refused before anybody waits for it."""
    raw = copy.deepcopy(fields)
    place = raw[-1][0] if isinstance(raw[-1], list) else raw
    place[-1] = 1.0
    assert not isinstance(make_wire("native", role, "open").receive(msgspec.msgpack.encode([raw]))[0], Violation)
    place[-1] = seconds
    assert isinstance(make_wire("native", role, "open").receive(msgspec.msgpack.encode([raw]))[0], Violation)


@pytest.mark.parametrize("end", [end for end in ENDS if end[2] == "open"], ids=" ".join)
def test_what_is_remembered_is_bounded(end: tuple[str, str, str]) -> None:
    """However many requests, deliveries and renewals nobody answers, the oldest are forgotten."""
    wire: Any = make_wire(*end)
    for number in range(12_000):
        wire.send([Invoke(f"i{number}", {"service": "a"})])
    for table in ("_deliveries", "_requests", "_gateway_calls"):
        assert len(getattr(wire, table, ())) <= 10_000
    if end[0] == "zato":
        remembered = wire._requests if end[1] == "server" else wire._gateway_calls
        assert len(remembered) == 10_000
        assert "i11999" in remembered


def test_a_goodbye_is_the_end() -> None:
    """On the native wire nothing is taken in after it, valid or not."""
    wire = NativeWire(Role.SERVER, timestamp=lambda: NOW, max_message_size=1000)
    assert wire.receive(msgspec.msgpack.encode([Goodbye(1000)])) == [Goodbye(1000)]
    assert wire.receive(b"\xc1") == []
