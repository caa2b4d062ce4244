"""The mailbox: its limits by count and bytes, what is lent, many senders, and cancellation."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
import trio
from attrs import define
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import MailboxFull, MailboxLimits, Overflow
from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorStopped
from actors.mailbox import Mailbox

WAIT, REJECT, DROP = Overflow.WAIT, Overflow.REJECT, Overflow.DROP_OLDEST


def full(overflow: Overflow, *sizes: int, **limits: int) -> Mailbox:
    """Return a mailbox in which messages of these sizes wait; they are numbered."""
    mailbox = Mailbox(MailboxLimits(**limits, overflow=overflow))
    for number, size in enumerate(sizes):
        mailbox.put_nowait(Envelope(number, size=size))
    return mailbox


def mailbox_next(mailbox: Mailbox) -> Any:
    envelope = mailbox.take_lent()
    return None if envelope is None else envelope.payload


async def rest_of(mailbox: Mailbox) -> list[Any]:
    """Take out all that waits, in order."""
    return [(await mailbox.get()).payload for _ in range(len(mailbox))]


@pytest.mark.parametrize(
    ("limits", "sizes", "size"),
    [({"max_count": 2}, (0, 0), 0), ({"max_bytes": 10}, (6, 4), 1), ({"max_bytes": 10}, (4,), 7)],
    ids=["by count", "by bytes", "too big for the rest"],
)
async def test_a_full_mailbox_does_as_its_policy_says(
    limits: dict[str, int], sizes: tuple[int, ...], size: int, autojump_clock: MockClock
) -> None:
    """Senders wait, are refused at once, or make room by dropping what has waited longest."""
    new = Envelope("new", size=size)
    for policy in (WAIT, REJECT):
        mailbox = full(policy, *sizes, **limits)
        with pytest.raises(MailboxFull):
            mailbox.put_nowait(new)
    with pytest.raises(MailboxFull):
        await mailbox.put(new)
    mailbox = full(WAIT, *sizes, **limits)
    with trio.move_on_after(60) as scope:
        await mailbox.put(new)
    assert scope.cancelled_caught
    assert await rest_of(mailbox) == list(range(len(sizes)))
    mailbox = full(DROP, *sizes, **limits)
    await mailbox.put(new)
    assert mailbox.dropped == 1
    assert await rest_of(mailbox) == [*range(1, len(sizes)), "new"]


async def test_a_message_beyond_the_bytes_passes_alone() -> None:
    """A single message larger than the limit is taken when nothing else waits, whatever the policy."""
    for policy in Overflow:
        mailbox = full(policy, max_bytes=10)
        await mailbox.put(Envelope("large", size=1000))
        assert await rest_of(mailbox) == ["large"]


async def test_what_is_dropped_is_answered() -> None:
    """Whoever waits for the answer to a dropped message is told at once."""
    mailbox = Mailbox(MailboxLimits(max_count=1, overflow=DROP))
    told: list[Exception | None] = []
    mailbox.put_nowait(Envelope("old", reply=ReplySlot(lambda slot: told.append(slot.error))))
    mailbox.put_nowait(Envelope("new"))
    assert [type(one) for one in told] == [MailboxFull]


async def test_lent_messages_count_and_are_never_dropped() -> None:
    """A drain makes no room: only what the actor has taken does."""
    mailbox = full(DROP, 1, 1, 1, max_count=3)
    await mailbox.drain()
    with pytest.raises(MailboxFull):
        mailbox.put_nowait(Envelope("refused"))
    assert mailbox_next(mailbox) == 0
    mailbox.put_nowait(Envelope("third"))
    mailbox.put_nowait(Envelope("instead of the third"))
    mailbox.return_lent()
    assert await rest_of(mailbox) == [1, 2, "instead of the third"]


async def test_a_refused_message_drops_nothing() -> None:
    """Where dropping all that may be dropped makes too little room, nothing is dropped."""
    mailbox = full(DROP, 6, max_bytes=10)
    await mailbox.drain()
    mailbox.put_nowait(Envelope("waits", size=2))
    with pytest.raises(MailboxFull):
        mailbox.put_nowait(Envelope("new", size=5))
    assert mailbox.dropped == 0
    mailbox.return_lent()
    assert await rest_of(mailbox) == [0, "waits"]


async def test_a_cancelled_put_leaves_nothing_and_passes_its_turn_on() -> None:
    """Of several senders that wait one goes away; the others get in, in order."""
    mailbox = full(WAIT, 0, max_count=1)
    scopes = [trio.CancelScope() for _ in range(3)]

    async def put(number: int) -> None:
        with scopes[number]:
            await mailbox.put(Envelope(f"sender {number}"))

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(put, number)
            await wait_all_tasks_blocked()
        scopes[0].cancel()
        await wait_all_tasks_blocked()
        assert len(mailbox) == 1
        assert [(await mailbox.get()).payload, (await mailbox.get()).payload] == [0, "sender 1"]
        assert (await mailbox.get()).payload == "sender 2"


async def test_room_is_given_to_all_who_fit() -> None:
    """One large message makes room for many small ones, whose senders all get in at once."""
    mailbox = full(WAIT, 10, max_bytes=10)
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(mailbox.put, Envelope(number, size=2))
        await wait_all_tasks_blocked()
        await mailbox.get()
        await wait_all_tasks_blocked()
        assert len(mailbox) == 5
        await rest_of(mailbox)


async def test_a_large_message_is_not_overtaken_for_ever() -> None:
    """Senders get in in the order in which they came, also where a later one would fit and the first does not."""
    mailbox = full(WAIT, 6, 4, max_bytes=10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.put, Envelope("large", size=10))
        await wait_all_tasks_blocked()
        for number in range(3):
            nursery.start_soon(mailbox.put, Envelope(f"small {number}", size=1))
            await wait_all_tasks_blocked()
        order = [(await mailbox.get()).payload for _ in range(6)]
    assert order == [0, 1, "large", "small 0", "small 1", "small 2"]


async def test_many_senders_lose_and_repeat_nothing() -> None:
    """Each sender's messages come once each and in its order, through a mailbox far smaller than their number."""
    mailbox = Mailbox(MailboxLimits(max_count=3, max_bytes=50))

    async def send(sender: int) -> None:
        for number in range(20):
            await mailbox.put(Envelope((sender, number), size=(sender * number) % 30))

    found: list[tuple[int, int]] = []
    async with trio.open_nursery() as nursery:
        for sender in range(10):
            nursery.start_soon(send, sender)
        while len(found) < 200:
            await mailbox.drain()
            assert len(mailbox) <= 3
            while (envelope := mailbox.take_lent()) is not None:
                found.append(envelope.payload)
    for sender in range(10):
        assert [number for who, number in found if who == sender] == list(range(20))


