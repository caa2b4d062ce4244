"""Compressed frames, without a link: what goes compressed and what does not, and peers that do it wrong."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Deliver, Failure, Hello, Invoke, Reply, Welcome
from runtime.wire import NativeWire, Role, Violation
from runtime.wire.broken import BrokenFrame
from runtime.wire.compression import COMPRESS_ABOVE, MAX_AT_ONCE, MAX_PAUSE, ZSTD, Compressed, Compressor, zstd
from runtime.wire.parts import PARTS, SPLIT_ABOVE, Drop, Part
from tests.runtime.wire.test_wires import NOW, opened

MAX_SIZE = 1 << 20
TEXT = "what clusters say to each other has much in common, "
NOISE = random.Random(1).randbytes(20_000)
FRAMES = msgspec.msgpack.Decoder(list[Compressed | Part | Drop | Invoke | Reply | Deliver | Hello | Welcome])


def end(role: Role, *, compresses: bool = True) -> Any:
    return NativeWire(role, timestamp=lambda: NOW, max_message_size=MAX_SIZE, compresses=compresses)


def pair(*, client: bool = True, server: bool = True) -> tuple[Any, Any]:
    """Return both ends of a native link that has a session, each of which compresses or does not."""
    return opened((end(Role.CLIENT, compresses=client), end(Role.SERVER, compresses=server)))


def invokes(count: int) -> list[Any]:
    return [Invoke(f"i{number}", TEXT, NOW, cid=f"c{number}") for number in range(count)]


def frames_of(wire: Any, messages: list[Any]) -> list[bytes]:
    """Return all frames that messages go in, in parts or whole."""
    return [*wire.send(messages), *iter(wire.parts.next_frame, None)]


def kinds_of(frames: list[bytes]) -> set[type]:
    return {type(FRAMES.decode(frame)[0]) for frame in frames}


def encode(*messages: Any) -> bytes:
    return msgspec.msgpack.encode(list(messages))


def test_a_large_batch_goes_compressed_and_arrives_as_it_was() -> None:
    """The frame is a fraction of what it was, and the other end has the messages."""
    client, server = pair()
    batch = invokes(200)
    [frame] = client.send(batch)
    assert kinds_of([frame]) == {Compressed}
    assert len(frame) < len(encode(*batch)) / 5
    assert [one.id for one in server.receive(frame)] == [one.id for one in batch]
    replies = [Reply(f"r{number}", one.id, TEXT) for number, one in enumerate(batch)]
    [frame] = server.send(replies)
    assert kinds_of([frame]) == {Compressed}
    assert [one.data for one in client.receive(frame)] == [TEXT] * 200


def test_a_small_frame_is_what_it_would_be_without() -> None:
    """A lone message of an ordinary size costs nothing and looks like any other."""
    (client, _), (plain, _) = pair(), pair(client=False, server=False)
    for messages in ([Invoke("i1", {"a": 1})], [Invoke("i1", TEXT * (COMPRESS_ABOVE // len(TEXT) - 3))]):
        assert client.send(messages) == plain.send(messages)


def test_a_large_message_goes_in_parts_each_compressed_by_itself() -> None:
    """So no more than a part is compressed in one go, and small messages still go between them."""
    client, server = pair()
    large = TEXT * (8 * SPLIT_ABOVE // len(TEXT))
    frames = frames_of(client, [Invoke("large", large)])
    assert kinds_of(frames[:-1]) == {Compressed}
    assert len(frames) > 10
    assert sum(map(len, frames)) < len(large) / 5
    [message] = [item for frame in frames for item in server.receive(frame)]
    assert message.data == large


def test_what_is_too_large_to_compress_at_once_goes_as_it_is() -> None:
    """A peer that takes no parts gets a large message in one frame; compressing that would hold up the event loop."""
    client = end(Role.CLIENT)
    client.send([Hello("h1")])
    client.receive(encode(Welcome("w1", "h1", features=[ZSTD])))
    [frame] = client.send([Invoke("i1", "x" * MAX_AT_ONCE)])
    assert kinds_of([frame]) == {Invoke}
    [frame] = client.send([Invoke("i2", "x" * (MAX_AT_ONCE - 200))])
    assert kinds_of([frame]) == {Compressed}


@pytest.mark.parametrize(("client", "server"), [(True, False), (False, True), (False, False)])
def test_both_ends_must_want_it(client: bool, server: bool) -> None:
    """Where one of them does not, be it of an older release, nothing goes compressed in either direction."""
    ends = pair(client=client, server=server)
    for sender, receiver in (ends, ends[::-1]):
        frames = frames_of(sender, [*invokes(200), Invoke("large", TEXT * 5000)])
        assert Compressed not in kinds_of(frames)
        assert len([item for frame in frames for item in receiver.receive(frame)]) == 201


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(("features", "is_compressed"), [([], False), ([PARTS], False), ([PARTS, ZSTD, "new"], True)])
def test_what_the_peer_says_that_it_takes(role: Role, features: list[str], is_compressed: bool) -> None:
    """Older peers name no such feature, newer ones may name more; in both roles."""
    wire = end(role)
    if role is Role.CLIENT:
        wire.send([Hello("h1")])
        wire.receive(encode(Welcome("w1", "h1", features=features)))
    else:
        wire.receive(encode(Hello("h1", features=features)))
        wire.send([Welcome("w1", "h1")])
    [frame] = wire.send(invokes(200))
    assert kinds_of([frame]) == ({Compressed} if is_compressed else {Invoke})


def test_credentials_are_never_compressed() -> None:
    """Nor anything that shares a frame with them, so no size tells how much a secret has in common with it."""
    client, server = end(Role.CLIENT), end(Role.SERVER)
    attrs = {f"key{number}": TEXT for number in range(200)}
    hello = Hello("h1", username="u", secret="s", attrs=attrs)
    [frame] = client.send([hello])
    assert kinds_of([frame]) == {Hello}
    server.receive(frame)
    frames = server.send([Welcome("w1", "h1", token="t"), *invokes(200)])
    assert kinds_of(frames) == {Welcome}
    for frame in frames:
        client.receive(frame)
    renewal = frames_of(client, [Hello("h2", username="u", secret="s", attrs=attrs | {"large": "x" * SPLIT_ABOVE})])
    assert kinds_of(renewal) == {Hello}
    assert kinds_of(frames_of(client, [*invokes(100), Hello("h3", secret="s"), *invokes(100)])) == {Invoke}
    assert kinds_of(client.send(invokes(100))) == {Compressed}


def test_what_does_not_become_smaller_is_not_tried_again_for_a_while() -> None:
    """Frames that look random go as they are, and of further ones fewer and fewer are tried; one that pays ends that."""
    compressor = Compressor(MAX_SIZE)
    text = encode(TEXT * 1000)
    pauses = []
    for _ in range(10):
        assert compressor.pack(NOISE) is NOISE
        pauses.append(0)
        while compressor._left:
            assert compressor.pack(text) is text
            pauses[-1] += 1
    assert pauses == [1, 2, 4, 8, 16, 32, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE, MAX_PAUSE]
    assert len(compressor.pack(text)) < len(text) / 5
    assert compressor.pack(NOISE) is NOISE
    assert [compressor.pack(text) is text for _ in range(3)] == [True, False, False]


def test_what_was_inflated_counts_as_large_as_it_is() -> None:
    """Whoever bounds what is unread learns by how much it is larger than what came."""
    client, server = pair()
    batch = invokes(200)
    [frame] = client.send(batch)
    server.receive(frame)
    assert server.compression.take_excess() == pytest.approx(len(encode(*batch)) - len(frame), abs=20)
    assert server.compression.take_excess() == 0


GOOD = zstd.compress(encode(*invokes(100)))
DICTIONARY = zstd.ZstdDict(TEXT.encode() * 50, is_raw=True)
TRAINED = zstd.finalize_dict(DICTIONARY, [f"{TEXT}{n}".encode() * 9 for n in range(200)], 10_000, 3)


def unsized(data: bytes) -> bytes:
    """Compress without saying in the head how much it is."""
    compressor = zstd.ZstdCompressor()
    return compressor.compress(data) + compressor.flush()


def claiming(size: int, data: bytes = b"\x91\xc0") -> bytes:
    """Return a frame of one raw block whose head says that it is of another size."""
    return b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little") + (len(data) << 3 | 1).to_bytes(3, "little") + data


def test_a_bomb_is_refused_without_being_inflated() -> None:
    """A few bytes that say that they are large: nobody looks at what they hold."""
    _client, server = pair()
    bomb = zstd.compress(b"\0" * (64 * MAX_SIZE))
    assert len(bomb) < 10_000
    [violation] = server.receive(encode(Compressed(bomb)))
    assert violation.close_code == 1009
    assert violation.reason == f"a compressed frame has {64 * MAX_SIZE} bytes, the limit is {MAX_SIZE}"
    [violation] = server.receive(encode(Compressed(claiming(1 << 62))))
    assert violation.close_code == 1009


@pytest.mark.parametrize(
    ("data", "code", "reason"),
    [
        (unsized(b"\x91\xc0" * 1000), 1002, "a compressed frame says how many bytes it has"),
        (zstd.compress(b""), 1002, "a compressed frame says how many bytes it has"),
        (b"\x50\x2a\x4d\x18\x04\0\0\0abcd", 1002, "a compressed frame says how many bytes it has"),
        (zstd.compress(b"\x91\xc0" * 99, zstd_dict=TRAINED), 1002, "a compressed frame needs no dictionary"),
        (zstd.compress(TEXT.encode() * 99, zstd_dict=DICTIONARY), 1007, "cannot be inflated"),
        (claiming(MAX_SIZE), 1007, "the compressed frame c"),
        (claiming(1, b"\x91\xc0" * 5000), 1007, "the compressed frame c"),
        (GOOD[:-1], 1007, "the compressed frame is cut off, or something follows it"),
        (GOOD + b"x", 1007, "the compressed frame is cut off, or something follows it"),
        (GOOD + GOOD, 1007, "the compressed frame is cut off, or something follows it"),
        (GOOD[:20] + b"\xff" * 20 + GOOD[40:], 1007, "cannot be inflated"),
        (b"\x28\xb5\x2f\xfd\x80" + bytes([(31 - 10) << 3]) + b"\x64\0\0\0", 1007, "cannot be inflated"),
        (b"", 1007, "cannot be inflated"),
        (b"\x91\xc0", 1007, "cannot be inflated"),
        (zstd.compress(b"\x91"), 1007, "the frame cannot be decoded"),
        (
            zstd.compress(encode(Compressed(GOOD))),
            1002,
            "a zstd is alone in its frame, which is not itself in parts or a",
        ),
    ],
)
def test_a_peer_that_breaks_the_rules_of_compression(data: bytes, code: int, reason: str) -> None:
    """It is told what it broke, and the link is closed with a code."""
    _client, server = pair()
    [violation] = server.receive(encode(Compressed(data)))
    assert isinstance(violation, Violation)
    assert reason in violation.reason
    assert violation.close_code == code
    assert isinstance(violation.answer, Failure)


def test_a_compressed_frame_is_alone_and_not_in_parts() -> None:
    """Not beside messages, before or after it, nor as what parts add up to; parts may be compressed, though."""
    inner = encode(Compressed(GOOD))
    for frame in (
        encode(Compressed(GOOD), Invoke("a")),
        encode(Part(7, 0, inner, len(inner))),
        encode(Compressed(zstd.compress(encode(Part(7, 0, inner, len(inner)))))),
    ):
        [violation] = pair()[1].receive(frame)
        assert violation.close_code == 1002
    _invoke, violation = pair()[1].receive(encode(Invoke("a"), Compressed(GOOD)))
    assert violation.close_code == 1002


def test_nobody_inflates_what_was_not_agreed_on() -> None:
    """Neither before it is known who sends it, nor where this end did not say that it would."""
    [violation] = end(Role.SERVER).receive(encode(Compressed(GOOD)))
    assert "may not send a zstd while new" in violation.reason
    [violation] = pair(server=False)[1].receive(encode(Compressed(GOOD)))
    assert (violation.reason, violation.close_code) == ("compressed frames were not agreed on", 1002)


@given(st.binary(max_size=20_000) | st.lists(st.sampled_from([b"a", b"bc", TEXT.encode()]), max_size=900).map(b"".join))
def test_whatever_is_packed_comes_out_again(frame: bytes) -> None:
    """What is sent is the frame itself or something smaller that stands for just this frame."""
    compressor = Compressor(MAX_SIZE)
    packed = compressor.pack(frame)
    if packed is not frame:
        assert len(packed) < len(frame)
        assert len(frame) > COMPRESS_ABOVE
        [item] = FRAMES.decode(packed)
        assert isinstance(item, Compressed)
        assert compressor.unpack(item) == frame


@given(st.data())
def test_a_changed_frame_is_told_or_stays_within_the_limit(data: st.DataObject) -> None:
    """Whatever bytes are changed, nothing larger than the limit comes out, and no other error."""
    raw = bytearray(data.draw(st.sampled_from([GOOD, zstd.compress(b"x" * 5000), claiming(2)])))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    compressor = Compressor(10_000)
    with contextlib.suppress(BrokenFrame):
        assert len(compressor.unpack(Compressed(bytes(raw)))) <= 10_000
