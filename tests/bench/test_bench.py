"""The bench itself: its ratios and its table, what it leaves out, and that it measures; never how fast anything is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from tests.bench.__main__ import Plan, measure
from tests.bench.call_load import PAYLOAD, Calls, check_answer, keep_calling, percentile_of
from tests.bench.call_rows import CALL_ROWS, TARGETS
from tests.bench.cpu import CpuMeter
from tests.bench.flat import QUEUE_COST_ROWS, QUEUE_COST_TARGETS
from tests.bench.groups import CALLS, DELIVERY, GROUPS, LINK_COST, LINKS, PUSH, QUEUE_COST, Group, chosen
from tests.bench.install import Installer
from tests.bench.pinning import pinned
from tests.bench.profiling import shares_of
from tests.bench.push import PUSH_ROWS
from tests.bench.push_peer import PUSH_PEERS
from tests.bench.results import Results, verdict_table
from tests.bench.rows import ROWS, SHORT, Figure, Load, MeasureFailed, Quota, Row, check_counts
from tests.bench.servers import together, worker
from tests.bench.targets import Target

BY_NAME = {row.name: row for row in ROWS}


def results(*rows: str, **rates: dict[str, list[float]]) -> Results:
    """Return the results of a run with these figures, by contestant and row."""
    found = Results([BY_NAME[name] for name in rows], list(rates))
    for contestant, figures in rates.items():
        for row, values in figures.items():
            for value in values:
                found.add(BY_NAME[row.replace("_", "-")], contestant, Figure(value))
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


def test_a_target_is_reached_or_not() -> None:
    """What was had is told beside what was wanted; a target without figures is left out."""
    rows = [row for row in CALL_ROWS if row.name in ("call-256", "ask")]
    found = Results(rows, ["isthmus", "naive", "nats"], TARGETS)
    for contestant, rate in (("isthmus", 900.0), ("naive", 100.0), ("nats", 450.0)):
        found.add(rows[0], contestant, Figure(rate))
    lines = [line.split() for line in verdict_table([found]).splitlines()]
    assert lines[1:] == [
        ["call-256,", "isthmus/naive", "9.00", "at", "least", "8.50", "reached"],
        ["call-256,", "isthmus/nats", "2.00", "at", "least", "2.50", "not", "reached"],
    ]
    assert Target("link-memory", "naive", 1.5, is_most=True).is_reached_by(1.4)
    assert not Target("link-memory", "naive", 1.5, is_most=True).is_reached_by(1.6)


def test_cost_is_compared_with_that_of_another_row() -> None:
    """A target without a peer says how many times another row's figure there may be."""
    short, long = QUEUE_COST_ROWS
    found = Results(QUEUE_COST_ROWS, ["isthmus"], QUEUE_COST_TARGETS, rounds=5)
    found.add(short, "isthmus", Figure(100.0))
    assert verdict_table([found]) == ""
    found.add(long, "isthmus", Figure(121.0))
    assert verdict_table([found]).splitlines()[1].split() == [
        *("cost-queue-long/cost-queue-short", "1.21", "at", "most", "1.20", "not", "reached")
    ]
    assert "a long queue (1 round)" in found.table()


