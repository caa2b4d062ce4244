"""The table of pending calls: each call leaves it once, with the one outcome that it has."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.connections.pending import PendingCalls
from actors.connections.remote_topics import RemotePublish, RemoteSubscribe, RemoteUnsubscribe
from actors.credit import CreditAccount
from actors.envelope import Envelope, ReplySlot
from actors.errors import LinkDown, LinkLost, RemoteError, ServiceNotFound
from actors.messages import Cancel, Confirmed, CreditLimit, Failure, Invoke, Publication, Reply
from actors.services.call import CallResponse, RemoteCall
from runtime.testing import SeededEntropy
from tests.actors.links import FakeLink


class Caller:
    """Whoever waits for one call: `outcomes` is all that it was told."""

    def __init__(self) -> None:
        self.outcomes: list[Any] = []
        self.call = RemoteCall({"a": 1})
        self.slot = ReplySlot(lambda slot: self.outcomes.append(slot.error or slot.value))

    def envelope(self, **options: Any) -> Envelope:
        return Envelope(self.call, reply=self.slot, **options)


@pytest.fixture
async def table() -> PendingCalls:
    return PendingCalls("out", SeededEntropy(0))


async def sent(table: PendingCalls, link: FakeLink, caller: Caller, *, framed: bool = True) -> str:
    """Hand a call to the link, have a frame take it if wanted, and return its id."""
    await table.send(link, caller.envelope())
    call_id = str(getattr(link.queued[-1], "id", ""))
    if framed:
        link.frame()
    return call_id


async def test_an_answer_ends_the_call(table: PendingCalls) -> None:
    """The caller gets the answer's data, ids and time, and the table forgets the call."""
    link, caller = FakeLink(), Caller()
    call_id = await sent(table, link, caller)
    assert table.answer(Reply("r1", call_id, {"b": 2}, "now"))
    assert caller.outcomes == [CallResponse("r1", "now", call_id, {"b": 2})]
    assert len(table) == 0


async def test_a_remote_error_ends_the_call(table: PendingCalls) -> None:
    """The caller gets the error that the remote's failure means."""
    link, caller = FakeLink(), Caller()
    call_id = await sent(table, link, caller)
    assert table.answer(Failure("r1", call_id, 404, "No such service", "ServiceNotFound"))
    [error] = caller.outcomes
    assert (type(error), str(error), len(table)) == (ServiceNotFound, "No such service", 0)


TOPIC_CALLS = (
    (RemotePublish(topic="/a", messages=[Publication("x")]), ["m1"], {"msg_id": "m1"}, [[], ["m1", "m2"]]),
    (RemotePublish(topic="/a", messages=[Publication("x")]), [None], {"msg_id": None}, []),
    (
        RemotePublish(topic="/a", messages=[Publication("x"), Publication("y")], is_list=True),
        ["m1", None],
        {"msg_ids": ["m1", None]},
        [[], ["m1"]],
    ),
    (RemoteSubscribe(topic="/a", options={}), ["k1"], {"sub_key": "k1"}, [[], [None], ["k1", "k2"]]),
    (RemoteUnsubscribe(topic="/a"), [], {}, []),
)


@pytest.mark.parametrize(("call", "ids", "result", "wrong"), TOPIC_CALLS)
async def test_a_confirmation_ends_a_call_about_topics(
    table: PendingCalls, call: Any, ids: Any, result: Any, wrong: list[Any]
) -> None:
    """With what the services for the same return; ids that cannot be right are an error of the peer."""
    table.features = ("pubsub",)
    for given, expected in [(ids, result), *((one, None) for one in wrong)]:
        link, caller = FakeLink(), Caller()
        caller.call = call
        call_id = await sent(table, link, caller)
        assert table.confirm(Confirmed(call_id, given))
        assert not table.confirm(Confirmed(call_id, given))
        [outcome] = caller.outcomes
        if expected is None:
            assert isinstance(outcome, RemoteError)
        else:
            assert (outcome.data, outcome.in_reply_to) == (expected, call_id)
    assert len(table) == 0


async def test_a_confirmation_of_something_else_is_ignored(table: PendingCalls) -> None:
    """Of a call that is no call about topics, and of one that nobody made."""
    link, caller = FakeLink(), Caller()
    call_id = await sent(table, link, caller)
    assert not table.confirm(Confirmed(call_id, ["m1"]))
    assert not table.confirm(Confirmed("nobody's", ["m1"]))
    assert caller.outcomes == []
    assert len(table) == 1


@pytest.mark.parametrize("framed", [False, True])
async def test_the_loss_of_the_link_says_whether_the_call_was_sent(table: PendingCalls, framed: bool) -> None:
    """A call that a frame holds may have arrived; one that none holds has not, and the link drops it."""
    link, caller = FakeLink(), Caller()
    await sent(table, link, caller, framed=framed)
    table.fail_all("connection lost")
    table.fail_all("again")
    [error] = caller.outcomes
    assert isinstance(error, LinkLost)
    assert error.sent is framed
    assert ("after" if framed else "before") in str(error)
    assert (len(table), link.queued) == (0, [])


