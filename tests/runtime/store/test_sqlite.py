"""The embedded store: what is confirmed is there when it is opened again, in order, once, for each subscription."""

from __future__ import annotations

import pytest
import trio

from actors.errors import Conflict, StoreFailed
from actors.settings import OnFull, TopicSettings
from actors.topics.publication import Publish, published_of
from runtime.testing import run_simulated
from tests.runtime.store.support import GRAVE, OWNER, TOPIC, Opened

pytestmark = pytest.mark.trio(run=run_simulated)


async def test_what_is_confirmed_survives(opened: Opened) -> None:
    """Messages, subscriptions and positions are there again; memory messages are not."""
    await opened.subscribe("a")
    for number in range(5):
        await opened.publish(number)
    await opened.publish("in memory", has_gd=False)
    await opened.store.settle("a", [1, 2, 4])
    assert await opened.waiting("a") == [2, 4, "in memory"]
    opened.reopen()
    assert await opened.waiting("a") == [2, 4]
    assert [one.owner for one in await opened.store.subscriptions(TOPIC)] == [OWNER]
    await opened.publish("next")
    assert await opened.waiting("a") == [2, 4, "next"]


@pytest.mark.parametrize("done", [[1], [2]])
async def test_a_place_is_never_used_twice(opened: Opened, done: list[int]) -> None:
    """A subscription that was done with a memory message does not miss what comes after a restart."""
    await opened.subscribe("a")
    await opened.publish("kept" if done == [2] else "in memory", has_gd=done == [2])
    await opened.publish("in memory", has_gd=False)
    await opened.store.settle("a", done)
    opened.reopen()
    await opened.publish("later")
    assert await opened.waiting("a") == (["kept", "later"] if done == [2] else ["later"])


async def test_what_is_held_in_memory_is_acknowledged_without_a_write(opened: Opened) -> None:
    """The database learns the position with its next change, or when it is cleaned; in between it has an older one."""
    await opened.subscribe("a")
    await opened.subscribe("b")
    state = opened.store.ledger.topics[TOPIC]
    for number in range(1, 7):
        await opened.publish(number, has_gd=False)
    for sub_key in ("a", "b"):
        assert await opened.take(sub_key) == [1, 2, 3, 4, 5, 6]
    before = opened.database.total_changes
    await opened.store.settle("a", [1, 2, 3, 3])
    await opened.store.settle("a", [5, 2])
    assert len(state.volatile) == 6
    await opened.store.settle("b", [4, 2, 1, 3])
    assert sorted(state.volatile) == [4, 5, 6]
    assert opened.database.total_changes == before
    assert [one.depth_memory for one in state.live] == [2, 2]
    assert await opened.waiting("a") == [4, 6]
    await opened.store.clean(TOPIC, [])
    positions = "SELECT sub_key, acked_upto FROM subscriptions ORDER BY sub_key"
    assert opened.database.execute(positions).fetchall() == [("a", 3), ("b", 4)]
    assert await opened.publish("kept", msg_id="kept") == "kept"
    opened.reopen()
    assert await opened.waiting("a") == await opened.waiting("b") == ["kept"]


async def test_acknowledgements_of_both_kinds_are_written_together(opened: Opened) -> None:
    """A guaranteed message behind those in memory: what was acknowledged stays so over a restart, and nothing more."""
    await opened.subscribe("a")
    for number in range(1, 9):
        await opened.publish(number, has_gd=number in (3, 4, 8))
    assert await opened.take("a") == [1, 2, 3, 4, 5, 6, 7, 8]
    await opened.store.settle("a", [4])
    await opened.store.settle("a", [2, 5, 6])
    await opened.store.settle("a", [3])
    await opened.store.settle("a", [1])
    assert opened.rows("done") == 1
    await opened.store.settle("a", [7])
    await opened.store.clean(TOPIC, [])
    assert opened.rows() == 1
    opened.reopen()
    assert await opened.waiting("a") == [8]
    await opened.publish("later")
    assert await opened.waiting("a") == [8, "later"]
    assert opened.rows("done") == 0