def test_what_each_took_of_the_processors_has_a_table_of_its_own() -> None:
    """Medians of those rows of which it is known."""
    found = Results([BY_NAME["publish-1"], BY_NAME["publish-256"]], ["isthmus", "redis"])
    assert found.cpu_table() == ""
    for cpu in (10.0, 30.0, 20.0):
        found.add(BY_NAME["publish-1"], "isthmus", Figure(1.0, cpu))
    (line,) = found.cpu_table().splitlines()[1:]
    assert line.split() == ["published,", "1", "publisher", "20.0", "(10.0", "to", "30.0)"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux says what a process takes")
def test_the_processors_time_is_that_of_the_process() -> None:
    """What is worked counts, for each of so many; what others do does not."""
    meter, began_at = CpuMeter([os.getpid()]), time.process_time()
    while time.process_time() < began_at + 0.1:
        pass
    figure = meter.figure(7.0, 10)
    assert figure.value == 7.0
    assert figure.cpu is not None
    assert figure.cpu >= 8_000  # the system counts in steps of 10 ms


def test_a_process_that_is_gone_has_no_cost(tmp_path: Path) -> None:
    """A rate is kept without it; a figure that is the cost cannot be had."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    meter = CpuMeter([process.pid])
    assert meter.figure(7.0, 10) == Figure(7.0)
    with pytest.raises(MeasureFailed, match="does not say"):
        meter.microseconds()


def test_a_profile_says_where_a_process_was() -> None:
    """In percent of the samples: in a function itself, and in it with what it calls; lines of code are left out."""
    stacks = "main (a.py:1);read (b.py:2) 3\nmain (a.py:1);read (b.py:9) 4\nmain (a.py:5) 3\n"
    assert shares_of("call-1-hub", stacks).splitlines() == [
        "call-1-hub: 10 samples; in a function itself, with what it calls",
        "   70.0 %   70.0 %  read (b.py)",
        "   30.0 %  100.0 %  main (a.py)",
    ]


def test_what_is_chosen_decides_about_the_groups() -> None:
    """A group, a row of it, or one of its contestants; everything where nothing is named."""
    assert chosen([]) == list(GROUPS)
    assert chosen(["calls"]) == chosen(["call-256", "isthmus"]) == [CALLS]
    assert chosen(["disk"]) == [DELIVERY]
    assert chosen(["isthmus"]) == list(GROUPS)


def test_the_payload_has_250_bytes() -> None:
    """As JSON, as every contestant sends it."""
    assert len(json.dumps(PAYLOAD)) == 250
    with pytest.raises(MeasureFailed, match="not the payload"):
        check_answer({})


def test_percentiles_are_values_that_were_measured() -> None:
    """The least value that so many of a hundred do not exceed."""
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile_of(values, percentile) for percentile in (50, 99, 100)] == [50.0, 99.0, 100.0]
    assert percentile_of([7.0], 50) == 7.0


async def test_a_latency_counts_from_when_the_call_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits because callers are busy is not left out; here one call takes as long as three are due in."""
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    calls = Calls(0, 0.2, began_at=0.0, rate=100.0)
    await calls.pace(sleep)
    now = 0.0
    await keep_calling(calls, lambda: sleep(0.03), trio.Event)
    assert calls.confirmed == len(calls.latencies) == 20
    assert calls.latencies[-1] == pytest.approx(20 * 0.03 - 0.19)


async def test_calls_at_a_rate_wait_until_they_are_due(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """Each goes when it is due and a caller is free; when the time is over, all callers end."""
    monkeypatch.setattr("time.monotonic", trio.current_time)
    began_at = trio.current_time()
    calls = Calls(0, 0.5, began_at=began_at, rate=10.0)
    gone: list[float] = []

    async def call() -> None:
        gone.append(trio.current_time() - began_at)
        await trio.sleep(0.25 if len(gone) < 3 else 0.05)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.pace, trio.sleep)
        for _ in range(2):
            nursery.start_soon(keep_calling, calls, call, trio.Event)
    assert gone == pytest.approx([0.0, 0.1, 0.25, 0.3, 0.4])
    assert sorted(calls.latencies) == pytest.approx([0.05, 0.05, 0.1, 0.25, 0.25])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux pins processes")
def test_pinned_processes_share_a_processor_for_a_while() -> None:
    """All threads of them, and only until the end of the block."""
    usual = os.sched_getaffinity(0)
    with pinned([os.getpid()]):
        assert os.sched_getaffinity(0) == {min(usual)}
    assert os.sched_getaffinity(0) == usual


async def test_every_row_of_calls_gets_a_figure(tmp_path: Path) -> None:
    """Real processes call over both wires, beside the naive way, and the tables say what was reached."""
    plan = Plan(SHORT, 1, tmp_path, ["isthmus", "naive", "trio"], Installer(may_install=False))
    found = await measure(plan, CALLS)
    assert found.failures == []
    assert {row for row, name in found.rates if name == "isthmus"} == {row.name for row in CALL_ROWS}
    assert {row for row, name in found.rates if name == "trio"} == {"ask", "tell"}
    assert all(rate > 0 for rates in found.rates.values() for rate in rates)
    assert "call-zato-256, isthmus/naive" in verdict_table([found])
    assert {("call-256", "isthmus"), ("call-256", "naive")} <= set(found.cpu)


async def test_every_row_of_links_gets_a_figure(tmp_path: Path) -> None:
    """Real clusters have links that do nothing, lose them all and have them again."""
    found = await measure(Plan(SHORT, 1, tmp_path, ["links"], Installer(may_install=False)), LINKS)
    assert found.failures == []
    assert sorted(found.rates) == [("link-memory", "isthmus"), ("link-memory", "naive"), ("reconnect", "isthmus")]


async def test_every_row_of_pushed_messages_gets_a_figure(tmp_path: Path) -> None:
    """Real processes publish and are given memory messages and guaranteed ones, each once."""
    found = await measure(Plan(SHORT, 2, tmp_path, ["isthmus"], Installer(may_install=False)), PUSH)
    assert found.failures == []
    assert {row for row, _name in found.rates} == {row.name for row in PUSH_ROWS}
    assert all(len(rates) == 2 and min(rates) > 0 for rates in found.rates.values())


@pytest.mark.parametrize("group", [LINK_COST, QUEUE_COST], ids=lambda group: group.name)
async def test_every_row_of_cost_gets_a_figure(tmp_path: Path, group: Group) -> None:
    """Calls over one and over many links, messages of a short and of a long queue."""
    found = await measure(Plan(SHORT, 1, tmp_path, ["isthmus"], Installer(may_install=False)), group)
    assert found.failures == []
    assert {row for row, _name in found.rates} == {row.name for row in group.rows}
    assert len(found.verdicts()) == len(group.targets)


@pytest.mark.parametrize("name", PUSH_PEERS)
def test_every_peer_that_pushes_is_measured_where_it_is_installed(tmp_path: Path, name: str) -> None:
    """Its consumers were given each message, and its processes' cost is known."""
    # not in a test that is async itself: a skip there loses its reason
    found = trio.run(measure, Plan(SHORT, 1, tmp_path, [name], Installer(may_install=False)), PUSH)
    assert found.failures == []
    if not found.rates:
        pytest.skip(next(fact for fact in found.facts if "is skipped" in fact))
    own = [row.name for row in PUSH_ROWS if not row.like and row.is_guaranteed == (name != "nats")]
    assert sorted(row for row, _name in found.rates) == sorted(own)
    assert set(found.cpu) == set(found.rates)


async def test_every_row_of_isthmus_gets_a_figure(tmp_path: Path) -> None:
    """Real processes publish here and over a link, and deliver to one and to four."""
    plan = Plan(SHORT, 1, tmp_path, ["isthmus"], Installer(may_install=False))
    found = await measure(plan)
    assert found.failures == []
    rows: list[Row] = [row for row in ROWS if row.name != "fsync"]
    assert sorted(found.rates) == sorted((row.name, "isthmus") for row in rows)
    assert all(rate > 0 for rates in found.rates.values() for rate in rates)
