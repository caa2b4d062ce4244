"""Frames in parts, without a link: cutting, joining, and peers that do neither right."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actors.messages import Cancel, Deliver, Failure, Goodbye, Hello, Invoke, Publication, PublishTo, Reply, Welcome
from runtime.wire import NativeWire, Role, Violation
from runtime.wire.assembly import Assembly
from runtime.wire.broken import BrokenFrame
from runtime.wire.parts import MAX_IN_PARTS, PART_SIZE, PART_TIMEOUT, SPLIT_ABOVE, Drop, Part
from tests.runtime.wire.test_wires import NOW, carry, opened

MAX_SIZE = 1 << 20
LARGE = "x" * (3 * SPLIT_ABOVE)
KINDS = msgspec.msgpack.Decoder(list[Part | Drop | Invoke | Reply | Deliver | Cancel | Goodbye])


def pair() -> tuple[Any, Any]:
    """Return both ends of a native link that has a session."""
    ends = [NativeWire(role, timestamp=lambda: NOW, max_message_size=MAX_SIZE) for role in (Role.CLIENT, Role.SERVER)]
    return opened((ends[0], ends[1]))


def parts_of(wire: Any) -> list[bytes]:
    """Return all that a wire still has to send in parts."""
    return list(iter(wire.parts.next_frame, None))


def pass_parts(sender: Any, receiver: Any) -> list[Any]:
    return [item for frame in parts_of(sender) for item in receiver.receive(frame)]


def encode(*messages: Any) -> bytes:
    return msgspec.msgpack.encode(list(messages))


def violation_of(wire: Any, *frames: bytes) -> Violation:
    """Return what a wire says of the last of the frames; the others are in order."""
    found = [wire.receive(frame) for frame in frames]
    assert all(one == [] for one in found[:-1]), found
    [violation] = found[-1]
    assert isinstance(violation, Violation)
    return violation


def test_a_large_message_goes_in_parts_and_arrives_whole() -> None:
    """What is small is a frame at once; what is large is none, and comes when its last part has come."""
    client, server = pair()
    [small] = client.send([Invoke("small", 1), Invoke("large", LARGE), Invoke("other", 2)])
    assert [one.id for one in server.receive(small)] == ["small", "other"]
    frames = parts_of(client)
    assert all(len(frame) < PART_SIZE + 64 for frame in frames)
    assert all(server.receive(frame) == [] for frame in frames[:-1])
    [invoke] = server.receive(frames[-1])
    assert (invoke.id, invoke.data) == ("large", LARGE)
    assert server._assembly.held == 0


@pytest.mark.parametrize("messages", [[Invoke("large", LARGE)], [Invoke("a", 1), Invoke("large", LARGE)]])
def test_a_peer_that_does_not_take_parts_gets_none(messages: list[Any]) -> None:
    """A peer of an older release, which did not say that it does, gets the message in one frame."""
    client = NativeWire(Role.CLIENT, timestamp=lambda: NOW, max_message_size=MAX_SIZE)
    client.send([Hello("h1")])
    client.receive(encode(Welcome("w1", "h1")))
    frames = client.send(messages)
    assert not client.parts.is_busy
    assert [one.id for frame in frames for one in KINDS.decode(frame)] == [one.id for one in messages]


def test_several_large_messages_take_turns() -> None:
    """The parts of as many as may be under way alternate; further ones begin when one has ended."""
    client, server = pair()
    client.send([Invoke(f"m{number}", LARGE) for number in range(MAX_IN_PARTS + 1)])
    numbers = [KINDS.decode(frame)[0].number for frame in parts_of(client)]
    assert numbers[: 3 * MAX_IN_PARTS] == [*range(MAX_IN_PARTS)] * 3
    client.send([Invoke(f"m{number}", LARGE) for number in range(MAX_IN_PARTS + 1)])
    arrived = [one.id for one in pass_parts(client, server)]
    assert arrived == [f"m{number}" for number in range(MAX_IN_PARTS + 1)]


def test_deliveries_of_a_subscription_stay_in_order() -> None:
    """A small delivery waits for the large one before it, also while that is under way; one of another topic does not."""
    client, server = pair()
    server.send([Deliver("d1", "sub1", [{"data": LARGE}]), Deliver("d2", "sub1", [{"data": 1}])])
    arrived = [*client.receive(server.parts.next_frame())]
    [frame] = server.send([Deliver("d3", "sub1", [{"data": 2}]), Deliver("e1", "sub2", [{"data": 3}])])
    arrived += client.receive(frame)
    assert [one.id for one in arrived] == ["e1"]
    assert [one.id for one in pass_parts(server, client)] == ["d1", "d2", "d3"]


def test_what_is_published_to_a_topic_stays_in_order() -> None:
    """A small message waits for the large one before it; one to another topic does not."""
    client, server = pair()
    large, small = [Publication(LARGE)], [Publication("x")]
    [frame] = client.send(
        [PublishTo("a1", large, topic="/a"), PublishTo("a2", small, topic="/a"), PublishTo("b1", small, topic="/b")]
    )
    arrived = [*server.receive(frame), *pass_parts(client, server)]
    assert [one.id for one in arrived] == ["b1", "a1", "a2"]


def test_what_is_taken_back_half_way_is_dropped_at_the_other_end() -> None:
    """No more of it is sent, the peer forgets what it has, and the rest goes on."""
    client, server = pair()
    client.send([Invoke("a", LARGE), Invoke("b", LARGE)])
    for _ in range(3):
        server.receive(client.parts.next_frame())
    assert server._assembly.held == 3 * PART_SIZE
    assert client.parts.holds("a")
    assert client.parts.withdraw("a")
    assert not client.parts.holds("a")
    assert not client.parts.withdraw("a")
    assert server.receive(client.parts.next_frame()) == []
    assert server._assembly.held == PART_SIZE
    assert [one.id for one in pass_parts(client, server)] == ["b"]


def test_what_is_taken_back_before_it_began_leaves_no_trace() -> None:
    """The peer hears nothing of it."""
    client, _server = pair()
    client.send([Invoke("a", LARGE)])
    assert client.parts.withdraw("a")
    assert parts_of(client) == []


def test_a_half_sent_answer_is_dropped_when_nobody_waits_for_it() -> None:
    """A cancel of the request ends its large reply."""
    client, server = pair()
    [request] = carry(client, server, Invoke("i1", None))
    server.send([Reply("r1", request.id, LARGE)])
    client.receive(server.parts.next_frame())
    assert client._assembly.held
    assert [type(one) for one in carry(client, server, Cancel("i1"))] == [Cancel]
    assert pass_parts(server, client) == []
    assert not client._assembly.held


def test_nothing_follows_a_goodbye() -> None:
    """What is under way in parts ends with the session."""
    client, server = pair()
    client.send([Invoke("a", LARGE)])
    server.receive(client.parts.next_frame())
    assert [type(one) for one in carry(client, server, Goodbye(1000))] == [Goodbye]
    assert parts_of(client) == []


BEGIN = Part(7, 0, b"\x91", 100)


@pytest.mark.parametrize(
    ("frames", "code", "reason"),
    [
        ([encode(Part(7, 0, b"x", MAX_SIZE + 1))], 1009, f"a frame in parts has {MAX_SIZE + 1} bytes, the limit is"),
        ([encode(BEGIN), encode(BEGIN)], 1002, "frame 7 begins a second time"),
        ([encode(Part(7, 0, b"x"))], 1002, "part of frame 7, which has not begun"),
        ([encode(BEGIN), encode(Part(8, 1, b"x"))], 1002, "part of frame 8, which has not begun"),
        ([encode(BEGIN), encode(Part(7, 2, b"x"))], 1002, "part of frame 7 at 2 where 1 was expected"),
        ([encode(BEGIN), encode(Part(7, 0, b"x"))], 1002, "part of frame 7 at 0 where 1 was expected"),
        ([encode(BEGIN), encode(Part(7, 1, b""))], 1002, "part of frame 7 without data"),
        ([encode(BEGIN), encode(Part(7, 1, b"x" * 100))], 1002, "have more than the 100 bytes that it was to have"),
        ([encode(Drop(7))], 1002, "there is no frame 7 in parts to drop"),
        ([encode(BEGIN), encode(Drop(7)), encode(Part(7, 1, b"x"))], 1002, "part of frame 7, which has not begun"),
        ([encode(Part(n, 0, b"x", 9)) for n in range(MAX_IN_PARTS + 1)], 1002, "more than 4 frames in parts at a time"),
        ([encode(BEGIN, Invoke("a"))], 1002, "a part is alone in its frame"),
        ([encode(Part(7, 0, encode(BEGIN), len(encode(BEGIN))))], 1002, "which is not itself in parts"),
        ([encode(Part(7, 0, b"\x92\xc0", 2))], 1007, "the frame cannot be decoded"),
        ([msgspec.msgpack.encode([["part", -1, 0, b"x", 9]])], 1007, "the frame cannot be decoded"),
        ([msgspec.msgpack.encode([["part", 1, 0, "x", 9]])], 1007, "the frame cannot be decoded"),
    ],
)
def test_a_peer_that_breaks_the_rules_of_parts(frames: list[bytes], code: int, reason: str) -> None:
    """It is told what it broke, the link is closed with a code, and nothing of it is kept."""
    _client, server = pair()
    violation = violation_of(server, *frames)
    assert reason in violation.reason
    assert violation.close_code == code
    assert isinstance(violation.answer, Failure)
    assert not server._assembly.held or code == 1007


def test_a_part_among_other_messages_is_not_allowed() -> None:
    """Also where it is not the first message of its frame."""
    _client, server = pair()
    _invoke, violation = server.receive(encode(Invoke("a"), BEGIN))
    assert violation.close_code == 1002


@pytest.mark.parametrize("item", [BEGIN, Drop(7)])
def test_there_are_no_parts_before_the_session(item: Part | Drop) -> None:
    """Nobody can have memory held before it is known who that is."""
    server = NativeWire(Role.SERVER, timestamp=lambda: NOW, max_message_size=MAX_SIZE)
    violation = violation_of(server, encode(item))
    assert violation.close_code == 1002
    assert "while new" in violation.reason


def test_a_frame_that_never_ends_breaks_the_protocol() -> None:
    """Where the next part does not come in time; not while we do not read, and not while parts come."""
    client, server = pair()
    client.send([Invoke("a", LARGE)])
    server.receive(client.parts.next_frame())
    assert server.overdue(0.0, is_read=True) is None
    assert server.overdue(PART_TIMEOUT - 1, is_read=False) is None
    assert server.overdue(2 * PART_TIMEOUT - 2, is_read=True) is None
    server.receive(client.parts.next_frame())
    assert server.overdue(2 * PART_TIMEOUT, is_read=True) is None
    assert server.overdue(3 * PART_TIMEOUT - 1, is_read=True) is None
    violation = server.overdue(3 * PART_TIMEOUT, is_read=True)
    assert (violation.reason, violation.close_code) == ("no part of frame 0 came for 60 s", 1002)
    assert server._assembly.held == 0


PARTS = st.builds(Part, st.integers(0, 6), st.integers(0, 30), st.binary(max_size=20), st.integers(0, 40))


@given(st.lists(PARTS | st.builds(Drop, st.integers(0, 6)), max_size=40))
def test_memory_stays_within_its_bounds_whatever_a_peer_sends(items: list[Part | Drop]) -> None:
    """What is held is at most so many frames of the largest size; what comes out is as long as was said."""
    assembly = Assembly(max_size=32)
    sizes = {}
    for item in items:
        if isinstance(item, Part) and item.size:
            sizes[item.number] = item.size
        try:
            frame = assembly.take(item)
        except BrokenFrame:
            return
        assert assembly.held <= MAX_IN_PARTS * 32
        if frame is not None:
            assert len(frame) == sizes[item.number] <= 32


class Traffic(RuleBasedStateMachine):
    """Messages of all sizes in both directions, taken back now and then, in any interleaving with their frames."""

    @initialize()
    def connect(self) -> None:
        self.wires = dict(zip(("client", "server"), pair(), strict=True))
        self.on_the_way: dict[str, deque[bytes]] = {"client": deque(), "server": deque()}
        self.expected: dict[str, dict[str, Any]] = {"client": {}, "server": {}}
        self.arrived: dict[str, list[str]] = {"client": [], "server": []}
        self.number = 0

    @rule(
        end=st.sampled_from(["client", "server"]),
        sizes=st.lists(st.sampled_from([1, 40_000, 70_000, 300_000]), max_size=4),
    )
    def send(self, end: str, sizes: list[int]) -> None:
        batch = []
        for size in sizes:
            self.number += 1
            data = f"{self.number:x}" + "y" * size
            lane = f"sub{self.number % 2}"
            name = f"{lane if end == 'server' else 'm'}.{self.number}"
            self.expected[end][name] = data
            batch.append(Deliver(name, lane, [{"data": data}]) if end == "server" else Invoke(name, [{"data": data}]))
        self.on_the_way[end] += self.wires[end].send(batch)

    @rule(end=st.sampled_from(["client", "server"]))
    def send_part(self, end: str) -> None:
        frame = self.wires[end].parts.next_frame()
        self.on_the_way[end] += [] if frame is None else [frame]

    @rule(end=st.sampled_from(["client", "server"]), choice=st.integers(0, 100))
    def withdraw(self, end: str, choice: int) -> None:
        names = list(self.expected[end])
        if names and self.wires[end].parts.withdraw(name := names[choice % len(names)]):
            del self.expected[end][name]

    @precondition(lambda self: hasattr(self, "on_the_way"))
    @rule(end=st.sampled_from(["client", "server"]), count=st.integers(1, 9))
    def receive(self, end: str, count: int) -> None:
        other = "server" if end == "client" else "client"
        for _ in range(min(count, len(self.on_the_way[end]))):
            for message in self.wires[other].receive(self.on_the_way[end].popleft()):
                assert not isinstance(message, Violation), message
                [content] = message.data if end == "client" else message.messages
                assert content["data"] == self.expected[end].pop(message.id)
                self.arrived[end].append(message.id)

    @invariant()
    def memory_is_bounded_and_lanes_are_in_order(self) -> None:
        for end in getattr(self, "wires", ()):
            assert self.wires[end]._assembly.held <= MAX_IN_PARTS * MAX_SIZE
            for lane in ("sub0", "sub1"):
                numbers = [int(name.split(".")[1]) for name in self.arrived[end] if name.startswith(lane)]
                assert numbers == sorted(numbers)

    def teardown(self) -> None:
        for end in getattr(self, "wires", ()):
            self.on_the_way[end] += parts_of(self.wires[end])
            self.receive(end, len(self.on_the_way[end]) or 1)
            assert self.expected[end] == {}


TestTraffic = Traffic.TestCase
