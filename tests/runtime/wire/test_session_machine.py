"""Both ends of a wire, joined by a queue in each direction: whatever either may send, in any interleaving."""

from __future__ import annotations

import json
from collections import deque
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.messages import (
    Acknowledge,
    Cancel,
    Deliver,
    Denied,
    Failure,
    Goodbye,
    Hello,
    Invoke,
    Refuse,
    Reply,
    Welcome,
)
from runtime.wire import LocalProtocolError, Violation
from runtime.wire.parts import PARTS
from tests.runtime.wire.test_wires import NOW, PAIRS, frame, opened

NEW, GREETED, OPEN, CLOSED = "new", "greeted", "open", "closed"
KINDS = (Hello, Welcome, Denied, Invoke, Reply, Failure, Cancel, Deliver, Acknowledge, Refuse, Goodbye)
BOTH = {Invoke, Reply, Failure, Cancel, Goodbye}
MAY_SEND: dict[tuple[str, str], set[type]] = {
    ("client", NEW): {Hello, Goodbye},
    ("client", GREETED): {Goodbye},
    ("client", OPEN): {*BOTH, Hello, Acknowledge, Refuse},
    ("server", NEW): {Denied, Failure, Goodbye},
    ("server", GREETED): {Welcome, Denied, Failure, Goodbye},
    ("server", OPEN): {*BOTH, Welcome, Denied, Deliver},
    ("client", CLOSED): set(),
    ("server", CLOSED): set(),
}
UNSAYABLE = {"client": (Cancel, Refuse, Goodbye), "server": (Cancel, Goodbye)}
"""What gives no frame in Zato's format."""

WORDS = st.text("abcäß ", min_size=1, max_size=4)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
ENDS = st.sampled_from(["client", "server"])


def after(state: str, message: object) -> str:
    """Return the state of an end that has sent or received a message."""
    if isinstance(message, Denied | Goodbye):
        return CLOSED
    if isinstance(message, Hello) and state == NEW:
        return GREETED
    if isinstance(message, Welcome):
        return OPEN
    return state


