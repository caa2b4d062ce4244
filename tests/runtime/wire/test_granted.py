"""Credit on the native wire: what a peer may have under way, seen from the end that granted it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.credit import CreditAccount, encoded, size_of
from actors.messages import (
    CREDIT,
    Acknowledge,
    Cancel,
    Confirm,
    Confirmed,
    Credit,
    CreditLimit,
    Deliver,
    Delivered,
    Failure,
    Hello,
    Invoke,
    Message,
    OpenStream,
    Publication,
    PublishTo,
    Refuse,
    Reply,
    StreamEnd,
    SubscribeTo,
    UnsubscribeFrom,
    Welcome,
)
from runtime.wire import NativeWire, Role, Violation
from runtime.wire.granted import Granted

NOW = "2026-01-31T12:00:00.000000"
BIG = CreditLimit(1 << 40, 1 << 40)


def encode(*messages: Any) -> bytes:
    return msgspec.msgpack.encode(list(messages))


def pair(
    *,
    hello: tuple[str, ...] = (CREDIT,),
    welcome: tuple[str, ...] = (CREDIT,),
    server_takes: CreditLimit = BIG,
    client_takes: CreditLimit = BIG,
    deliveries: CreditLimit = BIG,
) -> tuple[NativeWire, NativeWire]:
    """Return a client and a server whose session is open."""
    client, server = (NativeWire(role, timestamp=lambda: NOW, max_message_size=1 << 20) for role in Role)
    if client._session.role is not Role.CLIENT:
        client, server = server, client
    said: list[tuple[NativeWire, NativeWire, Message]] = [
        (client, server, Hello("h", features=list(hello), requests=client_takes, deliveries=deliveries)),
        (server, client, Welcome("w", "h", features=list(welcome), requests=server_takes)),
    ]
    for sender, receiver, message in said:
        for frame in sender.send([message]):
            receiver.receive(frame)
    return client, server


def delivery(number: int, sub_key: str, *sizes: int) -> Deliver:
    return Deliver(f"d{number}", sub_key, [Delivered(1, msgspec.Raw(encoded("x" * (size - 2))[0])) for size in sizes])


def reasons(wire: NativeWire, *messages: Any) -> list[str]:
    """Return what a wire has against messages, which come in one frame."""
    found = wire.receive(encode(*messages))
    assert all(one.close_code == 1002 for one in found if isinstance(one, Violation))
    return [one.reason for one in found if isinstance(one, Violation)]


ONE = CreditLimit(1, 100)


@pytest.mark.parametrize(
    ("requests", "reason"),
    [
        ([Invoke("a", "x")], ""),
        ([Invoke("a", "x" * 5000)], ""),
        ([Invoke("a", "x"), Invoke("b", "x")], "more requests than were granted: 1 are under way"),
        (
            [Invoke("a", "x" * 1500), Invoke("b", "x")],
            "more requests than were granted: 1 are under way, with 1503 bytes",
        ),
        ([Invoke("a", "x"), OpenStream("b", "x")], "more requests than were granted: 1 are under way"),
        ([OpenStream("a", "x"), Invoke("b", "x")], "more requests than were granted: 1 are under way"),
        (
            [Invoke("a", "x"), SubscribeTo("b", ["/t"])],
            "more requests than were granted: 1 are under way",
        ),
        ([UnsubscribeFrom("a", "x"), Invoke("b")], "more requests than were granted: 1 are under way"),
        ([PublishTo("a", [Publication("x")]), Invoke("b")], "more requests than were granted: 1 are under way"),
        ([Invoke("a", "x"), Cancel("a"), Invoke("b", "x")], ""),
        ([Invoke("a", "x"), Cancel("other"), Invoke("b", "x")], "more requests than were granted: 1 are under way"),
    ],
)
def test_requests_beyond_what_was_granted(requests: list[Message], reason: str) -> None:
    """The first one is too many for the link; what was taken back counts no more."""
    _, server = pair(server_takes=ONE)
    found = reasons(server, *requests)
    assert bool(found) == bool(reason)
    assert not reason or found[0].startswith(reason)


@pytest.mark.parametrize(
    "answer", [Reply("r", "a"), Failure("r", "a", 500, "no"), StreamEnd("e", "a"), Confirm([Confirmed("a", ["m"])])]
)
def test_an_answer_makes_room(answer: Message) -> None:
    """A result, an error, the end of a stream, or a confirmation."""
    _, server = pair(server_takes=ONE)
    assert reasons(server, OpenStream("a", "x")) == []
    server.send([answer])
    assert reasons(server, Invoke("b", "x" * 500)) == []
    assert reasons(server, Invoke("c", "x")) == ["more requests than were granted: 1 are under way, with 503 bytes"]


def test_more_may_be_granted() -> None:
    """With `credit` that has no subject; that of a stream says nothing of requests."""
    client, server = pair(server_takes=ONE)
    assert reasons(server, Invoke("a", "x")) == []
    for subject in ("a", ""):
        for frame in server.send([Credit(subject, 1, 0)]):
            assert client.receive(frame) == [Credit(subject, 1, 0)]
    assert reasons(server, Invoke("b", "x")) == []
    assert reasons(server, Invoke("c", "x")) != []


def test_requests_of_the_server_have_the_client_s_credit() -> None:
    """The other way round it is the same."""
    client, _ = pair(client_takes=ONE)
    assert reasons(client, Invoke("a", "x"), Invoke("b", "x")) != []


@pytest.mark.parametrize(
    ("sizes", "is_allowed"),
    [
        ([("a", 10, 10, 10)], True),
        ([("a", 10, 10, 10, 10)], False),
        ([("a", 10, 10), ("a", 10)], True),
        ([("a", 10, 10), ("a", 10, 10)], False),
        ([("a", 10, 10, 10), ("b", 10, 10, 10)], True),
        ([("a", 5000)], True),
        ([("a", 10, 5000)], True),
        ([("a", 5000, 10)], False),
        ([("a", 100), ("a", 10)], False),
    ],
)
def test_deliveries_beyond_what_was_granted(sizes: list[tuple[Any, ...]], is_allowed: bool) -> None:
    """Each subscription has its own credit, which the last message alone may go beyond in bytes."""
    client, _ = pair(deliveries=CreditLimit(3, 100))
    found = reasons(client, *(delivery(number, *one) for number, one in enumerate(sizes)))
    assert (found == []) == is_allowed
    assert all(one.startswith("more messages of subscription 'a' than were granted: ") for one in found)


@pytest.mark.parametrize("answer", [Acknowledge("a", "d0"), Refuse("a", "d0", "no")])
def test_an_answered_delivery_makes_room(answer: Message) -> None:
    """Whether it was handled or not; an answer to another one does not."""
    client, _ = pair(deliveries=CreditLimit(3, 100))
    assert reasons(client, delivery(0, "a", 10, 10, 10)) == []
    client.send([Acknowledge("b", "other")])
    client.send([answer])
    client.send([answer])
    assert reasons(client, delivery(1, "a", 10, 10, 10)) == []
    assert reasons(client, delivery(2, "a", 10)) != []


def test_what_comes_with_the_welcome_counts() -> None:
    """Also before the welcome has been looked at as a whole."""
    client, server = (NativeWire(role, timestamp=lambda: NOW, max_message_size=1 << 20) for role in Role)
    [hello] = client.send([Hello("h", features=[CREDIT], requests=ONE, deliveries=ONE)])
    server.receive(hello)
    welcome = Welcome("w", "h", features=[CREDIT], requests=ONE)
    assert reasons(client, welcome, Invoke("a", "x"), Invoke("b", "x")) != []


@pytest.mark.parametrize(
    ("hello", "welcome"), [((), (CREDIT,)), ((CREDIT,), ()), ((), ())], ids=["old client", "old server", "both old"]
)
def test_without_the_feature_at_both_ends_nothing_is_counted(hello: tuple[str, ...], welcome: tuple[str, ...]) -> None:
    """An older peer knows nothing of credit, whatever else its messages seem to say."""
    client, server = pair(
        hello=hello, welcome=welcome, server_takes=ONE, client_takes=ONE, deliveries=CreditLimit(1, 1)
    )
    many = [Invoke(f"m{number}", "x" * 100) for number in range(10)]
    assert server.receive(encode(*many)) == many
    assert client.receive(encode(*many)) == many
    assert reasons(client, delivery(0, "a", 10, 10, 10)) == []


@pytest.mark.parametrize("data", [b"\xa2\xff\xff", b"\x81\x01\xa1\xff", b"\xd6\xff"])
def test_data_that_cannot_be_read_breaks_the_format(data: bytes) -> None:
    """Although the rest of its message can."""
    _, server = pair()
    [violation] = server.receive(b"\x91\x93\xa6invoke\xa1a" + data)
    assert isinstance(violation, Violation)
    assert violation.close_code == 1007


@given(st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(), st.lists))
def test_requests_arrive_as_they_were_sent(data: Any) -> None:
    """Counting changes nothing of them."""
    client, server = pair()
    requests: list[Message] = [
        Invoke("a", data, NOW, 5.0, "c"),
        OpenStream("b", data, NOW, None, "", "t1", 1, 2),
        PublishTo("c", [Publication(data, {"priority": 3})], NOW, 1.0, "", "t2", "/t"),
    ]
    [frame] = client.send([msgspec.structs.replace(one, data=encoded(one.data)[0]) for one in requests])  # type: ignore[type-var]
    assert server.receive(frame) == requests


class BothEnds(RuleBasedStateMachine):
    """A sender that keeps to its account, and a wire that counts what it granted; messages are on their way for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.limit, self.of_each = CreditLimit(4, 300), CreditLimit(3, 200)
        self.client, self.server = pair(server_takes=self.limit, deliveries=self.of_each)
        self.account = CreditAccount(self.limit)
        self.accounts = {one: CreditAccount(self.of_each) for one in ("a", "b")}
        self.to_server: list[bytes] = []
        self.to_client: list[bytes] = []
        self.sent: dict[str, int] = {}
        self.at_server: list[str] = []
        self.deliveries: dict[str, tuple[str, int, int]] = {}
        self.at_client: list[str] = []
        self.count = 0

    def _name(self) -> str:
        self.count += 1
        return f"m{self.count}"

    @precondition(lambda self: self.account.is_open)
    @rule(size=st.integers(0, 400), is_stream=st.booleans())
    def request(self, size: int, is_stream: bool) -> None:
        name, (data, taken) = self._name(), encoded("x" * size)
        self.account.take(taken)
        self.sent[name] = taken
        self.to_server += self.client.send([OpenStream(name, data) if is_stream else Invoke(name, data)])

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.sent)))
        self.account.give_back(self.sent.pop(name))
        self.to_server += self.client.send([Cancel(name)])

    @precondition(lambda self: self.at_server)
    @rule(data=st.data(), is_failure=st.booleans())
    def answer(self, data: st.DataObject, is_failure: bool) -> None:
        name = data.draw(st.sampled_from(self.at_server))
        self.at_server.remove(name)
        self.to_client += self.server.send([Failure(name, name, 500, "no") if is_failure else Reply(name, name)])

    @rule(sub_key=st.sampled_from(("a", "b")), sizes=st.lists(st.integers(2, 150), min_size=1, max_size=4))
    def deliver(self, sub_key: str, sizes: list[int]) -> None:
        account, batch = self.accounts[sub_key], list[int]()
        while len(batch) < min(account.room, len(sizes)):
            if batch and sum(batch) + sizes[len(batch)] > account.room_bytes:
                break
            batch.append(sizes[len(batch)])
        if batch:
            message = delivery(self.count, sub_key, *batch)
            self.count += 1
            account.take(size_of(message.messages), len(batch))
            self.deliveries[message.id] = (sub_key, len(batch), size_of(message.messages))
            self.to_client += self.server.send([message])

    @precondition(lambda self: self.at_client)
    @rule(is_handled=st.booleans())
    def settle(self, is_handled: bool) -> None:
        name = self.at_client.pop(0)
        self.to_server += self.client.send([Acknowledge(name, name) if is_handled else Refuse(name, name, "no")])

    @rule()
    def grant(self) -> None:
        self.to_client += self.server.send([Credit("", 1, 10)])

    @precondition(lambda self: self.to_server)
    @rule()
    def arrive_at_server(self) -> None:
        for message in self.server.receive(self.to_server.pop(0)):
            assert not isinstance(message, Violation), message
            if isinstance(message, Invoke):
                self.at_server.append(message.id)
            elif isinstance(message, Cancel):
                self.at_server = [one for one in self.at_server if one != message.in_reply_to]
            elif isinstance(message, Acknowledge | Refuse):
                sub_key, count, size = self.deliveries.pop(message.in_reply_to)
                self.accounts[sub_key].give_back(size, count)

    @precondition(lambda self: self.to_client)
    @rule()
    def arrive_at_client(self) -> None:
        for message in self.client.receive(self.to_client.pop(0)):
            assert not isinstance(message, Violation), message
            if isinstance(message, Reply | Failure) and message.in_reply_to in self.sent:
                self.account.give_back(self.sent.pop(message.in_reply_to))
            elif isinstance(message, Credit):
                self.account.raise_by(message.count, message.bytes)
            elif isinstance(message, Deliver):
                self.at_client.append(message.id)

    @invariant()
    def what_is_under_way_is_within_the_credit(self) -> None:
        """At the end that granted it: what the sender took back may still be there until that arrives."""
        requests = self._requests()
        assert requests.count == len(self.at_server) <= requests.max_count
        accounts = self._granted(self.client)._accounts
        assert sum(one.count for one in accounts.values()) == sum(self.deliveries[one][1] for one in self.at_client)
        assert all(one.count <= self.of_each.count for one in accounts.values())
        assert all(one.count <= self.accounts[sub_key].count for sub_key, one in accounts.items())

    def _requests(self) -> CreditAccount:
        return self._granted(self.server)._requests

    def _granted(self, wire: NativeWire) -> Granted:
        assert wire._granted is not None
        return wire._granted


TestBothEnds = BothEnds.TestCase
TestBothEnds.settings = settings(max_examples=60, stateful_step_count=60)