async def test_those_who_wait_learn_that_the_actor_was_stopped() -> None:
    """Senders that wait for room are refused when the mailbox closes; none of theirs is queued."""
    mailbox = full(WAIT, 0, max_count=1)
    refused: list[int] = []

    async def put(number: int) -> None:
        with pytest.raises(ActorStopped):
            await mailbox.put(Envelope(number))
        refused.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(put, number)
        await wait_all_tasks_blocked()
        mailbox.close(ActorStopped("stopped"))
    assert sorted(refused) == [0, 1, 2]
    assert len(mailbox) == 0


@define(eq=False)
class Waiting:
    """A message of the model."""

    number: int
    size: int


class MailboxMachine(RuleBasedStateMachine):
    """A mailbox against two plain lists: what waits and what is lent."""

    @initialize(count=st.integers(1, 4), size=st.integers(1, 12), overflow=st.sampled_from(Overflow))
    def begin(self, count: int, size: int, overflow: Overflow) -> None:
        self.limits = MailboxLimits(count, size, overflow)
        self.mailbox = Mailbox(self.limits)
        self.waiting: deque[Waiting] = deque()
        self.lent: deque[Waiting] = deque()
        self.answered: list[int] = []
        self.expected_answers: list[int] = []
        self.number = 0

    def fits(self, held: list[Waiting], size: int) -> bool:
        in_bytes = sum(one.size for one in held) + size <= self.limits.max_bytes
        return not held or (len(held) < self.limits.max_count and in_bytes)

    @rule(size=st.integers(0, 8))
    def put(self, size: int) -> None:
        self.number += 1
        number = self.number
        envelope = Envelope(number, size=size, reply=ReplySlot(lambda _slot: self.answered.append(number)))
        dropped: list[Waiting] = []
        while not self.fits([*self.lent, *list(self.waiting)[len(dropped) :]], size):
            if self.limits.overflow is not DROP or len(dropped) == len(self.waiting):
                with pytest.raises(MailboxFull):
                    self.mailbox.put_nowait(envelope)
                return
            dropped.append(self.waiting[len(dropped)])
        self.mailbox.put_nowait(envelope)
        for one in dropped:
            self.waiting.popleft()
            self.expected_answers.append(one.number)
        self.waiting.append(Waiting(number, size))

    @rule()
    def drain(self) -> None:
        if self.waiting or self.lent:
            trio.run(self.mailbox.drain)
            self.lent.extend(self.waiting)
            self.waiting.clear()

    @rule()
    def take_lent(self) -> None:
        envelope = self.mailbox.take_lent()
        expected = self.lent.popleft().number if self.lent else None
        assert (None if envelope is None else envelope.payload) == expected

    @rule()
    def crash(self) -> None:
        self.mailbox.return_lent()
        self.waiting.extendleft(reversed(self.lent))
        self.lent.clear()

    @rule()
    def get(self) -> None:
        if self.waiting:
            envelope = trio.run(self.mailbox.get)
            assert envelope.payload == self.waiting.popleft().number

    @invariant()
    def counts_agree(self) -> None:
        if hasattr(self, "mailbox"):
            assert len(self.mailbox) == len(self.waiting) + len(self.lent)
            assert self.answered == self.expected_answers
            assert self.mailbox.dropped == len(self.answered)

    def teardown(self) -> None:
        if hasattr(self, "mailbox"):
            self.mailbox.close(ActorStopped("stopped"))
            left = [one.number for one in (*self.lent, *self.waiting)]
            assert self.answered == [*self.expected_answers, *left]
            with pytest.raises(ActorStopped):
                self.mailbox.put_nowait(Envelope("late"))