async def test_urgent_messages_come_first_then_places(opened: Opened) -> None:
    """Priority 9 first, within a priority by place, also when memory and guaranteed messages are mixed."""
    await opened.subscribe("a")
    for number, priority in enumerate((5, 1, 9, 5, 7, 5)):
        await opened.publish(number, priority=priority, has_gd=number % 2 == 0)
    assert await opened.take("a", 2) == [2, 4]
    assert await opened.take("a", 2) == [0, 3]
    await opened.publish(6, priority=9)
    assert await opened.take("a") == [6, 5, 1]
    assert await opened.take("a") == []
    assert await opened.waiting("a") == [2, 6, 4, 0, 3, 5, 1]


async def test_what_is_taken_is_not_taken_again_until_begun_anew(opened: Opened) -> None:
    """Also where more waits than is held in memory; what was settled meanwhile is gone."""
    await opened.subscribe("a")
    await opened.store.append(TOPIC, [Publish.of(number, {}) for number in range(5000)])
    first = await opened.take("a", 3000)
    rest = await opened.take("a") + await opened.take("a") + await opened.take("a")
    assert first + rest == list(range(5000))
    await opened.store.settle("a", range(1, 4001))
    assert await opened.waiting("a") == list(range(4000, 5000))


async def test_a_delivery_is_bounded_in_bytes(opened: Opened) -> None:
    """At least one message is taken, and further ones as long as they fit."""
    await opened.subscribe("a")
    for size in (5000, 10, 10, 5000):
        await opened.publish("x" * size)
    sizes = [[one.place for one in (await opened.store.take("a", 10, 1000)).messages] for _ in range(4)]
    assert sizes == [[1], [2, 3], [4], []]


async def test_the_first_subscription_gets_the_backlog_and_later_ones_do_not(opened: Opened) -> None:
    """Where a subscription begins is its own choice, too."""
    await opened.publish("early")
    await opened.subscribe("a")
    await opened.subscribe("b")
    await opened.publish("later")
    await opened.subscribe("now", deliver_from="now")
    await opened.subscribe("beginning", deliver_from="beginning")
    assert await opened.waiting("a") == ["early", "later"]
    assert await opened.waiting("b") == ["later"]
    assert await opened.waiting("now") == []
    assert await opened.waiting("beginning") == ["early", "later"]


async def test_what_a_subscription_leaves_goes_to_the_dead_letter_topic(opened: Opened) -> None:
    """Guaranteed messages only, in small steps; the next subscription begins behind them."""
    await opened.subscribe("a")
    await opened.store.append(TOPIC, [Publish.of(number, {}) for number in range(1200)])
    await opened.publish("in memory", has_gd=False)
    await opened.store.settle("a", [1])
    await opened.store.unsubscribe("a")
    await opened.store.unsubscribe("a")
    await opened.publish("backlog")
    await opened.subscribe("b")
    steps = 1
    while (await opened.store.clean(TOPIC, ())).has_more:
        steps += 1
    assert steps == 3
    await opened.subscribe("dead", topic=GRAVE)
    assert sorted(await opened.waiting("dead")) == list(range(1, 1200))
    assert await opened.waiting("b") == ["backlog"]


async def test_what_a_session_leaves_goes_to_the_next_of_its_security_definition(opened: Opened) -> None:
    """Two that ended leave what either was not done with; another security definition gets none of it."""
    for sub_key in ("a", "b"):
        await opened.subscribe(sub_key, is_lasting=False)
    for number in range(5):
        await opened.publish(number)
    await opened.store.settle("a", [1, 2, 3])
    await opened.store.settle("b", [1, 3, 5])
    for sub_key in ("a", "b"):
        await opened.store.unsubscribe(sub_key, leave_rest=True)
    await opened.publish("backlog")
    opened.reopen()
    await opened.subscribe("c", owner=type(OWNER)("other"), is_lasting=False)
    await opened.publish("for all")
    assert await opened.waiting("c") == ["backlog", "for all"]
    await opened.subscribe("d", is_lasting=False)
    assert await opened.waiting("d") == [1, 3, 4]
    await opened.publish("later")
    assert await opened.waiting("d") == [1, 3, 4, "later"]
    opened.reopen()
    assert await opened.waiting("d") == [1, 3, 4, "later"]
    assert await opened.store.missed(OWNER) == 4


