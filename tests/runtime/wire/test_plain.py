"""Frames without a format: what services send and hooks get, whatever it is."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import BadInput
from actors.connections.frames import data_of, frame_of, size_in_bytes
from actors.messages import Acknowledge, Goodbye, Hello, Invoke, Reply
from actors.settings import DataFormat
from runtime.wire import PlainWire

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.text() | st.binary())
def test_text_and_bytes_are_frames_as_they_are(data: str | bytes) -> None:
    """Nothing is added, taken away or read, in either direction, but where text can be no UTF-8."""
    assert frame_of(data) == data
    assert data_of(data, None) == data
    wire = PlainWire(None)
    assert wire.send([Invoke("id", data)]) == [data]
    [message] = wire.receive(data)
    assert isinstance(message, Invoke)
    assert message.data == data


@given(st.lists(JSON) | st.dictionaries(st.text(), JSON))
def test_what_is_sent_as_json_is_read_as_json(data: Any) -> None:
    """A dict or list comes out of the frame as it went in, also by the standard library."""
    frame = frame_of(data)
    assert isinstance(frame, str)
    assert data_of(frame, DataFormat.JSON) == data
    assert data_of(frame.encode(), DataFormat.JSON) == data
    assert json.loads(frame) == data


@given(st.text() | st.binary())
def test_frames_that_are_not_json_raise_one_error_only(frame: str | bytes) -> None:
    """Whatever a server sends, it is read or `BadInput`."""
    with contextlib.suppress(BadInput):
        data_of(frame, DataFormat.JSON)


@pytest.mark.parametrize("data", [None, 7, 1.5, True, object(), {"a": object()}, [{1: 2}, object()], "\ud800", [float]])
def test_what_is_no_frame_is_refused(data: object) -> None:
    """Neither numbers, nor what JSON or UTF-8 cannot say."""
    with pytest.raises(BadInput, match="frame"):
        frame_of(data)


def test_deeply_nested_json_is_no_crash() -> None:
    """Neither sent nor read."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadInput):
        frame_of(deep)
    with pytest.raises(BadInput):
        data_of("[" * 1_000_000, DataFormat.JSON)


def test_sizes_are_bytes() -> None:
    """Text counts as it is sent."""
    assert (size_in_bytes("ä"), size_in_bytes(b"\xff"), size_in_bytes("")) == (2, 1, 0)


def test_what_belongs_to_sessions_gives_no_frame() -> None:
    """There is nobody who would understand it."""
    messages = [Hello("h"), Reply("r", "i"), Acknowledge("a", "d"), Goodbye(1000)]
    assert PlainWire("b.2").send(messages) == []
    assert (PlainWire("b.2").name, PlainWire(None).name) == ("b.2", "websocket")
