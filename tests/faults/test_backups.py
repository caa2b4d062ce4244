"""A backup that is taken while messages are published, and what it is worth when the cluster is gone."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.errors import CallError, LinkClosed
from runtime.admin.client import NotRunning, connect
from tests.processes import Launched, free_port, half_of_the_sample

TOPIC = "/customer/new"
UP = r"listener admin +listening"
PUBLISHERS = 8
BEFORE = 1500
"""So many messages are confirmed before the backup begins."""


class Publishers:
    """Publish until they are over, each by an admin session of its own, and keep the ids that were confirmed."""

    def __init__(self, folder: Path) -> None:
        self.confirmed: list[str] = []
        self.is_over = False
        self._data_dir = folder / ".isthmus" / "emea"
        self._changed = trio.Event()

    async def publish_until_over(self) -> None:
        """Publish one by one; the death of the server ends it."""
        try:
            async with connect(self._data_dir) as admin:
                while not self.is_over:
                    request = {"topic_name": TOPIC, "data": "x" * 2000}
                    answer = await admin.invoke("zato.pubsub.pubapi.publish-message", request)
                    self.confirmed.append(answer["msg_id"])
                    self._changed.set()
                    self._changed = trio.Event()
        except (NotRunning, LinkClosed, CallError):
            assert self.is_over

    async def until_confirmed(self, count: int) -> None:
        """Wait until so many more are confirmed."""
        wanted = len(self.confirmed) + count
        while len(self.confirmed) < wanted:
            await self._changed.wait()


def launched_emea(folder: Path) -> Launched:
    return Launched(half_of_the_sample("emea", folder, free_port(), "local:emea-apac"))


def pid_of(launched: Launched) -> int:
    return int(launched.until(r"server started +pid=(\d+)")[1])


async def ids_in(folder: Path) -> list[str]:
    """Ask a running cluster for the ids of all its messages."""
    found: list[str] = []
    async with connect(folder / ".isthmus" / "emea") as admin:
        after = 0
        while rows := await admin.invoke("isthmus.admin.messages", {"topic": TOPIC, "after": after, "limit": 200}):
            found += [row["msg_id"] for row in rows]
            after = rows[-1]["place"]
    return found


async def give_up_a_backup(folder: Path) -> None:
    """Ask for a backup, and wait for it less long than its steps take; the server ends it and leaves nothing of it."""
    target = folder / "given-up" / "x.db"
    target.parent.mkdir()
    async with connect(folder / ".isthmus" / "emea") as admin:
        with pytest.raises(CallError):
            await admin.invoke("isthmus.admin.back-up-store", {"file": str(target)}, timeout=0.03)
        while (await admin.invoke("isthmus.admin.backup-progress"))["what"]:
            pass
    assert list(target.parent.iterdir()) == []


async def test_a_backup_is_whole(tmp_path: Path) -> None:  # its name is in the path of a socket, which is to be short
    """What was confirmed before it is in it when it is restored elsewhere.

    Publishing goes on during the backup; then the server is killed, and another starts from the backup.
    """
    first = launched_emea(tmp_path / "first")
    second: Launched | None = None
    try:
        pid = await trio.to_thread.run_sync(pid_of, first)
        await trio.to_thread.run_sync(first.until, UP)
        publishers = Publishers(first.folder)
        async with trio.open_nursery() as nursery:
            for _ in range(PUBLISHERS):
                nursery.start_soon(publishers.publish_until_over)
            await publishers.until_confirmed(BEFORE)
            before = set(publishers.confirmed)
            made = await trio.to_thread.run_sync(first.run, "store", "backup", "emea", "../backup.db", "--json")
            assert made.returncode == 0, made.stderr
            during = len(publishers.confirmed) - len(before)
            await publishers.until_confirmed(50)
            publishers.is_over = True
            os.kill(pid, signal.SIGKILL)
        assert during > PUBLISHERS
        report: dict[str, Any] = json.loads(made.stdout)

        await trio.to_thread.run_sync(first.until, UP)  # its launcher has brought it back
        shown = await trio.to_thread.run_sync(
            lambda: first.run("store", "backup", "emea", "second.db", FORCE_COLOR="1")
        )
        assert shown.returncode == 0
        assert "copying" in shown.stderr or "checking" in shown.stderr
        whole = await trio.to_thread.run_sync(first.run, "store", "verify", "emea")
        assert re.search(r"store.db: whole: 1 topics, \d+ messages", whole.stdout)

        await give_up_a_backup(first.folder)

        second = launched_emea(tmp_path / "second")
        await trio.to_thread.run_sync(second.until, UP)
        refused = await trio.to_thread.run_sync(second.run, "store", "restore", "emea", "../backup.db")
        assert refused.returncode == 1
        assert re.search(r"^cluster 'emea': .* already running, pid \d+; stop it first\n$", refused.stderr)
        await trio.to_thread.run_sync(second.stop)
        restored = await trio.to_thread.run_sync(second.run, "store", "restore", "emea", "../backup.db", "--json")
        assert restored.returncode == 0, restored.stderr
        second.start()
        await trio.to_thread.run_sync(second.until, UP)
        found = await ids_in(second.folder)
        assert before - set(found) == set()
        assert len(found) == len(set(found)) == report["messages"]
        assert len(found) <= len(publishers.confirmed) + PUBLISHERS

        assert set(publishers.confirmed) - set(await ids_in(first.folder)) == set()
    finally:
        first.stop()
        if second is not None:
            second.stop()
