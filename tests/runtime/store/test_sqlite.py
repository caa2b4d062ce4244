"""The embedded store: what is confirmed is there when it is opened again, and damage is never passed over."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.call import PeerIdentity
from actors.errors import Conflict, StoreFailed
from actors.publication import Publish, Stored, SubscriptionRecord
from runtime.store.schema import DamagedStore, open_database
from runtime.store.sqlite import SqliteStore
from runtime.testing import InlineThreads, SeededEntropy, run_simulated

pytestmark = pytest.mark.trio(run=run_simulated)

NOW = datetime.datetime(2026, 1, 1)
TOPIC = "/customer/new"
OWNER = PeerIdentity("apac", "apac", "to emea")


class Opened:
    """A store at a path that can be closed and opened again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        self.database = open_database(self.path)
        self.store = SqliteStore(self.database, thread=InlineThreads(SeededEntropy(1)), entropy=SeededEntropy(2))

    def reopen(self) -> None:
        self.database.close()
        self.open()

    async def publish(self, data: Any, *, guaranteed: bool = True, **options: Any) -> Stored:
        return await self.store.append(Publish.of(data, options), TOPIC, now=NOW, guaranteed=guaranteed)

    async def subscribe(self, sub_key: str) -> None:
        await self.store.subscribe(SubscriptionRecord(sub_key, TOPIC, OWNER))

    async def waiting(self, sub_key: str, limit: int = 100) -> list[Any]:
        return [one.stored.data for one in await self.store.waiting(sub_key, limit)]

    async def settle(self, sub_key: str, *places: int, **options: Any) -> None:
        await self.store.settle(sub_key, places, now=NOW, **options)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    found = Opened(tmp_path / "store.db")
    yield found
    found.database.close()


async def test_what_is_confirmed_survives(opened: Opened) -> None:
    """Messages, subscriptions and positions are there again; memory messages are not."""
    await opened.subscribe("a")
    for number in range(5):
        await opened.publish(number)
    await opened.publish("in memory", guaranteed=False)
    await opened.settle("a", 1, 2, 4)
    assert await opened.waiting("a") == [2, 4, "in memory"]
    opened.reopen()
    assert await opened.waiting("a") == [2, 4]
    assert [one.owner for one in await opened.store.subscriptions(TOPIC)] == [OWNER]
    await opened.publish("next")
    assert await opened.waiting("a") == [2, 4, "next"]


async def test_a_place_is_never_used_twice(opened: Opened) -> None:
    """A subscription that was done with a memory message does not miss what comes after a restart."""
    await opened.subscribe("a")
    await opened.publish("in memory", guaranteed=False)
    await opened.settle("a", 1)
    opened.reopen()
    assert (await opened.publish("guaranteed")).place == 2
    assert await opened.waiting("a") == ["guaranteed"]


async def test_urgent_messages_come_first_then_places(opened: Opened) -> None:
    """Priority 9 first, within a priority by place, also when memory and guaranteed messages are mixed."""
    await opened.subscribe("a")
    for number, priority in enumerate((5, 1, 9, 5, 7, 5)):
        await opened.publish(number, priority=priority, guaranteed=number % 2 == 0)
    assert await opened.waiting("a") == [2, 4, 0, 3, 5, 1]
    assert await opened.waiting("a", 2) == [2, 4]
    skipped = await opened.store.waiting("a", 2, {3})
    assert [one.stored.data for one in skipped] == [4, 0]


async def test_the_first_subscription_gets_the_backlog_and_later_ones_do_not(opened: Opened) -> None:
    """What nobody was done with waits again when the last subscription is gone."""
    await opened.publish("early")
    await opened.subscribe("a")
    await opened.subscribe("b")
    await opened.publish("later")
    assert await opened.waiting("a") == ["early", "later"]
    assert await opened.waiting("b") == ["later"]
    await opened.settle("a", 2)
    await opened.store.unsubscribe("b")
    await opened.store.unsubscribe("a")
    await opened.subscribe("c")
    assert await opened.waiting("c") == ["early"]


async def test_messages_end_when_all_are_done_with_them(opened: Opened) -> None:
    """A message is stored once, and deleted when the last subscription is done with it."""
    await opened.subscribe("a")
    await opened.subscribe("b")
    for number in range(10):
        await opened.publish(number)

    def stored() -> int:
        count: int = opened.database.execute("SELECT count(*) FROM messages").fetchone()[0]
        return count

    assert stored() == 10
    await opened.settle("a", *range(1, 11))
    assert stored() == 10
    await opened.settle("b", *range(1, 8))
    assert stored() == 3
    opened.reopen()
    await opened.settle("b", 8, 9, 10)
    assert stored() == 0