TestMailbox = MailboxMachine.TestCase
TestMailbox.settings = settings(max_examples=60, stateful_step_count=30)


async def test_a_receiver_begins_when_something_waits() -> None:
    """It is begun once, at once where something waits already, and not where nobody is to begin any more."""
    mailbox, begun = Mailbox(), []
    mailbox.when_waiting(lambda: begun.append("taken back"))
    mailbox.when_waiting(None)
    mailbox.put_nowait(Envelope(1))
    assert not begun
    mailbox.when_waiting(lambda: begun.append("at once"))
    assert begun == ["at once"]
    mailbox.put_nowait(Envelope(2))
    assert await rest_of(mailbox) == [1, 2]
    mailbox.when_waiting(lambda: begun.append("later"))
    assert begun == ["at once"]
    await mailbox.put(Envelope(3))
    mailbox.put_nowait(Envelope(4))
    assert begun == ["at once", "later"]
    with trio.fail_after(1):
        assert await rest_of(mailbox) == [3, 4]


async def test_a_receiver_that_was_begun_is_woken_like_others() -> None:
    """What comes while it waits wakes it."""
    mailbox, received = Mailbox(), []

    async def receive() -> None:
        while len(received) < 3:
            received.append((await mailbox.get()).payload)

    async with trio.open_nursery() as nursery:
        mailbox.when_waiting(lambda: nursery.start_soon(receive))
        for number in range(3):
            mailbox.put_nowait(Envelope(number))
            await wait_all_tasks_blocked()
    assert received == [0, 1, 2]
