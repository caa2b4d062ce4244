"""The bench itself: its ratios and its table, what it leaves out, and that it measures; never how fast anything is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.bench.__main__ import Plan, measure
from tests.bench.install import Installer
from tests.bench.results import Results
from tests.bench.rows import ROWS, Load, MeasureFailed, Quota, Row, check_counts
from tests.bench.servers import together, worker

BY_NAME = {row.name: row for row in ROWS}


def results(*rows: str, **rates: dict[str, list[float]]) -> Results:
    """Return the results of a run with these figures, by contestant and row."""
    found = Results([BY_NAME[name] for name in rows], list(rates))
    for contestant, figures in rates.items():
        for row, values in figures.items():
            for value in values:
                found.add(BY_NAME[row.replace("_", "-")], contestant, value)
    return found


def test_ratios_are_those_of_the_medians() -> None:
    """One round that was slow by chance changes nothing; Isthmus stands first."""
    found = results("publish-1", isthmus={"publish-1": [300.0, 200.0, 1.0]}, redis={"publish-1": [100.0, 50.0, 9e9]})
    assert found.ratio(BY_NAME["publish-1"], "redis") == 2.0
    head, line = found.table().splitlines()
    assert head.split() == ["a", "second", "isthmus", "redis", "isthmus/redis"]
    assert line.endswith("200 (1 to 300)  100 (50 to 9,000,000,000)           2.00")


def test_publishers_over_a_link_are_compared_with_the_peers_publishers() -> None:
    """The peers have no row of their own for them, in the table and as JSON."""
    found = results("link-1", isthmus={"link-1": [50.0]}, redis={"publish-1": [100.0]}, disk={"fsync": [10.0]})
    assert found.wants(BY_NAME["publish-1"], "redis")
    assert not found.wants(BY_NAME["publish-1"], "isthmus")
    lines = found.table().splitlines()
    assert lines[0] == "disk: 4 KiB appended and synced: 10 (10 to 10) a second"
    assert lines[-1].split()[-3:] == ["100)", "0.50", "5.00"]
    (row,) = found.as_json()["rows"]
    assert row["ratios"] == {"redis": 0.5, "disk": 5.0}
    assert row["medians"] == {"isthmus": 50.0, "redis": 100.0, "disk": None}


def test_what_was_not_measured_has_no_ratio() -> None:
    """A contestant without a figure leaves its cell empty."""
    found = results("publish-1", isthmus={}, redis={"publish-1": [1.0]})
    assert found.ratio(BY_NAME["publish-1"], "redis") is None
    assert found.table().splitlines()[1].split() == ["published,", "1", "publisher", "1", "(1", "to", "1)"]


def test_a_quota_ends_with_its_messages_or_its_time() -> None:
    """Whichever comes first."""
    quota = Quota(2, 60.0)
    assert [quota.take() for _ in range(3)] == [True, True, False]
    assert not Quota(2, 0.0).take()


def test_messages_that_are_missing_or_came_twice_are_no_figure() -> None:
    """Each subscriber has to be given each message once."""
    check_counts([{"count": 5}, {"count": 5}], 5)
    for wrong in (4, 6):
        with pytest.raises(MeasureFailed, match=f"{wrong}"):
            check_counts([{"count": 5}, {"count": wrong}], 5)


async def test_a_peer_that_is_not_there_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is said, the others are measured, and nothing is installed where that is not wanted."""
    monkeypatch.setattr("tests.bench.install._find", lambda _name: None)
    plan = Plan(Load(10, 0.01), 1, tmp_path, ["redis", "disk"], Installer(may_install=False))
    found = await measure(plan)
    assert any(fact.startswith("redis is skipped: redis-server is not on the PATH") for fact in found.facts)
    assert found.contestants == ["disk"]
    assert found.failures == []
    assert len(found.rates["fsync", "disk"]) == 1


async def test_a_worker_s_failure_is_told_after_all_others_have_answered(tmp_path: Path) -> None:
    """An answer that nobody waits for would be taken for the one to the next order."""
    (tmp_path / "orders.py").write_text(
        "from tests.bench.orders import serve\n"
        "async def echo(*, text):\n    return {'text': text}\n"
        "async def fail():\n    raise ValueError('no')\n"
        "serve({'echo': echo, 'fail': fail})\n"
    )
    command = [sys.executable, str(tmp_path / "orders.py")]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    async with (
        worker(command, tmp_path / "one.log", environment=environment) as one,
        worker(command, tmp_path / "other.log", environment=environment) as other,
    ):
        with pytest.raises(MeasureFailed, match="ValueError: no"):
            await together(lambda: one.ask(do="fail"), lambda: other.ask(do="echo", text="lost"))
        assert await other.ask(do="echo", text="next") == {"text": "next"}
        assert await one.ask(do="echo", text="on") == {"text": "on"}


async def test_every_row_of_isthmus_gets_a_figure(tmp_path: Path) -> None:
    """Real processes publish here and over a link, and deliver to one and to four."""
    plan = Plan(Load(50, 5.0), 1, tmp_path, ["isthmus"], Installer(may_install=False))
    found = await measure(plan)
    assert found.failures == []
    rows: list[Row] = [row for row in ROWS if row.name != "fsync"]
    assert sorted(found.rates) == sorted((row.name, "isthmus") for row in rows)
    assert all(rate > 0 for rates in found.rates.values() for rate in rates)
