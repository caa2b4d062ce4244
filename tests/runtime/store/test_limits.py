"""The limits of topics: depths, ids that are remembered, expiry, retention, inactivity, sizes."""

from __future__ import annotations

import pytest

from actors.errors import BadInput, Conflict, Overloaded
from actors.settings import OnFull, TopicSettings
from runtime.testing import run_simulated
from tests.runtime.store.support import GRAVE, TOPIC, Opened

pytestmark = pytest.mark.trio(run=run_simulated)


def limited(opened: Opened, **settings: object) -> None:
    """Open the store again with other settings of its topic."""
    opened.topics = {TOPIC: TopicSettings(guaranteed=True, **settings)}  # type: ignore[arg-type]
    opened.open()


async def test_ids_are_remembered_within_the_window_only(opened: Opened) -> None:
    """Beyond its seconds, or beyond its number of ids, an id may be used again."""
    limited(opened, publish_dedup_window=100.0, max_publish_dedup_ids=3)
    await opened.publish("x", msg_id="old")
    opened.clock.advance(99)
    assert not (await opened.store.clean(TOPIC, ())).has_more
    with pytest.raises(Conflict):
        await opened.publish("y", msg_id="old")
    opened.clock.advance(2)
    await opened.store.clean(TOPIC, ())
    await opened.publish("y", msg_id="old")
    for number in range(3):
        await opened.publish("x", msg_id=f"m{number}")
    await opened.publish("z", msg_id="old")
    assert opened.rows("published") == 3


async def test_a_full_dead_letter_topic_changes_nothing(opened: Opened) -> None:
    """What cannot be buried stays where it is, also for the step of cleaning."""
    opened.topics = {
        TOPIC: TopicSettings(guaranteed=True, limit_retention=10.0),
        GRAVE: TopicSettings(guaranteed=True, max_depth_gd=1),
    }
    opened.open()
    await opened.subscribe("a")
    for number in range(3):
        await opened.publish(number)
    await opened.store.bury("a", [1], "given up")
    with pytest.raises(Overloaded, match="is full: 1 messages wait"):
        await opened.store.bury("a", [2], "given up")
    opened.clock.advance(11)
    await opened.store.clean(TOPIC, ())
    assert await opened.waiting("a") == [1, 2]


async def test_a_full_queue_makes_room_as_its_topic_says(opened: Opened) -> None:
    """The oldest guaranteed message becomes a dead letter, the oldest memory message is dropped, or nothing gets in."""
    limited(opened, max_depth_gd=2, max_depth_non_gd=2)
    await opened.subscribe("a")
    await opened.subscribe("empty")
    for number in range(4):
        await opened.publish(number)
        await opened.publish(f"m{number}", has_gd=False)
        await opened.store.settle("empty", range(1, 100))
    assert await opened.waiting("a") == [2, "m2", 3, "m3"]
    await opened.subscribe("dead", topic=GRAVE)
    assert await opened.waiting("dead") == [0, 1]
    limited(opened, max_depth_gd=2, max_depth_non_gd=2, on_full=OnFull.REJECT)
    for _ in range(2):
        await opened.publish("again in memory", has_gd=False)
    await opened.store.settle("empty", range(1, 100))
    for has_gd in (True, False):
        with pytest.raises(Overloaded, match=r"would exceed the (non-)?GD max depth of 2"):
            await opened.publish("too many", has_gd=has_gd)
    assert await opened.waiting("empty") == []


async def test_without_subscriptions_the_topic_has_the_depth(opened: Opened) -> None:
    """The backlog that the first subscription would get is bounded, too."""
    limited(opened, max_depth_gd=2)
    for number in range(3):
        await opened.publish(number)
    opened.reopen()
    await opened.publish(3)
    await opened.subscribe("a")
    assert await opened.waiting("a") == [2, 3]
    await opened.subscribe("dead", topic=GRAVE)
    assert await opened.waiting("dead") == [0, 1]


async def test_expired_and_old_messages_become_dead_letters(opened: Opened) -> None:
    """For each subscription that was not done with them; those that are being delivered wait for their end."""
    limited(opened, limit_message_expiry=50.0)
    await opened.subscribe("a")
    await opened.subscribe("b")
    for data, expiration in (("first", 10), ("second", 10), ("capped", 100)):
        await opened.publish(data, expiration=expiration)
    await opened.publish("in memory", expiration=10, has_gd=False)
    await opened.store.settle("b", [1])
    assert await opened.take("a", 1) == ["first"]
    opened.clock.advance(11)
    await opened.store.clean(TOPIC, ())
    assert await opened.waiting("a") == ["first", "capped"]
    assert await opened.waiting("b") == ["capped"]
    await opened.store.begin_anew("a")
    opened.clock.advance(40)
    await opened.store.clean(TOPIC, ())
    assert await opened.waiting("a") == await opened.waiting("b") == []
    await opened.subscribe("dead", topic=GRAVE)
    assert await opened.waiting("dead") == ["second", "second", "first", "capped", "capped"]
    assert opened.rows() == 5


async def test_retention_and_inactivity_end_what_nobody_asks_for(opened: Opened) -> None:
    """An old backlog becomes dead letters; a subscription without a session ends, one with a session does not."""
    limited(opened, limit_retention=100.0, limit_sub_inactivity=1000.0)
    await opened.publish("old")
    opened.clock.advance(60)
    await opened.publish("young")
    opened.clock.advance(60)
    await opened.store.clean(TOPIC, ())
    await opened.subscribe("a")
    await opened.subscribe("b")
    assert await opened.waiting("a") == ["young"]
    opened.clock.advance(1001)
    assert (await opened.store.clean(TOPIC, ["b"])).ended == ("a",)
    assert [one.sub_key for one in await opened.store.subscriptions(TOPIC)] == ["b"]


async def test_a_message_may_be_too_large_for_its_topic(opened: Opened) -> None:
    """It is refused with both sizes, and nothing is stored."""
    limited(opened, max_message_size=1000)
    with pytest.raises(BadInput, match="the message has 1001 bytes, topic '/customer/new' takes 1000"):
        await opened.publish("x" * 1001)
    assert opened.rows() == 0
