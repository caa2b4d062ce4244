"""Group commit: what a group that fails leaves, and whoever waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
import trio
import trio.testing

from actors.errors import StoreFailed
from actors.topics.publication import Publish
from runtime.store.group import GroupCommit
from runtime.testing import InlineThreads, SeededEntropy, run_simulated
from tests.runtime.store.support import TOPIC, Opened

pytestmark = pytest.mark.trio(run=run_simulated)

T = TypeVar("T")


class Faulty(sqlite3.Connection):
    """A database some of whose statements fail."""

    fails: frozenset[str] = frozenset()

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql in self.fails:
            msg = f"{sql} fails on purpose"
            raise sqlite3.OperationalError(msg)
        return super().execute(sql, *values)


class Groups:
    """Group commit on a faulty database, which counts how often everything was read anew."""

    def __init__(self) -> None:
        self.database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, factory=Faulty)
        self.database.execute("CREATE TABLE numbers (number INTEGER)")
        self.group = GroupCommit(self.database, InlineThreads(SeededEntropy(1)), on_rollback=self.reload)
        self.reloads = 0
        self.reload_fails = False

    def reload(self) -> None:
        if self.reload_fails:
            raise sqlite3.OperationalError("reading fails on purpose")
        self.reloads += 1

    async def add(self, number: int) -> None:
        await self.group.do(lambda database: database.execute("INSERT INTO numbers VALUES (?)", (number,)))

    async def numbers(self) -> list[int]:
        rows = await self.group.do(lambda database: database.execute("SELECT number FROM numbers").fetchall())
        return [number for (number,) in rows]


@pytest.mark.parametrize("fails", [{"COMMIT"}, {"COMMIT", "ROLLBACK"}, {"RELEASE job", "ROLLBACK"}])
async def test_all_of_a_group_that_fails_hear_of_it_and_the_next_goes_on(fails: set[str]) -> None:
    """Also where it cannot be undone at once; then nothing is taken for idle, and the next group begins with that."""
    groups = Groups()
    await groups.add(1)
    groups.database.fails = frozenset(fails)
    failed: list[int] = []

    async def add(number: int) -> None:
        with pytest.raises(StoreFailed, match="fails on purpose"):
            await groups.add(number)
        failed.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(2, 7):
            nursery.start_soon(add, number)
    assert sorted(failed) == [2, 3, 4, 5, 6]
    assert groups.group.is_idle == ("ROLLBACK" not in fails)
    groups.database.fails = frozenset()
    await groups.add(7)
    assert await groups.numbers() == [1, 7]
    assert groups.group.is_idle
    groups.database.close()


async def test_what_cannot_be_read_anew_is_read_before_the_next_group() -> None:
    """Until then nothing is done with what is known by heart."""
    groups = Groups()
    groups.database.fails = frozenset({"COMMIT"})
    groups.reload_fails = True
    for number in range(2):
        with pytest.raises(StoreFailed, match="on purpose"):
            await groups.add(number)
    groups.database.fails = frozenset()
    with pytest.raises(StoreFailed, match="reading fails on purpose"):
        await groups.numbers()
    assert not groups.group.is_idle
    groups.reload_fails = False
    assert await groups.numbers() == []
    assert groups.reloads == 1
    groups.database.close()


async def test_what_is_known_stays_where_it_cannot_be_read_anew(opened: Opened) -> None:
    """A second attempt finds what was taken, and what is in memory."""
    await opened.subscribe("a")
    await opened.publish("in memory", has_gd=False)
    await opened.publish("stored")
    assert await opened.take("a", 1) == ["in memory"]
    ledger = opened.store.ledger

    opened.database.execute("ALTER TABLE failures RENAME TO elsewhere")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        ledger.load()
    opened.database.execute("ALTER TABLE elsewhere RENAME TO failures")
    ledger.load()
    assert await opened.take("a") == ["stored"]
    assert await opened.waiting("a") == ["in memory", "stored"]


class Gate:
    """A store's thread that begins when it is let to."""

    def __init__(self) -> None:
        self.is_open = trio.Event()
        self.is_waiting = trio.Event()

    async def run(self, function: Callable[[], T]) -> T:
        self.is_waiting.set()
        await self.is_open.wait()
        return function()

    def close(self) -> None:
        self.is_open, self.is_waiting = trio.Event(), trio.Event()


def gated(opened: Opened) -> Gate:
    """Open a store again whose thread stands behind a gate."""
    gate = Gate()
    gate.is_open.set()
    opened.thread = gate
    opened.open()
    return gate


async def test_deliveries_go_on_while_messages_are_written(opened: Opened) -> None:
    """What is stored already is taken meanwhile; what is being written is nobody's before it is on disk."""
    gate = gated(opened)
    await opened.subscribe("a")
    assert await opened.take("a") == []
    await opened.publish("before")
    gate.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(opened.publish, "being written")
        await gate.is_waiting.wait()
        assert await opened.take("a") == ["before"]
        assert await opened.take("a") == []
        nursery.start_soon(opened.store.settle, "a", [1])
        nursery.start_soon(opened.publish, "in memory")
        await trio.testing.wait_all_tasks_blocked()
        assert opened.rows() == 1
        gate.is_open.set()
    assert await opened.take("a") == ["being written", "in memory"]
    assert opened.rows() == 2
    assert [one.depth_gd for one in opened.store.ledger.subscriptions.values()] == [2]
    opened.reopen()
    assert await opened.take_counted("a") == [("being written", 1), ("in memory", 1)]


async def test_what_could_not_be_written_is_delivered_to_nobody(opened: Opened) -> None:
    """Neither is it counted; what was taken meanwhile stays taken, and what was settled with it waits again."""
    gate = gated(opened)
    await opened.subscribe("a")
    assert await opened.take("a") == []
    await opened.store.append(TOPIC, [Publish.of(data, {}) for data in ("settled", "taken", "left")])
    assert await opened.take("a", 1) == ["settled"]
    pages = opened.database.execute("PRAGMA page_count").fetchone()[0]
    opened.database.execute(f"PRAGMA max_page_count = {pages}")
    gate.close()

    async def fail(what: Callable[[], Awaitable[object]]) -> None:
        with pytest.raises(StoreFailed, match="full"):
            await what()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail, lambda: opened.publish("x" * 900_000))
        await gate.is_waiting.wait()
        nursery.start_soon(opened.store.settle, "a", [1])
        assert await opened.take("a", 1) == ["taken"]
        gate.is_open.set()
    opened.database.execute("PRAGMA max_page_count = 1000000")
    assert await opened.take("a") == ["left"]
    await opened.publish("after")
    assert await opened.take("a") == ["after"]
    assert await opened.waiting("a") == ["taken", "left", "after"]
    assert [one.depth_gd for one in opened.store.ledger.subscriptions.values()] == [3]