@pytest.mark.parametrize("has_gd", [True, False])
async def test_what_only_a_session_was_to_get_goes_to_whoever_takes_up_what_it_left(
    has_gd: bool, opened: Opened
) -> None:
    """A message that names the subscriptions it is for is not lost with one of them; others still do not get it."""
    for sub_key in ("a", "b"):
        await opened.subscribe(sub_key, is_lasting=False)
    await opened.subscribe("lasting")
    for data, names in (("a", ["a"]), ("both", ["a", "lasting"]), ("other", ["lasting"]), ("all", None)):
        await opened.publish(data, deliver_to_sk=names, has_gd=has_gd)
    await opened.store.settle("b", range(1, 5))
    await opened.store.unsubscribe("a", leave_rest=True)
    await opened.subscribe("heir", is_lasting=False)
    assert await opened.waiting("heir") == ["a", "both", "all"]
    assert await opened.waiting("lasting") == ["both", "other", "all"]
    if has_gd:
        opened.reopen()
        assert await opened.waiting("heir") == ["a", "both", "all"]
        assert await opened.waiting("lasting") == ["both", "other", "all"]


async def test_messages_end_when_all_are_done_with_them(opened: Opened) -> None:
    """A message is stored once, and deleted when the last subscription is done with it."""
    await opened.subscribe("a")
    await opened.subscribe("b")
    for number in range(10):
        await opened.publish(number)
    assert opened.rows() == 10
    await opened.store.settle("a", range(1, 11))
    assert opened.rows() == 10
    await opened.store.settle("b", range(1, 8))
    assert opened.rows() == 3
    opened.reopen()
    await opened.store.settle("b", [9, 10])
    assert opened.rows() == 3
    await opened.store.clean(TOPIC, ())
    assert opened.rows() == 1
    assert await opened.waiting("b") == [7]
    await opened.store.settle("b", [8])
    assert opened.rows() == 0


async def test_the_same_message_is_stored_once(opened: Opened) -> None:
    """An id with the same data gives the id, also after a restart; with other data it is a conflict."""
    assert await opened.publish("x", msg_id="m1") == "m1"
    assert await opened.publish("x", msg_id="m1") == "m1"
    opened.reopen()
    assert await opened.publish("x", msg_id="m1") == "m1"
    with pytest.raises(Conflict, match="'m1' was used before with other data"):
        await opened.publish("y", msg_id="m1")
    await opened.publish("x", msg_id="v1", has_gd=False)
    with pytest.raises(Conflict):
        await opened.publish("y", msg_id="v1", has_gd=False)
    results = await opened.store.append(TOPIC, [Publish.of(one, {"msg_id": "m2"}) for one in ("x", "x", "y")])
    assert [str(one) for one in results] == ["m2", "m2", "message id 'm2' was used before with other data"]
    assert opened.rows() == 2


async def test_what_may_have_been_delivered_says_so(opened: Opened) -> None:
    """After a restart a message that had been taken, or had failed, has its count."""
    await opened.subscribe("a")
    for data in ("sent", "failed", "new"):
        await opened.publish(data)
    assert await opened.take_counted("a", 2) == [("sent", 0), ("failed", 0)]
    await opened.store.failed("a", 2, "on purpose")
    await opened.store.failed("a", 2, "on purpose")
    opened.reopen()
    assert await opened.take_counted("a") == [("sent", 1), ("failed", 2), ("new", 0)]


async def test_what_somebody_waits_for_is_taken_without_a_write(opened: Opened) -> None:
    """That it may have been delivered is on disk with the message; who does not wait is marked when it takes."""
    await opened.subscribe("a")
    await opened.subscribe("b")
    assert await opened.take("a") == []
    await opened.publish("awaited")
    before = opened.database.total_changes
    assert await opened.take_counted("a") == [("awaited", 0)]
    assert opened.database.total_changes == before
    assert await opened.take_counted("b") == [("awaited", 0)]
    assert opened.database.total_changes > before
    await opened.publish("next")
    await opened.publish("not awaited any more")
    opened.reopen()
    assert await opened.take_counted("a") == [("awaited", 1), ("next", 1), ("not awaited any more", 0)]


