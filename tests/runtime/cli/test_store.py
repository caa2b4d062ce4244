"""`isthmus store` of a cluster that does not run: what it prints, its exit status, and what it refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trio

from runtime.cli.app import run_app
from runtime.data_dir import lock
from tests.processes import ROOT
from tests.runtime.store.stores import damage_message, make_store, messages_in

WHOLE = "1 topics, 3 messages, 0 subscriptions, version"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The store of the sample's emea, which holds three messages; the test stands in the sample's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "clusters.toml").write_text((ROOT / "clusters.toml").read_text())
    path = tmp_path / ".isthmus" / "emea" / "store.db"
    path.parent.mkdir(parents=True)
    trio.run(make_store, path, 1, 2, 3)
    yield path
    structlog.reset_defaults()


def test_a_store_goes_to_a_backup_and_back(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command says what it did, and as JSON, too."""
    saved = messages_in(store)
    assert run_app(["store", "backup", "emea", "x.db"]) == 0
    assert capsys.readouterr().out.startswith(f"x.db: backed up: {WHOLE}")
    assert run_app(["store", "verify", "emea", "--file", "x.db"]) == 0
    assert capsys.readouterr().out.startswith(f"x.db: whole: {WHOLE}")
    store.unlink()
    trio.run(make_store, store, 4)
    assert run_app(["store", "restore", "emea", "x.db"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{store}: restored: {WHOLE}")
    assert f"; what was there is kept as {store}.before-restore-" in said
    assert messages_in(store) == saved
    assert run_app(["store", "restore", "apac", "x.db", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["messages"], found["aside"]) == (3, None)
    assert found["path"] == str(store.parents[1] / "apac" / "store.db")


def test_damage_is_listed_and_salvaged(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verify ends with status 1 and names each message that is lost; salvage keeps the others."""
    lost = messages_in(store)[1]
    damage_message(store, lost)
    assert run_app(["store", "verify", "emea"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{store}: DAMAGED: {WHOLE}")
    assert second == f"the content of message '{lost}' of /customer/new is wrong"
    assert run_app(["store", "verify", "emea", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["lost"] == [f"message '{lost}' of /customer/new"]
    assert run_app(["store", "backup", "emea", "x.db"]) == 1
    assert f"message '{lost}' of /customer/new" in capsys.readouterr().err
    assert run_app(["store", "salvage", "emea"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{store}: salvaged: 1 topics, 2 messages, 0 subscriptions")
    assert second == f"lost: row of messages, topic 1, place 2, msg_id '{lost}': its content is wrong"
    assert run_app(["store", "verify", "emea"]) == 0


def test_what_cannot_be_is_one_sentence(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there, one that is not, a cluster without a store, and one that is not described."""
    Path("there.db").write_text("")
    for arguments, status, expected in (
        (
            ["backup", "emea", "there.db"],
            1,
            "there.db: there is such a file already, which is left as it is; --overwrite",
        ),
        (["backup", "apac", "x.db"], 1, "cluster 'apac' has no store yet: there is no "),
        (["verify", "apac"], 1, "cluster 'apac' has no store yet: there is no "),
        (["salvage", "emea"], 1, "the store is whole, and was left as it is"),
        (["restore", "emea", "missing.db"], 1, "missing.db: there is no such file"),
        (["restore", "emea", "clusters.toml"], 1, "clusters.toml: the store is damaged: file is not a database"),
        (["verify", "nowhere"], 2, "clusters.toml describes no cluster 'nowhere'; there are: emea, apac"),
    ):
        assert run_app(["store", *arguments]) == status
        [line] = capsys.readouterr().err.splitlines()
        assert expected in line
    assert sorted(path.name for path in Path().iterdir()) == [".isthmus", "clusters.toml", "there.db"]
    assert [path.name for path in (store.parents[1]).iterdir()] == ["emea"]


@pytest.mark.parametrize("arguments", [["restore", "emea", "x.db"], ["salvage", "emea"]])
def test_the_store_of_a_cluster_that_runs_is_not_replaced(
    arguments: list[str], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence names the process that has it."""
    run_app(["store", "backup", "emea", "x.db"])
    before = store.read_bytes()
    capsys.readouterr()
    with lock(store.parent):
        assert run_app(["store", *arguments]) == 1
        assert run_app(["store", "verify", "emea"]) == 0
    assert capsys.readouterr().err == (
        f"cluster 'emea': a server with the data_dir {store.parent} is already running, pid {os.getpid()}; stop it first\n"
    )
    assert store.read_bytes() == before


def test_long_work_is_shown_on_a_terminal_only(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar goes to stderr, so that the result can be piped."""
    assert run_app(["store", "backup", "emea", "x.db"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run_app(["store", "backup", "emea", "y.db"]) == 0
    shown = capsys.readouterr()
    assert "checking" in shown.err
    assert shown.out.startswith("y.db: backed up: ")