async def test_a_call_that_waits_for_room_is_lost_before_it_was_sent(table: PendingCalls) -> None:
    """A link that ends while a call waits for room on it never had the call, whoever notices first."""
    link, caller = FakeLink(), Caller()
    link.has_room = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.send, link, caller.envelope())
        await wait_all_tasks_blocked()
        table.fail_all("connection lost")
        link.end()
    [error] = caller.outcomes
    assert isinstance(error, LinkLost)
    assert error.sent is False
    assert (len(table), link.queued) == (0, [])


@pytest.mark.parametrize("framed", [False, True])
async def test_an_abandoned_call_is_withdrawn_or_cancelled(table: PendingCalls, framed: bool) -> None:
    """While no frame holds it, the call is taken back without a trace; after that the peer is told."""
    link, caller = FakeLink(), Caller()
    call_id = await sent(table, link, caller, framed=framed)
    caller.slot.abandon()
    assert caller.call.was_sent is framed
    assert link.queued == ([Cancel(call_id)] if framed else [])
    assert len(table) == 0
    table.fail_all("connection lost")
    assert caller.outcomes == []


async def test_a_call_abandoned_while_it_waits_for_room_is_never_sent(table: PendingCalls) -> None:
    """The wait ends at once, so that calls behind it go on, and the peer hears nothing of the call."""
    link, caller = FakeLink(), Caller()
    link.has_room = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.send, link, caller.envelope())
        await wait_all_tasks_blocked()
        caller.slot.abandon()
        await wait_all_tasks_blocked()
        assert link.waiting_senders == 0
        link.has_room = True
        link.changed()
    assert (link.queued, caller.call.was_sent, len(table), caller.outcomes) == ([], False, 0, [])


async def test_a_call_abandoned_just_when_there_is_room_is_withdrawn(table: PendingCalls) -> None:
    """Room and the caller's leaving come at once: the call may be queued for a moment and is taken back."""
    link, caller = FakeLink(), Caller()
    link.has_room = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.send, link, caller.envelope())
        await wait_all_tasks_blocked()
        link.has_room = True
        link.changed()
        caller.slot.abandon()
    assert (link.queued, caller.call.was_sent, len(table)) == ([], False, 0)


async def test_a_cancelled_send_leaves_nothing(table: PendingCalls) -> None:
    """Whoever hands the call over is cancelled while it waits for room: no frame, no entry, no outcome."""
    link, caller = FakeLink(), Caller()
    link.has_room = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(table.send, link, caller.envelope())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    link.has_room = True
    link.changed()
    assert (link.queued, len(table), caller.outcomes) == ([], 0, [])


async def test_late_repeated_and_unknown_answers_are_ignored(table: PendingCalls) -> None:
    """Only the first answer to a call that waits counts; each other one is told from it."""
    link, first, gone = FakeLink(), Caller(), Caller()
    call_id = await sent(table, link, first)
    gone_id = await sent(table, link, gone)
    gone.slot.abandon()
    assert table.answer(Reply("r1", call_id, 1))
    assert not table.answer(Reply("r2", call_id, 2))
    assert not table.answer(Failure("r3", call_id, 500, "late"))
    assert not table.answer(Reply("r4", gone_id, 4))
    assert not table.answer(Reply("r5", "unknown", 5))
    assert [response.data for response in first.outcomes] == [1]
    assert gone.outcomes == []


async def test_answers_come_in_any_order(table: PendingCalls) -> None:
    """Each answer finds its own call."""
    link, callers = FakeLink(), [Caller() for _ in range(5)]
    ids = [await sent(table, link, caller) for caller in callers]
    for number in (3, 0, 4, 2, 1):
        table.answer(Reply(f"r{number}", ids[number], number))
    assert [caller.outcomes[0].data for caller in callers] == [0, 1, 2, 3, 4]


async def test_a_call_that_no_answer_can_come_to_in_time_is_not_sent(
    table: PendingCalls, autojump_clock: trio.testing.MockClock
) -> None:
    """Where calls wait for credit and the last answer, late as it was, took longer than this one has left."""
    table.credit = CreditAccount(CreditLimit(1, 1000))
    link, given_up, late, early = FakeLink(), Caller(), Caller(), Caller()
    call_id = await sent(table, link, given_up)
    in_turn = [(late, trio.current_time() + 1.4), (early, trio.current_time() + 3.0)]

    async def send_in_turn() -> None:
        for caller, deadline in in_turn:
            await table.send(link, caller.envelope(deadline=deadline))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send_in_turn)
        await trio.sleep(1.0)
        assert table.answer(Reply("r1", call_id, 1))
    [error] = late.outcomes
    assert isinstance(error, LinkDown)
    assert str(error) == "'out': never sent: an answer takes about 1.25 s, and 0.4 s were left when its turn came"
    assert not late.call.was_sent
    assert [type(one) for one in link.queued] == [Invoke]
    assert (len(table), early.outcomes, table.credit.count) == (1, [], 1)


async def test_a_call_without_a_reply_slot_leaves_the_table_too(table: PendingCalls) -> None:
    """Where nobody waits for the answer, the answer ends the call all the same."""
    link = FakeLink()
    await table.send(link, Envelope(RemoteCall("told")))
    [invoke] = link.queued
    assert isinstance(invoke, Invoke)
    assert table.answer(Reply("r1", invoke.id))
    assert len(table) == 0
