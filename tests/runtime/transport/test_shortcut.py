"""The short way of ordinary frames gives what trio-websocket would have given, in the same order, or leaves it to it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    Request,
    TextMessage,
)

from runtime.transport.shortcut import Shortcut, data_frame
from runtime.wire.protocol import Frame

LARGEST = 300
"""The largest message in these tests, so that there are larger ones."""


def upgraded(*, is_client: bool) -> tuple[WSConnection, bytes]:
    """Return one end, as the library has it, and what it receives before the first frame."""
    client, server = WSConnection(ConnectionType.CLIENT), WSConnection(ConnectionType.SERVER)
    asked = client.send(Request(host="host", target="/"))
    server.receive_data(asked)
    list(server.events())
    answer = server.send(AcceptConnection())
    return (client, answer) if is_client else (WSConnection(ConnectionType.SERVER), asked)


class End:
    """An end of a link: the library behind a shortcut, and what came out in which order."""

    def __init__(self, *, is_client: bool, has_shortcut: bool = True) -> None:
        self.library, head = upgraded(is_client=is_client)
        self.shortcut = Shortcut(is_client=is_client, max_size=LARGEST)
        self.found: list[object] = []
        self.taken = 0
        if has_shortcut:
            self.shortcut.take = self._take
        self.receive(head)
        if not is_client:
            self.library.send(AcceptConnection())
        self.found.clear()

    def _take(self, frame: Frame, size: int) -> None:
        assert size == len(frame.encode() if isinstance(frame, str) else frame)
        self.taken += 1
        self.found.append(frame)

    def receive(self, data: bytes) -> None:
        rest = self.shortcut.sort(data)
        if rest:
            self.library.receive_data(bytes(rest))
        parts: list[str | bytes] = getattr(self, "parts", [])
        for event in self.library.events():
            match event:
                case TextMessage() | BytesMessage():
                    parts.append(event.data if isinstance(event.data, str) else bytes(event.data))
                    if event.message_finished:
                        is_text = isinstance(event, TextMessage)
                        self.found.append("".join(parts) if is_text else b"".join(parts))  # type: ignore[arg-type]
                        parts = []
                        self.shortcut.message_read()
                case Ping() | Pong():
                    self.found.append((type(event).__name__, bytes(event.payload)))
                case CloseConnection():
                    self.found.append(("close", int(event.code)))
        self.parts = parts


def peer_of(*, is_client: bool) -> Connection:
    """Return what frames for an end are made with."""
    return Connection(ConnectionType.SERVER if is_client else ConnectionType.CLIENT)


@st.composite
def conversations(draw: st.DrawFn, *, is_client: bool) -> bytes:
    """Return frames as the library makes them: whole and in fragments, large ones, and pings between them."""
    peer, sent = peer_of(is_client=is_client), b""
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["bytes", "text", "fragments", "ping", "large", "ours"]))
        if kind == "ping":
            sent += peer.send(Ping(draw(st.binary(max_size=20))))
        elif kind == "fragments":
            for last in (False, False, True):
                sent += peer.send(Message(draw(st.binary(max_size=40)), message_finished=last))
                if draw(st.booleans()):
                    sent += peer.send(Pong(b"between"))
        elif kind == "text":
            sent += peer.send(TextMessage(draw(st.text(max_size=40))))
        elif kind == "ours":
            message: Frame = draw(st.text(max_size=80) | st.binary(max_size=250))
            sent += data_frame(message, is_client=not is_client)
        else:
            size = st.integers(LARGEST - 1, LARGEST + 2) if kind == "large" else st.integers(0, 130)
            sent += peer.send(BytesMessage(b"x" * draw(size)))
    if draw(st.booleans()):
        sent += peer.send(CloseConnection(1000, "done")) + b"what comes after it"
    return sent


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut bytes at places, as a network may."""
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in itertools.pairwise(ends)]


