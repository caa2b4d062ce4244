"""examples/monitoring: every metric and label that alerts and dashboard use exists, and promtool accepts all of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
import trio
import yaml

from runtime.observe.collector import LINK_STATES
from runtime.observe.definitions import METRICS, Kind
from tests.bench.install import Installer
from tests.bench.rows import Skipped
from tests.processes import ROOT, free_port
from tests.runtime.observe.test_monitor import Watched, loopback
from tests.support import emea_settings

FOLDER = ROOT / "examples" / "monitoring"
OF_PROCESS = ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds")
OF_PROMETHEUS = ("instance", "job", "le")


def expressions() -> Iterator[str]:
    """Give every expression of PromQL in the examples."""
    for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (one["query"]["query"] for one in dashboard["templating"]["list"] if isinstance(one["query"], dict))


def samples() -> dict[str, tuple[str, ...]]:
    """Return the names of all samples, with their labels."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(OF_PROCESS, ())
    for one in METRICS.values():
        if one.kind is Kind.HISTOGRAM:
            found |= {f"{one.name}_{part}": one.labels for part in ("bucket", "sum", "count")}
        else:
            found[one.name] = one.labels
    return found


@pytest.mark.parametrize("expression", dict.fromkeys(expressions()))
def test_what_an_expression_asks_for_exists(expression: str) -> None:
    """Each metric, and each label that it is selected or grouped by."""
    known = samples()
    names = set(re.findall(r"\b(?:isthmus|process)_[a-z_]+\b", expression))
    assert names or "up{" in expression
    assert names <= known.keys()
    labels = set(re.findall(r"([a-z_]+)(?:=~|!~|!=|=)\"", expression))
    for grouped in re.findall(r"by \(([^)]*)\)", expression):
        labels |= set(re.split(r",\s*", grouped))
    for name in names:
        allowed = {*known[name], *OF_PROMETHEUS}
        assert labels <= allowed, f"{name} has no label {sorted(labels - allowed)}"


def test_states_that_are_asked_for_exist() -> None:
    """A link has no other states."""
    asked = [
        state
        for one in expressions()
        for states in re.findall(r'state=~?"([^"]*)"', one)
        for state in states.split("|")
    ]
    assert asked
    assert set(asked) <= set(LINK_STATES)


def test_every_metric_of_isthmus_is_on_the_dashboard() -> None:
    """Whoever adds one shows it, too."""
    shown = " ".join(expressions())
    assert [name for name in METRICS if name not in shown] == []


def test_panels_do_not_lie_on_one_another() -> None:
    """Each has its own place, and a number of its own."""
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    taken = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.fixture(scope="session")
def promtool() -> str:
    """The path of promtool, which Debian has in its package prometheus."""
    try:
        return Installer().program("promtool", package="prometheus")
    except Skipped as reason:
        pytest.skip(str(reason))


def run(promtool: str, *arguments: str, text: str | None = None) -> None:
    done = subprocess.run([promtool, *arguments], cwd=FOLDER, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_the_alerts(promtool: str) -> None:
    """And the configuration that names them."""
    run(promtool, "check", "rules", "alerts.yml")
    run(promtool, "check", "config", "prometheus.yml")


def test_alerts_are_raised_by_what_they_are_for(promtool: str) -> None:
    """By series that were made up, as the tests beside them say."""
    run(promtool, "test", "rules", "alerts.test.yml")


async def test_promtool_accepts_the_metrics(promtool: str, nursery: trio.Nursery) -> None:
    """The names, units and types that a server gives, by the conventions that it knows."""
    emea = Watched(emea_settings(address=loopback(free_port())))
    await emea.start(nursery, "emea")
    text = (await emea.get("/metrics")).text
    await trio.to_thread.run_sync(lambda: run(promtool, "check", "metrics", text=text))
    await emea.cluster.stop()
