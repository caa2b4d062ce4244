"""What a hook receives of messages that come together is what it would receive of each alone."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.messages import Deliver, Delivered
from actors.settings import Compat
from actors.topics.publication import Published
from actors.topics.received import delivered, messages_of

TEXT = st.sampled_from(["", "a", "b"])
PUBLISHED = st.builds(
    Published,
    topic=st.sampled_from(["/a", "/b"]),
    msg_id=st.uuids().map(str),
    data=st.sampled_from(["text", 7, None]),
    size=st.integers(1, 5),
    priority=st.sampled_from([5, 5, 9]),
    expiration=st.sampled_from([2_147_483_647, 10]),
    has_gd=st.booleans(),
    mime_type=st.just("text/plain"),
    pub_time=st.sampled_from([1.5, 2.5]),
    recv_time=st.sampled_from([1.5, 2.5]),
    correl_id=TEXT,
    ext_client_id=TEXT,
    reply_to_sk=st.sampled_from([(), ("a",)]),
    user_ctx=st.sampled_from([None, {}, {"a": [1]}]),
    reason=TEXT,
)
MESSAGES = st.lists(st.tuples(st.integers(1, 3), PUBLISHED | st.dictionaries(st.text(), st.integers())), max_size=8)


def on_the_wire(count: int, one: Any) -> Any:
    return Delivered(count, msgspec.Raw(msgspec.msgpack.encode(one))) if isinstance(one, Published) else one


@given(MESSAGES, st.sampled_from(["", Compat.ZATO_3_0.value]))
def test_messages_that_come_together_are_as_each_alone(found: list[tuple[int, Any]], compat: str) -> None:
    """Whatever they have in common, they share nothing that a hook may change."""
    delivery = Deliver("d", "key", [on_the_wire(*one) for one in found], compat=compat)
    received = messages_of(delivery)
    assert received == [
        delivered(one, "key", count, compat) if isinstance(one, Published) else one for count, one in found
    ]
    parts = [value for message in received for value in message.values() if isinstance(value, dict | list)]
    assert len({id(value) for value in parts}) == len(parts)


def test_a_message_that_cannot_be_read_is_told() -> None:
    """Wherever it stands."""
    [good] = [
        on_the_wire(
            1, Published("/a", "m", "x", 1, 5, 10, has_gd=False, mime_type="text/plain", pub_time=1.0, recv_time=1.0)
        )
    ]
    with pytest.raises(msgspec.MsgspecError):
        messages_of(Deliver("d", "key", [good, Delivered(1, msgspec.Raw(b"\x91\x01"))]))