@pytest.mark.parametrize("is_client", [True, False])
@settings(max_examples=200)
@given(data=st.data())
def test_the_shortcut_gives_what_the_library_gives(is_client: bool, data: st.DataObject) -> None:
    """However the bytes are cut, the messages and control frames are those of the library alone, messages in order."""
    sent = data.draw(conversations(is_client=is_client))
    chunks = cut(sent, data.draw(st.lists(st.integers(0, 5000), max_size=12)))
    short, alone = End(is_client=is_client), End(is_client=is_client, has_shortcut=False)
    for chunk in chunks:
        short.receive(chunk)
        alone.receive(chunk)
    is_control = [isinstance(one, tuple) for one in alone.found]
    assert [one for one in short.found if not isinstance(one, tuple)] == [
        one for one, control in zip(alone.found, is_control, strict=True) if not control
    ]
    assert [one for one in short.found if isinstance(one, tuple)] == [
        one for one, control in zip(alone.found, is_control, strict=True) if control
    ]


@pytest.mark.parametrize("is_client", [True, False])
@settings(max_examples=200)
@given(garbage=st.binary(min_size=1, max_size=60), places=st.lists(st.integers(0, 60), max_size=4))
def test_what_is_no_frame_is_the_librarys_to_refuse(is_client: bool, garbage: bytes, places: list[int]) -> None:
    """Broken frames end the connection with the same code as without the shortcut."""
    short, alone = End(is_client=is_client), End(is_client=is_client, has_shortcut=False)
    for chunk in cut(garbage, places):
        short.receive(chunk)
        alone.receive(chunk)
    assert short.found == alone.found


@pytest.mark.parametrize("is_client", [True, False])
def test_whole_frames_do_not_reach_the_library(is_client: bool) -> None:
    """A frame that comes whole, in pieces of binary data, or as text in two pieces, is taken out of the stream."""
    end = End(is_client=is_client)
    frame = data_frame(b"y" * 200, is_client=not is_client)
    end.receive(frame)
    end.receive(frame[:50])
    end.receive(frame[50:] + data_frame("text", is_client=not is_client))
    text = data_frame("größer", is_client=not is_client)
    end.receive(text[:-3])
    end.receive(text[-3:])
    assert end.found == [b"y" * 200, b"y" * 200, "text", "größer"]
    assert end.taken == 4


@pytest.mark.parametrize("is_client", [True, False])
def test_what_is_no_text_is_refused_before_all_of_it_has_come(is_client: bool) -> None:
    """The library closes over the first byte that is wrong, whether that comes in the first piece or a later one."""
    peer = peer_of(is_client=is_client)
    frame = bytes(peer.send(Message(b"good \xff\xff\xff and more", message_finished=True)))
    text = bytes((0x81,)) + frame[1:]
    head = len(text) - len(b"good \xff\xff\xff and more")
    for cuts in ((head + 6,), (head + 3, head + 7), (1, head + 2, head + 4, head + 8)):
        end = End(is_client=is_client)
        for chunk in cut(text[: cuts[-1]], cuts):
            end.receive(chunk)
        assert end.found == [("close", 1007)], cuts


def test_an_answer_that_refuses_the_upgrade_is_the_librarys() -> None:
    """What follows a head without status 101 is no frame, whatever it looks like."""
    client = WSConnection(ConnectionType.CLIENT)
    client.send(Request(host="host", target="/"))
    shortcut = Shortcut(is_client=True, max_size=LARGEST)
    shortcut.take = lambda _frame, _size: pytest.fail("there was no frame")
    answer = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n" + data_frame(b"ab", is_client=False)
    assert bytes(shortcut.sort(answer)) == answer


@pytest.mark.parametrize("is_client", [True, False])
@pytest.mark.parametrize("broken", ["a whole frame between fragments", "a size in more bytes than it needs"])
def test_a_frame_out_of_place_is_the_librarys_to_refuse(is_client: bool, broken: str) -> None:
    """What looks like a whole frame and may not be there ends the connection with 1002."""
    end = End(is_client=is_client)
    if broken == "a whole frame between fragments":
        end.receive(peer_of(is_client=is_client).send(Message(b"first", message_finished=False)))
        end.receive(data_frame(b"between", is_client=not is_client))
    else:
        frame = data_frame(b"five!", is_client=not is_client)
        mask = frame[1] & 0x80
        end.receive(bytes((frame[0], mask | 126)) + (5).to_bytes(2) + frame[2:])
    assert end.found[-1] == ("close", 1002)
    assert end.taken == 0