class SessionMachine(RuleBasedStateMachine):
    """The model: each end's state, what is on its way, and what may be answered."""

    format = ""

    @initialize(data=st.data(), is_open=st.booleans())
    def connect(self, data: st.DataObject, is_open: bool) -> None:
        client, server = PAIRS[self.format]()
        self.wires: dict[str, Any] = {"client": client, "server": server}
        self.state = {"client": NEW, "server": NEW}
        self.to: dict[str, deque[tuple[Any, list[Any]]]] = {"client": deque(), "server": deque()}
        self.requests: dict[str, list[str]] = {"client": [], "server": []}
        self.deliveries: list[str] = []
        self.client_id = ""
        self.number = 0
        if is_open:
            self.transmit("client", [self.make(data, Hello, "client")])
            self.take_in("server")
            self.transmit("server", [self.make(data, Welcome, "server")])
            self.take_in("client")

    def make(self, data: st.DataObject, kind: type, end: str) -> Any:
        """Return a message of a kind, with an id of its own; answers answer what has come."""
        self.number += 1
        unique, text = f"{end}{self.number}", data.draw(WORDS)
        answered = data.draw(st.sampled_from(self.requests[end] or ["nothing"]))
        match kind.__name__:
            case "Hello":
                attrs = data.draw(st.dictionaries(st.text("ab", min_size=1), st.text("cd", min_size=1), max_size=2))
                return Hello(unique, username=text, secret=text, client_id=unique, client_name=text, attrs=attrs)
            case "Welcome":
                return Welcome(unique, "hello", token=f"zwsxt.{unique}")
            case "Denied":
                return Denied(unique, text)
            case "Invoke":
                return Invoke(unique, data.draw(DATA), cid=unique)
            case "Reply":
                return Reply(unique, answered, data.draw(DATA))
            case "Failure":
                return Failure(unique, answered, data.draw(st.integers(400, 599)), text)
            case "Deliver":
                messages = [{"msg_id": f"{unique}{n}", "sub_key": text, "data": data.draw(DATA)} for n in range(2)]
                return Deliver(unique, text, messages)
            case "Acknowledge" | "Refuse":
                return kind(unique, data.draw(st.sampled_from(self.deliveries or ["nothing"])))
            case "Cancel":
                return Cancel(answered)
        return Goodbye(1001, text)

    def is_allowed(self, kind: type, end: str, state: str) -> bool:
        has_delivery = kind not in (Acknowledge, Refuse) or bool(self.deliveries)
        return kind in MAY_SEND[end, state] and has_delivery

    def note_sent(self, end: str, message: Any) -> Any:
        """Have the model send a message; return what the other end is to receive, None where it cannot be said."""
        self.state[end] = after(self.state[end], message)
        if isinstance(message, Hello):
            self.client_id = message.client_id
        if getattr(message, "timestamp", None) == "":
            message = msgspec.structs.replace(message, timestamp=NOW)
        if self.format == "native":
            return message
        if isinstance(message, UNSAYABLE[end]):
            return None
        if end == "client" and isinstance(message, Failure):
            return Reply(message.id, message.in_reply_to, None, NOW)
        return message

    @rule(data=st.data(), end=ENDS, count=st.integers(1, 3), may_end=st.integers(0, 9))
    def send(self, data: st.DataObject, end: str, count: int, may_end: int) -> None:
        """An end sends what it may, several messages at once; it seldom ends the session."""
        batch: list[Any] = []
        state = self.state[end]
        for _ in range(count):
            kinds = [kind for kind in KINDS if self.is_allowed(kind, end, state)]
            if may_end:
                kinds = [kind for kind in kinds if kind not in (Denied, Goodbye)]
            if not kinds:
                break
            batch.append(self.make(data, data.draw(st.sampled_from(kinds)), end))
            if isinstance(batch[-1], Acknowledge | Refuse):
                self.deliveries.remove(batch[-1].in_reply_to)
            state = after(state, batch[-1])
        self.transmit(end, batch)

    def transmit(self, end: str, batch: list[Any]) -> None:
        """Send a batch and put its frames on their way, with what the other end is to receive."""
        expected, client_ids = [], []
        for one in batch:
            if (message := self.note_sent(end, one)) is not None:
                expected.append(message)
                client_ids.append(self.client_id)
        frames = self.wires[end].send(batch)
        other = "server" if end == "client" else "client"
        if self.format == "native":
            assert len(frames) == (1 if batch else 0)
            self.to[other] += [(frame, expected) for frame in frames]
            return
        assert len(frames) == len(expected)
        self.to[other] += [(frame, [one]) for frame, one in zip(frames, expected, strict=True)]
        if end == "client":
            assert [json.loads(frame)["meta"]["client_id"] for frame in frames] == client_ids

    @rule(data=st.data(), end=ENDS, after_legal=st.booleans())
    def send_what_may_not_be_sent(self, data: st.DataObject, end: str, after_legal: bool) -> None:
        """It is an error of this end's, alone or behind what may be sent, and nothing of it is sent or remembered."""
        state, batch = self.state[end], []
        legal = [kind for kind in KINDS if self.is_allowed(kind, end, state)]
        if after_legal and legal:
            batch.append(self.make(data, data.draw(st.sampled_from(legal)), end))
            state = after(state, batch[0])
        illegal = [kind for kind in KINDS if kind not in MAY_SEND[end, state]]
        batch.append(self.make(data, data.draw(st.sampled_from(illegal)), end))
        with pytest.raises(LocalProtocolError):
            self.wires[end].send(batch)

    @rule(data=st.data(), end=ENDS)
    def send_what_cannot_be_encoded(self, data: st.DataObject, end: str) -> None:
        """Data that the format has no words for is refused, with all that was sent along."""
        if self.state[end] == OPEN:
            with pytest.raises(ValueError, match=r"JSON|encoded"):
                self.wires[end].send([self.make(data, Invoke, end), Invoke("bad", object())])

    @precondition(lambda self: any(self.to.values()))
    @rule(end=ENDS, all_of_it=st.booleans())
    def receive(self, end: str, all_of_it: bool) -> None:
        """An end takes in what is on its way: the same messages in the same order, or nothing once it has closed."""
        for _ in range(len(self.to[end]) if all_of_it else min(1, len(self.to[end]))):
            self.take_in(end)

    def take_in(self, end: str) -> None:
        """Have an end take in the next frame."""
        frame, expected = self.to[end].popleft()
        found = self.wires[end].receive(frame)
        assert not [one for one in found if isinstance(one, Violation)], found
        if self.state[end] == CLOSED:
            assert found == []
            return
        expected = [self.as_received(end, one) for one in expected]
        assert found == expected
        for message in expected:
            self.state[end] = after(self.state[end], message)
            if isinstance(message, Invoke):
                self.requests[end].append(message.id)
            elif isinstance(message, Deliver):
                self.deliveries.append(message.id)

    def as_received(self, end: str, message: Any) -> Any:
        """The wire says what it can do; an error in answer to its hello is a denial for a client of Zato's format."""
        if self.format == "native" and isinstance(message, Hello | Welcome):
            return msgspec.structs.replace(message, features=[PARTS])
        if self.format == "zato" and end == "client" and isinstance(message, Failure) and self.state[end] == GREETED:
            return Denied(message.id, message.message, NOW, message.status)
        return message

    @invariant()
    def a_session_is_open_at_both_ends_or_about_to_be(self) -> None:
        if hasattr(self, "state") and self.state["client"] == OPEN:
            assert self.state["server"] in (OPEN, CLOSED)


class NativeSession(SessionMachine):
    format = "native"


class ZatoSession(SessionMachine):
    format = "zato"


LIMITS = settings(
    max_examples=60, stateful_step_count=40, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
TestNative = NativeSession.TestCase
TestNative.settings = LIMITS
TestZato = ZatoSession.TestCase
TestZato.settings = LIMITS


def test_the_token_before_a_renewal_is_good_until_the_new_one_is_used() -> None:
    """Messages that were on their way when the session was renewed are let in; after that the old token is over."""
    _client, server = opened(PAIRS["zato"]())
    server.send([Welcome("w2", "h2", token="zwsxt.def")])
    assert isinstance(server.receive(frame("invoke-service", token="zwsxt.abc"))[0], Invoke)
    assert isinstance(server.receive(frame("invoke-service", token="zwsxt.def"))[0], Invoke)
    assert isinstance(server.receive(frame("invoke-service", token="zwsxt.abc"))[0], Violation)


def test_an_answer_to_what_is_no_id_is_a_violation() -> None:
    """`in_reply_to` may be anything that JSON can say; without a token only an id that is waited for lets it in."""
    for answered in ([], {}, 5, None, ["zwsxt.abc"]):
        _client, server = opened(PAIRS["zato"]())
        assert isinstance(server.receive(frame("client-response", token=None, in_reply_to=answered))[0], Violation)
