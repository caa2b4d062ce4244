"""The ends of a stream over a link, one by one: credit, batches, and peers that do as they may not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors import NotSupported, RemoteError
from actors.connections.pending import PendingCalls
from actors.envelope import Envelope, ReplySlot
from actors.messages import STREAMS, Cancel, Credit, OpenStream, Reply, StreamEnd, StreamItems
from actors.services.call import RemoteStream
from actors.streams.flow import MAX_ITEMS, Allowance, Window
from actors.streams.inlet import Inlet
from actors.streams.link_outlet import BATCH_ITEMS, LinkOutlet
from runtime.testing import SeededEntropy
from tests.actors.links import FakeLink


def items_of(*items: object) -> list[msgspec.Raw]:
    return [msgspec.Raw(msgspec.msgpack.encode(item)) for item in items]


class Iterator:
    """Whoever iterates over one stream: its inlet, and the outcomes of its request."""

    def __init__(self, table: PendingCalls) -> None:
        self.link = FakeLink()
        self.inlet = Inlet()
        self.outcomes: list[Any] = []
        self.slot = ReplySlot(lambda slot: self.outcomes.append(slot.error or slot.value))
        table.send_nowait(self.link, Envelope(RemoteStream({}, inlet=self.inlet), reply=self.slot))

    @property
    def id(self) -> str:
        [request] = [one for one in (*self.link.framed, *self.link.queued) if isinstance(one, OpenStream)]
        return request.id


@pytest.fixture
async def table() -> PendingCalls:
    table = PendingCalls("out", SeededEntropy(0))
    table.features = (STREAMS,)
    return table


async def test_a_stream_has_one_end(table: PendingCalls) -> None:
    """What comes after the end, and for what is no stream, belongs to nothing."""
    iterator = Iterator(table)
    assert table.put_items(StreamItems(iterator.id, items_of(1, {"a": 2})))
    assert table.end_stream(StreamEnd("e1", iterator.id))
    assert not table.end_stream(StreamEnd("e2", iterator.id))
    assert not table.put_items(StreamItems(iterator.id, items_of(3)))
    assert [iterator.inlet.take(), iterator.inlet.take()] == [1, {"a": 2}]
    assert (iterator.outcomes, len(table)) == ([None], 0)


async def test_a_peer_that_sends_more_than_it_was_granted_ends_the_stream(table: PendingCalls) -> None:
    """Its items are not kept, it is told to stop, and whoever iterates gets an error."""
    iterator = Iterator(table)
    iterator.link.frame()
    assert table.put_items(StreamItems(iterator.id, items_of(*range(MAX_ITEMS + 1))))
    [error] = iterator.outcomes
    assert isinstance(error, RemoteError)
    assert "more of a stream than it was granted" in str(error)
    assert iterator.link.queued == [Cancel(iterator.id)]
    assert (len(iterator.inlet), len(table)) == (MAX_ITEMS, 0)


async def test_credit_is_given_for_what_was_taken(table: PendingCalls) -> None:
    """Half of the window at a time, in items and bytes, and nothing for what still waits."""
    iterator = Iterator(table)
    iterator.link.frame()
    table.put_items(StreamItems(iterator.id, items_of(*["x" * 9] * MAX_ITEMS)))
    for _ in range(MAX_ITEMS - 1):
        iterator.inlet.take()
    assert iterator.link.queued == [Credit(iterator.id, MAX_ITEMS // 2, 10 * MAX_ITEMS // 2)]


async def test_an_item_that_cannot_be_read_is_an_error(table: PendingCalls) -> None:
    """A text that is no UTF-8 shows when it is asked for."""
    iterator = Iterator(table)
    table.put_items(StreamItems(iterator.id, [msgspec.Raw(b"\xa1\xff")]))
    with pytest.raises(RemoteError, match="cannot be read"):
        iterator.inlet.take()


async def test_a_peer_that_cannot_stream_is_sent_nothing(table: PendingCalls) -> None:
    """The request fails before it has an id; what answers a stream like a call is told apart from its end."""
    table.features = ()
    iterator = Iterator(table)
    [error] = iterator.outcomes
    assert isinstance(error, NotSupported)
    assert (iterator.link.queued, len(table)) == ([], 0)
    table.features = (STREAMS,)
    other = Iterator(table)
    assert table.answer(Reply("r1", other.id, [1]))
    assert other.outcomes[0].data == [1]


async def test_items_that_follow_at_once_share_a_message() -> None:
    """They are sent when there are many, when the generator waits, and before it waits for credit."""
    link = FakeLink()
    outlet = LinkOutlet("s1", link, count=BATCH_ITEMS + 2, size=10_000)
    for number in range(BATCH_ITEMS + 1):
        await outlet.put(number)
    assert [len(one.items) for one in link.queued if isinstance(one, StreamItems)] == [BATCH_ITEMS]
    outlet.flush()
    await outlet.put("last")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outlet.put, "waits")
        await wait_all_tasks_blocked()
        assert [len(one.items) for one in link.queued if isinstance(one, StreamItems)] == [BATCH_ITEMS, 1, 1]
        outlet.grant(1, 0)
    outlet.flush()
    assert len(link.queued) == 4


async def test_a_peer_that_grants_and_does_not_read_stops_the_generator() -> None:
    """Credit without end is no room on the link: an item waits for that, and cancelled it is not sent twice."""
    link = FakeLink()
    outlet = LinkOutlet("s1", link, count=2**53 - 1, size=2**53 - 1)
    link.has_room = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outlet.put, 1)
        await wait_all_tasks_blocked()
        assert (link.waiting_senders, link.queued) == (1, [])
        nursery.cancel_scope.cancel()
    outlet.flush()
    assert link.queued == []


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 70)), max_size=200))
def test_the_two_ends_agree_on_credit(steps: list[tuple[bool, int]]) -> None:
    """Whatever is sent and taken in whatever order, nothing beyond the window is on its way, and nobody is stuck."""
    allowance, window = Allowance(8, 100), Window(8, 100)
    on_its_way: list[int] = []
    for sends, size in steps:
        if sends and allowance.is_open:
            allowance.take(size)
            assert window.arrived(size)
            on_its_way.append(size)
        elif on_its_way:
            granted = window.taken(on_its_way.pop(0))
            if granted is not None:
                allowance.add(*granted)
        assert len(on_its_way) <= 8
        assert sum(on_its_way[:-1]) < 100
        assert on_its_way or allowance.is_open
