"""A subscriber handles each message once, one run of its service at a time, and answers when that is recorded."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.envelope import Envelope, HandlerRun, ReplySlot, ask_by
from actors.messages import Acknowledge, Deliver, Refusal, Refuse
from actors.topics.handled import HandledWindow
from actors.topics.handling import FORGET_AFTER, Handling, Verdict
from actors.topics.settlement import Settlement
from tests.actors.handled import HandledInMemory

KEY = "zpsk.1"


class Subscriber:
    """A subscriber whose service is a function of the test; `runs` are the ids that each run was given."""

    def __init__(self) -> None:
        self.store = HandledInMemory()
        self.handling = Handling(self.store)
        self.runs: list[list[str]] = []
        self.error: Exception | None = None
        self.settle: Any = lambda settlement: None

    async def run(self, messages: Any, settlement: Settlement, run: HandlerRun) -> Exception | None:
        run.begin()
        try:
            self.runs.append([one["msg_id"] for one in messages])
            await trio.lowlevel.checkpoint()
            self.settle(settlement)
            run.has_succeeded = self.error is None
            return self.error
        finally:
            run.end()

    async def deliver(self, *ids: str, **more: Any) -> Acknowledge | Refuse:
        """Deliver messages and return the answer."""
        delivery = Deliver(f"d{len(self.runs)}", KEY, [])
        messages = [{"msg_id": one, "has_gd": True, **more} for one in ids]
        verdict = await self.handling.record(await self.handling.handle(delivery, messages, self.run))
        return verdict.answer("answer")


async def test_what_was_handled_is_acknowledged_without_another_run() -> None:
    """Also after a restart, and in another mixture; only what is new goes to the service."""
    subscriber = Subscriber()
    assert isinstance(await subscriber.deliver("a", "b"), Acknowledge)
    assert isinstance(await subscriber.deliver("b", "c"), Acknowledge)
    subscriber.handling = Handling(subscriber.store)
    assert isinstance(await subscriber.deliver("a", "b", "c"), Acknowledge)
    assert subscriber.runs == [["a", "b"], ["c"]]
    assert subscriber.store.ids == {KEY: ["a", "b", "c"]}


async def test_memory_messages_are_known_but_not_recorded() -> None:
    """They end with the process at the other side, too."""
    subscriber = Subscriber()
    await subscriber.deliver("a", has_gd=False)
    assert isinstance(await subscriber.deliver("a", has_gd=False), Acknowledge)
    assert (subscriber.runs, subscriber.store.ids) == ([["a"]], {})


async def test_an_error_refuses_the_delivery_and_nothing_is_known() -> None:
    """With its reason; the next delivery runs the service again."""
    subscriber = Subscriber()
    subscriber.error = RuntimeError("on purpose")
    assert await subscriber.deliver("a", "b") == Refuse("answer", "d0", "on purpose")
    subscriber.error = None
    assert isinstance(await subscriber.deliver("a", "b"), Acknowledge)
    assert subscriber.runs == [["a", "b"], ["a", "b"]]


async def test_parts_are_settled_by_the_hook() -> None:
    """Refused ones are named, with the reason and the wish; the others are acknowledged."""
    subscriber = Subscriber()
    subscriber.settle = lambda settlement: settlement.refuse("b", "not now", 30.0)
    assert await subscriber.deliver("a", "b", "c") == Refuse(
        "answer", "d0", "", messages=[Refusal("b", "not now", 30.0)]
    )
    assert subscriber.store.ids == {KEY: ["a", "c"]}
    with pytest.raises(ValueError, match="there is no message 'x' in this delivery"):
        Settlement(frozenset("ab")).acknowledge("x")
    with pytest.raises(ValueError, match="redeliver_after: expected seconds, got -1"):
        Settlement(frozenset("ab")).refuse("a", "", -1)


async def test_what_is_acknowledged_before_an_error_is_not_run_again() -> None:
    """Several others that failed together come one by one; a single one is refused by its name."""
    subscriber = Subscriber()
    subscriber.error = RuntimeError("on purpose")
    subscriber.settle = lambda settlement: settlement.acknowledge("a")
    assert await subscriber.deliver("a", "b") == Refuse("answer", "d0", "", messages=[Refusal("b", "on purpose")])
    subscriber.settle = lambda settlement: None
    assert await subscriber.deliver("c", "a", "b") == Refuse("answer", "d1", "on purpose")
    assert subscriber.runs == [["a", "b"], ["c", "b"]]


async def test_a_record_that_fails_refuses_without_another_run() -> None:
    """What was handled is known all the same, and recorded when it comes again."""
    subscriber = Subscriber()
    subscriber.store.is_broken = True
    answer = await subscriber.deliver("a")
    assert isinstance(answer, Refuse)
    assert answer.reason == "the store cannot write: on purpose"
    subscriber.store.is_broken = False
    assert isinstance(await subscriber.deliver("a"), Acknowledge)
    assert (subscriber.runs, subscriber.store.ids) == ([["a"]], {KEY: ["a"]})


@pytest.mark.parametrize("has_succeeded", [True, False])
async def test_a_run_whose_link_is_gone_is_waited_for(nursery: Any, *, has_succeeded: bool) -> None:
    """A redelivery never runs beside it; where it succeeded after all, its messages are not run again."""
    subscriber = Subscriber()
    runs: list[HandlerRun] = []

    async def go_on(_messages: Any, _settlement: Settlement, run: HandlerRun) -> None:
        run.begin()
        runs.append(run)
        await trio.sleep_forever()

    delivery, messages = Deliver("first", KEY, []), [{"msg_id": "a"}]
    with trio.CancelScope() as scope:
        nursery.start_soon(cancel_when_blocked, scope)
        await subscriber.handling.handle(delivery, messages, go_on)
    verdicts: list[Verdict] = []

    async def redeliver() -> None:
        verdicts.append(await subscriber.handling.handle(delivery, messages, subscriber.run))

    nursery.start_soon(redeliver)
    await wait_all_tasks_blocked()
    assert (subscriber.runs, verdicts) == ([], [])
    runs[0].has_succeeded = has_succeeded
    runs[0].end()
    await wait_all_tasks_blocked()
    assert subscriber.runs == ([] if has_succeeded else [["a"]])
    assert verdicts[0].handled == ("a",)


async def cancel_when_blocked(scope: trio.CancelScope) -> None:
    await wait_all_tasks_blocked()
    scope.cancel()


@given(st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from("abcdef"), max_size=4))), st.integers(1, 5))
def test_the_window_knows_the_last_ids(steps: list[tuple[bool, list[str]]], size: int) -> None:
    """It is as a list of which the last ones are kept, each once, as it came first."""
    window, model = HandledWindow(["x", "y"][:size], size), ["x", "y"][:size]
    for to_be_recorded, ids in steps:
        for one in ids:
            window.add_all([one], to_be_recorded=[one] if to_be_recorded else [])
            model = model if one in model else [*model, one]
            model = model[-size:]
        assert len(window) == len(model)
        assert all(one in window for one in model)
        assert set(window.unrecorded("abcdef")) <= set(model)
        window.note_recorded(ids)
        assert not window.unrecorded(ids)


@given(st.lists(st.lists(st.integers(0, 80).map(str), unique=True), max_size=20), st.integers(30, 50))
def test_a_window_forgets_several_at_once(batches: list[list[str]], size: int) -> None:
    """It knows the last ones of what was handled together, and few beyond them; what is forgotten is not recorded."""
    window, model = HandledWindow(size=size), list[str]()
    for ids in batches:
        window.add_all(ids, to_be_recorded=ids)
        model = [one for one in model if one in window] + [one for one in ids if one not in model]
        assert all(one in window for one in model[-size:])
        assert window.knows_any(ids) == bool(ids)
        assert len(window) <= size + size // 16
        assert all(one in window for one in window.unrecorded(model))


async def test_what_a_run_acknowledged_before_it_was_cancelled_is_not_run_again() -> None:
    """The hook said that these are handled; the others come again."""
    subscriber = Subscriber()

    async def acknowledge_and_wait(_messages: Any, settlement: Settlement, run: HandlerRun) -> None:
        run.begin()
        settlement.acknowledge("a")
        try:
            await trio.sleep_forever()
        finally:
            run.end()

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel_when_blocked, scope)
            delivery, messages = Deliver("first", KEY, []), [{"msg_id": "a"}, {"msg_id": "b"}]
            await subscriber.handling.handle(delivery, messages, acknowledge_and_wait)
    assert isinstance(await subscriber.deliver("a", "b"), Acknowledge)
    assert subscriber.runs == [["b"]]
    assert subscriber.store.ids == {KEY: ["a", "b"]}


async def test_a_message_that_comes_twice_in_a_delivery_is_handled_once() -> None:
    """As it would be in two; messages without an id are all handled."""
    subscriber = Subscriber()
    assert isinstance(await subscriber.deliver("a", "b", "a"), Acknowledge)
    nameless: Any = [None, None]
    assert isinstance(await subscriber.deliver(*nameless), Acknowledge)
    assert isinstance(await subscriber.deliver(*nameless), Acknowledge)
    assert subscriber.runs == [["a", "b"], nameless, nameless]


async def test_what_is_not_used_for_long_is_read_again(clock: MockClock) -> None:
    """Some senders make a new sub_key for each link: what belongs to old ones must not be kept for ever."""
    subscriber = Subscriber()
    await subscriber.deliver("a")
    await trio.sleep(FORGET_AFTER + 1)
    await subscriber.handling.handle(Deliver("other", "zpsk.2", []), [{"msg_id": "x"}], subscriber.run)
    subscriber.store.ids[KEY].append("b")
    await subscriber.deliver("a", "b")
    await subscriber.handling.handle(Deliver("other", "zpsk.2", []), [{"msg_id": "x"}], subscriber.run)
    assert subscriber.runs == [["a"], ["x"]]


@pytest.mark.parametrize("awaits", range(12))
@pytest.mark.parametrize("ends", ["cancelled", "succeeds all the same", "fails all the same"])
async def test_cancelled_anywhere_nothing_runs_twice_side_by_side_or_is_lost(awaits: int, ends: str) -> None:
    """Whichever await the loss of the link cancels, the redelivery is acknowledged, after one run that succeeded."""
    subscriber = Subscriber()
    running = most = succeeded = 0

    async def service(run: HandlerRun, slot: ReplySlot) -> None:
        nonlocal running, most, succeeded
        if slot.is_settled:
            return  # nobody waits any more, as services see before they begin
        run.begin()
        running += 1
        most = max(most, running)
        with trio.CancelScope(shield=ends != "cancelled") as scope:
            slot.on_abandoned(scope.cancel if ends == "cancelled" else None)
            for _ in range(3):
                await trio.lowlevel.checkpoint()
            if slot.is_settled and ends.startswith("fails"):
                scope.cancel()
                await trio.lowlevel.checkpoint()
            run.has_succeeded = True
            succeeded += 1
        running -= 1
        run.end()
        slot.answer(None)

    async with trio.open_nursery() as services:

        async def run(_messages: Any, _settlement: Settlement, handler: HandlerRun) -> None:
            async def send(envelope: Envelope) -> None:
                assert envelope.reply is not None
                services.start_soon(service, handler, envelope.reply)

            await ask_by(send, None, timeout=float("inf"))

        async def deliver() -> Acknowledge | Refuse:
            delivery, messages = Deliver("d", KEY, []), [{"msg_id": "a"}, {"msg_id": "b"}]
            verdict = await subscriber.handling.handle(delivery, messages, run)
            return (await subscriber.handling.record(verdict)).answer("answer")

        with trio.CancelScope() as scope:
            services.start_soon(cancel_after, awaits, scope)
            await deliver()
        assert isinstance(await deliver(), Acknowledge)
    assert (most, succeeded) == (1, 1)
    assert set(subscriber.store.ids[KEY]) == {"a", "b"}


async def cancel_after(awaits: int, scope: trio.CancelScope) -> None:
    for _ in range(awaits):
        await trio.lowlevel.checkpoint()
    scope.cancel()


actions = st.tuples(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=4),
    st.sets(st.sampled_from("abcd")),
    st.sets(st.sampled_from("abcd")),
    st.sampled_from(["returns", "raises", "is cancelled", "cannot record", "restarts"]),
)


@given(st.lists(actions, max_size=12))
def test_handling_is_as_a_set_of_what_was_handled(steps: list[tuple[list[str], set[str], set[str], str]]) -> None:
    """No message is run again once it was handled, and none is acknowledged that was not, or is not recorded."""

    async def main() -> None:
        subscriber, handled = Subscriber(), set[str]()
        for ids, acknowledged, refused, how in steps:
            if how == "restarts":
                subscriber.handling, handled = Handling(subscriber.store), set(subscriber.store.ids.get(KEY, ()))
            fresh = set(ids) - handled
            subscriber.error = RuntimeError("on purpose") if how == "raises" else None
            subscriber.store.is_broken = how == "cannot record"

            def settle(settlement: Settlement, acknowledged: Any = acknowledged, refused: Any = refused) -> None:
                for one in acknowledged.intersection(settlement.known):
                    settlement.acknowledge(one)
                for one in (refused - acknowledged).intersection(settlement.known):
                    settlement.refuse(one, "not wanted", None)

            subscriber.settle = settle
            runs = len(subscriber.runs)
            with trio.CancelScope() as scope:
                if how == "is cancelled":
                    subscriber.settle = lambda settlement, settle=settle: (settle(settlement), scope.cancel())
                    subscriber.error = RuntimeError("cancelled")
                answer = await subscriber.deliver(*ids)
            assert [set(one) for one in subscriber.runs[runs:]] == ([fresh] if fresh else [])
            has_failed = subscriber.error is not None
            handled |= fresh & acknowledged if has_failed else fresh - (refused - acknowledged)
            if scope.cancelled_caught:
                continue
            left = set(ids) - handled
            if isinstance(answer, Acknowledge):
                assert not left
                assert set(ids) <= set(subscriber.store.ids.get(KEY, ()))
            elif answer.messages:
                assert {one.msg_id for one in answer.messages} == left
                assert set(ids) - left <= set(subscriber.store.ids.get(KEY, ()))
            else:
                assert answer.reason

    trio.run(main)
