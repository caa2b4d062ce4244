"""A frame on its way out: it is settled once, and what is given up is taken back; frames that came keep their order."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import BadInput, LinkLost, MessageReceived
from actors.connections.frames import FrameLane, FrameSender
from actors.envelope import Envelope, ReplySlot
from actors.services.call import RemoteCall
from runtime.testing import SeededEntropy
from tests.actors.links import FakeLink


class Caller:
    """Whoever sends a frame: what its slot was settled with stands in `outcomes`."""

    def __init__(self, frame: object) -> None:
        self.outcomes: list[object] = []
        self.slot = ReplySlot(lambda slot: self.outcomes.append(slot.error or "sent"))
        self.envelope = Envelope(RemoteCall(frame, frame), reply=self.slot)


@pytest.fixture
def sender() -> FrameSender:
    return FrameSender("feed", 10, SeededEntropy(0))


async def test_it_is_sent_when_a_frame_has_it(sender: FrameSender, nursery: trio.Nursery) -> None:
    """Not when it is queued."""
    link, caller = FakeLink(), Caller("hello")
    nursery.start_soon(sender.send, link, caller.envelope)
    await wait_all_tasks_blocked()
    assert len(link.queued) == 1
    assert caller.outcomes == []
    link.frame()
    link.changed()
    await wait_all_tasks_blocked()
    assert caller.outcomes == ["sent"]


@pytest.mark.parametrize("has_room", [True, False])
async def test_it_is_lost_with_the_link(sender: FrameSender, nursery: trio.Nursery, has_room: bool) -> None:
    """Whether it waits for room or in the queue: it was not sent, and its sender hears so."""
    link, caller = FakeLink(), Caller("hello")
    link.has_room = has_room
    nursery.start_soon(sender.send, link, caller.envelope)
    await wait_all_tasks_blocked()
    link.end()
    await wait_all_tasks_blocked()
    [error] = caller.outcomes
    assert isinstance(error, LinkLost)
    assert not error.sent


@pytest.mark.parametrize("has_room", [True, False])
@pytest.mark.parametrize("how", ["abandoned", "cancelled"])
async def test_what_is_given_up_is_taken_back(
    sender: FrameSender, nursery: trio.Nursery, has_room: bool, how: str
) -> None:
    """The sender's time is over, or the connection is being stopped: the frame is never sent."""
    link, caller = FakeLink(), Caller("hello")
    link.has_room = has_room
    scope = trio.CancelScope()

    async def send() -> None:
        with scope:
            await sender.send(link, caller.envelope)

    nursery.start_soon(send)
    await wait_all_tasks_blocked()
    if how == "abandoned":
        caller.slot.abandon()
    else:
        scope.cancel()
    await wait_all_tasks_blocked()
    link.has_room = True
    link.changed()
    await wait_all_tasks_blocked()
    assert link.queued == []
    assert caller.outcomes == []
    assert link.waiting_senders == 0


async def test_what_cannot_be_sent_never_reaches_the_link(sender: FrameSender) -> None:
    """Too big, or no frame; somebody who waits for no answer is not told."""
    link = FakeLink()
    for frame in ("x" * 11, "ä" * 6, 7):
        caller = Caller(frame)
        await sender.send(link, caller.envelope)
        [error] = caller.outcomes
        assert isinstance(error, BadInput)
    await sender.send(link, Envelope(RemoteCall(None)))
    assert link.queued == []


async def test_frames_that_came_are_handled_in_order_and_none_twice(nursery: trio.Nursery, clock: MockClock) -> None:
    """One after the other; whoever waits for all of them waits for the last, and for those that came meanwhile."""
    handled: list[Any] = []

    async def handle(event: MessageReceived) -> None:
        handled.append(event.data)
        await trio.sleep(1)
        handled.append(event.data)
        if event.data == 1:
            lane.take(MessageReceived(None, None, 3), 30)

    lane = FrameLane(handle)
    for number in (1, 2):
        lane.take(MessageReceived(None, None, number), 8 * 1024 * 1024)
    assert lane.is_full
    assert not lane.is_half_empty
    nursery.start_soon(lane.run)
    await lane.wait_handled()
    assert handled == [1, 1, 2, 2, 3, 3]
    assert not lane
    assert lane.is_half_empty