async def test_what_is_given_up_goes_to_the_dead_letter_topic(opened: Opened) -> None:
    """With its reason and its topic; memory messages are just dropped."""
    await opened.subscribe("a")
    await opened.publish("guaranteed")
    await opened.publish("in memory", has_gd=False)
    told: list[str] = []
    opened.store.on_supplied = told.append
    await opened.store.bury("a", [1, 2], "given up")
    assert told == [GRAVE]
    await opened.subscribe("dead", topic=GRAVE)
    [taken] = (await opened.store.take("dead", 10, 1000)).messages
    dead = published_of(taken.body)
    assert (dead.data, dead.reason, dead.original_topic) == ("guaranteed", "given up", TOPIC)
    assert await opened.waiting("a") == []


async def test_only_those_named_get_a_message(opened: Opened) -> None:
    """`deliver_to_sk` holds for subscriptions that there are, and for one that gets the backlog later."""
    await opened.publish("for b", deliver_to_sk=["b"])
    await opened.publish("for a, later", deliver_to_sk=["a"])
    await opened.subscribe("a")
    await opened.subscribe("b")
    await opened.publish("for b, too", deliver_to_sk=["b"])
    await opened.publish("for all")
    assert await opened.waiting("a") == ["for a, later", "for all"]
    assert await opened.waiting("b") == ["for b, too", "for all"]
    opened.reopen()
    assert await opened.waiting("b") == ["for b, too", "for all"]


async def test_a_subscription_that_takes_nothing_new_keeps_what_it_has(opened: Opened) -> None:
    """`active_status` of sub-only and disabled: what is published meanwhile is none of its business."""
    await opened.subscribe("a")
    await opened.publish("before")
    await opened.subscribe("a", active_status="sub-only")
    await opened.publish("meanwhile")
    opened.reopen()
    await opened.publish("in memory", has_gd=False)
    assert await opened.waiting("a") == ["before"]
    await opened.subscribe("a", active_status="pub-sub")
    await opened.publish("after")
    assert await opened.waiting("a") == ["before", "after"]


async def test_writes_that_wait_share_a_transaction(opened: Opened) -> None:
    """A hundred publishers at once need far fewer than a hundred commits."""
    commits: list[str] = []
    opened.database.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await opened.publish("first")
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(opened.publish, number)
    assert len(commits) <= 4
    await opened.subscribe("a")
    assert sorted(await opened.waiting("a"), key=str) == sorted([*range(100), "first"], key=str)


async def test_a_full_disk_is_an_error_to_the_publisher_and_nothing_is_stored(opened: Opened) -> None:
    """Reading goes on, what is taken stays taken, and so does writing when there is room again."""
    await opened.subscribe("a")
    await opened.publish("before")
    await opened.publish("in memory", has_gd=False)
    assert await opened.take("a", 1) == ["before"]
    pages = opened.database.execute("PRAGMA page_count").fetchone()[0]
    opened.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailed, match="full"):
        await opened.publish("x" * 900_000)
    assert await opened.take("a") == ["in memory"]
    opened.database.execute("PRAGMA max_page_count = 1000000")
    await opened.publish("after")
    assert await opened.take("a") == ["after"]
    assert await opened.waiting("a") == ["before", "in memory", "after"]


async def test_a_cancelled_publish_is_stored_whole_or_not_at_all(opened: Opened) -> None:
    """Cancelled before its group began it is not stored; either way the store goes on."""
    await opened.subscribe("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await opened.publish("cancelled")
    await opened.publish("next")
    assert (await opened.waiting("a"))[-1] == "next"


async def test_a_topic_made_at_run_time_is_kept_with_its_settings(opened: Opened) -> None:
    """They are there again after a restart."""
    settings = TopicSettings(guaranteed=True, on_full=OnFull.REJECT, limit_retention=5.0)
    await opened.store.create("/made", settings)
    opened.reopen()
    assert await opened.store.created() == {"/made": settings}


async def test_handled_ids_are_kept_within_the_window(opened: Opened) -> None:
    """The last hundred thousand of a subscription, the oldest first."""
    for start in range(0, 130_000, 10_000):
        await opened.store.record("a", [f"m{number}" for number in range(start, start + 10_000)])
    await opened.store.record("b", ["other"])
    opened.reopen()
    assert list(await opened.store.handled("a")) == [f"m{number}" for number in range(30_000, 130_000)]
    assert list(await opened.store.handled("b")) == ["other"]
    assert opened.rows("handled") == 11