async def test_the_same_message_is_stored_once(opened: Opened) -> None:
    """An id with the same data gives what is stored, also after a restart; with other data it is a conflict."""
    first = await opened.publish("x", msg_id="m1")
    assert await opened.publish("x", msg_id="m1") == first
    opened.reopen()
    assert await opened.publish("x", msg_id="m1") == first
    with pytest.raises(Conflict, match="'m1' was used before with other data"):
        await opened.publish("y", msg_id="m1")
    await opened.publish("x", msg_id="v1", guaranteed=False)
    with pytest.raises(Conflict):
        await opened.publish("y", msg_id="v1", guaranteed=False)


async def test_what_may_have_been_delivered_says_so(opened: Opened) -> None:
    """After a restart a message that had been sent, or had failed, has its count."""
    await opened.subscribe("a")
    await opened.publish("sent")
    await opened.publish("failed")
    await opened.publish("new")
    await opened.store.sent("a", [1, 2])
    await opened.store.failed("a", [2], "on purpose")
    await opened.store.failed("a", [2], "on purpose")
    opened.reopen()
    found = await opened.store.waiting("a", 10)
    assert [(one.stored.data, one.deliveries) for one in found] == [("sent", 1), ("failed", 2), ("new", 0)]


async def test_what_is_given_up_goes_to_the_dead_letter_topic(opened: Opened) -> None:
    """With its reason and its topic; memory messages are just dropped."""
    await opened.subscribe("a")
    await opened.publish("guaranteed")
    await opened.publish("in memory", guaranteed=False)
    await opened.settle("a", 1, 2, bury_in="/dead-letter/emea/customer/new", reason="given up")
    await opened.store.subscribe(SubscriptionRecord("dead", "/dead-letter/emea/customer/new", OWNER))
    [dead] = await opened.store.waiting("dead", 10)
    assert (dead.stored.data, dead.stored.reason) == ("guaranteed", "given up")
    assert dead.stored.original_topic == TOPIC
    assert await opened.waiting("a") == []


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
    assert sorted(await opened.waiting("a", 200), key=str) == sorted([*range(100), "first"], key=str)


async def test_a_full_disk_is_an_error_to_the_publisher_and_nothing_is_stored(opened: Opened) -> None:
    """Reading goes on, and so does writing when there is room again."""
    await opened.subscribe("a")
    await opened.publish("before")
    pages = opened.database.execute("PRAGMA page_count").fetchone()[0]
    opened.database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreFailed, match="full"):
        await opened.publish("x" * 1_000_000)
    assert await opened.waiting("a", 1) == ["before"]
    opened.database.execute("PRAGMA max_page_count = 1000000")
    await opened.publish("after")
    assert (await opened.waiting("a"))[-1] == "after"


async def test_a_cancelled_publish_is_stored_whole_or_not_at_all(opened: Opened) -> None:
    """Cancelled before its group began it is not stored; either way the store goes on."""
    await opened.subscribe("a")
    with trio.CancelScope() as scope:
        scope.cancel()
        await opened.publish("cancelled")
    await opened.publish("next")
    assert (await opened.waiting("a"))[-1] == "next"


async def test_damage_is_named(tmp_path: Path) -> None:
    """A message whose content is wrong, a file that is no database and a newer one are refused untouched."""
    path = tmp_path / "store.db"
    database = open_database(path)
    database.execute("INSERT INTO topics (name) VALUES ('/t')")
    database.execute("INSERT INTO messages VALUES (1, 1, 'm1', 5, x'00', 7)")
    database.close()
    with pytest.raises(DamagedStore, match="the content of 1 messages is wrong: message 'm1' of /t"):
        open_database(path)
    with sqlite3.connect(path) as raw:
        raw.execute("DELETE FROM messages")
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(DamagedStore, match="version 99, this Isthmus knows version 1; it was left untouched"):
        open_database(path)
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(DamagedStore, match="cannot be used"):
        open_database(path)
    with pytest.raises(StoreFailed, match="cannot be opened"):
        open_database(tmp_path / "no-such-folder" / "store.db")
