"""A server whose folder or store cannot be written serves everything but guaranteed messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import StoreFailed
from actors.settings import TopicSettings
from runtime.config.schema import StoreKind, StoreSettings
from runtime.data_dir import AlreadyRunning
from runtime.opening import open_data_dir
from runtime.testing import run_simulated
from tests.processes import Launched, free_port, write_sample
from tests.runtime.store.support import TOPIC, Opened

SQLITE = StoreSettings()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """The store is in memory then, and there is no folder for anything else either."""
    (tmp_path / "file").write_text("")
    with open_data_dir(tmp_path / "file" / "emea", SQLITE, launcher=None, wait=0) as opened:
        assert not opened.has_folder
        assert opened.path is None
        assert f"the data_dir {tmp_path}/file/emea cannot be used: [Errno 20] Not a directory" in opened.not_durable


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """The folder is locked all the same."""
    (tmp_path / "store.db").mkdir()
    with open_data_dir(tmp_path, SQLITE, launcher=None, wait=0) as opened:
        assert opened.has_folder
        assert "cannot be opened" in opened.not_durable
        with (
            pytest.raises(AlreadyRunning),
            open_data_dir(tmp_path, SQLITE, launcher=None, wait=0),
        ):
            pass


def test_a_store_may_be_in_memory_by_choice(tmp_path: Path) -> None:
    """There is no file then."""
    with open_data_dir(tmp_path, StoreSettings(StoreKind.MEMORY), launcher=None, wait=0) as opened:
        assert 'store.kind is "memory"' in opened.not_durable
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_guaranteed_messages_are_refused_and_others_are_not() -> None:
    """The publisher is told why; nothing is stored."""

    async def publish() -> None:
        opened = Opened(None, {TOPIC: TopicSettings()})
        opened.store.ledger.not_durable = "the data_dir cannot be used"
        with pytest.raises(StoreFailed, match="a guaranteed message cannot be kept: the data_dir cannot be used"):
            await opened.publish("x", has_gd=True)
        await opened.publish("y")
        assert opened.rows() == 0
        opened.database.close()

    run_simulated(publish)


def test_a_cluster_without_a_folder_keeps_its_links(tmp_path: Path) -> None:
    """It says so at its start, and calls and subscriptions work as ever."""
    write_sample(tmp_path, free_port())
    (tmp_path / "file").write_text("")
    path = tmp_path / "clusters.toml"
    path.write_text(path.read_text().replace("[clusters.apac]", '[clusters.apac]\ndata_dir = "file/apac"'))
    launched = Launched(tmp_path)
    try:
        assert "file/apac cannot be used" in launched.until(r"guaranteed messages are refused.*")[0]
        launched.until_linked()
        assert launched.run("publish", "emea", "/customer/new", "arrives").returncode == 0
        launched.until(r"on_message.*arrives")
    finally:
        launched.stop()
