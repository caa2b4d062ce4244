"""The pytest plugin, as tests of users meet it."""

from __future__ import annotations

import re

import pytest

from tests.processes import ROOT

pytest_plugins = ["pytester"]

DOCUMENTATION = (ROOT / "docs" / "testing.md").read_text()

CLUSTERS = '''
CLUSTERS = """
[clusters.emea]
services = ["emea.py"]

[clusters.emea.channels.gateway]
address = "ws://127.0.0.1:47043/"
service = "helpers.web-sockets-gateway"
security = "none"
services_allowed = ["demo.*"]

[clusters.apac]
services = ["apac.py"]

[clusters.apac.outgoing.emea]
address = "ws://127.0.0.1:47043/"
on_connect = "hooks.on-event"
on_close = "hooks.on-event"
"""
'''

EMEA = """
from actors import Service

class Double(Service):
    name = "demo.double"

    def handle(self, number: int) -> int:
        return 2 * number
"""

APAC = """
from actors import Service

class Blocking(Service):
    name = "demo.blocking"

    def handle(self, number: int) -> int:
        with self.out.wsx.get("emea").conn.client() as client:
            return client.invoke("demo.double", number).data + self.invoke("demo.one")

class One(Service):
    name = "demo.one"

    async def handle(self) -> int:
        return await self.run_sync(lambda: 1)

class OnEvent(Service):
    name = "hooks.on-event"

    async def handle(self) -> None:
        pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's folder: two clusters with services in files, warnings as errors, and no options for pytest-trio."""
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = --strict-markers\n")
    pytester.makepyfile(emea=EMEA, apac=APAC)
    return pytester


def run(project: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    project.makepyfile(test_users=CLUSTERS + test)
    return project.runpytest_inprocess("-p", "no:cacheprovider", *options)


@pytest.mark.parametrize("trio_mode", ["false", "true"])
def test_the_documentation_s_example_passes(pytester: pytest.Pytester, trio_mode: str) -> None:
    """A user who copies it has a test that is green, and red when the link does not come back."""
    [example] = [block for block in re.findall(r"```python\n(.*?)```", DOCUMENTATION, re.DOTALL) if "def test" in block]
    pytester.makeini(f"[pytest]\nfilterwarnings = error\ntrio_mode = {trio_mode}\n")
    pytester.makepyfile(test_customers=example)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)
    pytester.makepyfile(test_customers=example.replace("    await trio.sleep(60)", '    network.refuse("emea")'))
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(failed=1)


def test_clusters_from_text_have_faults_hooks_and_a_clock(project: pytest.Pytester) -> None:
    """Blocking services call across the link; a cut is seen by the hooks; hours of simulation take no time."""
    result = run(
        project,
        """
import trio

async def test_it(clusters, network, clock):
    await clusters.start(CLUSTERS)
    apac = clusters["apac"]
    await apac.until("outgoing", "emea", "ready")
    assert await apac.invoke("demo.blocking", 3) == 7
    assert network.cut("apac", "emea") == 1
    began = trio.current_time()
    await trio.sleep(3600)
    assert [event.type for event in apac.hooks] == ["connect", "close", "connect"]
    assert await apac.invoke("demo.blocking", 4) == 9
    clock.jump(86400)
    assert 90000 <= trio.current_time() - began < 91000
    await clusters["emea"].crash()
    assert not clusters["emea"].is_running
    await clusters["emea"].start()
    await apac.until("outgoing", "emea", "ready")
""",
    )
    result.assert_outcomes(passed=1)


def test_clusters_from_a_file_have_its_services(project: pytest.Pytester) -> None:
    """Paths in the file are relative to it, wherever the test runs."""
    (project.mkdir("there") / "clusters.toml").write_text(CLUSTERS.split('"""')[1])
    for name, text in (("emea", EMEA), ("apac", APAC)):
        (project.path / f"{name}.py").unlink()
        (project.path / "there" / f"{name}.py").write_text(text)
    result = run(
        project,
        """
from pathlib import Path

async def test_it(clusters):
    await clusters.start(Path(__file__).parent / "there" / "clusters.toml")
    assert await clusters["apac"].invoke("demo.blocking", 3) == 7
""",
    )
    result.assert_outcomes(passed=1)


def test_a_wrong_configuration_is_readable(project: pytest.Pytester) -> None:
    """The report has every problem with its key, and what may have been meant."""
    result = run(
        project,
        """
async def test_it(clusters):
    await clusters.start(CLUSTERS.replace("on_close", "on_clsoe").replace("hooks.on-event", "hooks.on-evnet"))
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines_random(
        [
            r".*clusters\.toml:\d+: clusters\.apac\.outgoing\.emea\.on_clsoe: unknown key.*did you mean 'on_close'\?",
            r".*on_connect: there is no service 'hooks\.on-evnet'.*did you mean 'hooks\.on-event'\?",
        ]
    )


SEEDED = """
import trio

async def test_order(clusters, request):
    order = []

    async def note(number):
        await trio.sleep(1)
        order.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(note, number)
    await clusters.start(CLUSTERS)
    await clusters["apac"].until("outgoing", "emea", "ready")
    print("order", order)
    print("ids", [one["name"] for one in clusters["emea"].actors()])
"""


def test_the_seed_decides_the_order_of_tasks_and_ids(project: pytest.Pytester) -> None:
    """The same seed gives the same run, another one another."""

    def seen(what: str, *options: str) -> list[str]:
        result = run(project, SEEDED, "-s", *options)
        result.assert_outcomes(passed=1)
        return [line for line in result.outlines if f"{what} [" in line]

    for what in ("order", "ids"):
        assert seen(what, "--isthmus-seed", "7") == seen(what, "--isthmus-seed", "7") != []
        assert seen(what, "--isthmus-seed", "7") != seen(what, "--isthmus-seed", "8")
        assert seen(what) == seen(what, "--isthmus-seed=0")


def test_a_simulated_test_that_fails_says_its_seed(project: pytest.Pytester) -> None:
    """So does one whose fixtures fail; others say nothing, and neither do those that pass."""
    result = run(
        project,
        """
import pytest

@pytest.fixture
async def started(clusters):
    await clusters.start("[clusters.x]\\nunknown = 1")

async def test_fails(network):
    assert False

async def test_cannot_start(started):
    pass

async def test_passes(clusters):
    pass

def test_other():
    assert False
""",
        "--isthmus-seed",
        "41",
    )
    result.assert_outcomes(failed=3, passed=1)
    wanted = [line for line in result.outlines if line.startswith("seed 41; to repeat: pytest ")]
    assert wanted == [
        f"seed 41; to repeat: pytest 'test_users.py::{name}' --isthmus-seed 41"
        for name in ("test_fails", "test_cannot_start")
    ]


def test_fixtures_of_the_same_names_and_tests_that_are_not_async_are_left_alone(project: pytest.Pytester) -> None:
    """A project with a `clock` and a `network` of its own may have the plugin installed."""
    result = run(
        project,
        """
import pytest, trio
from trio.testing import MockClock

@pytest.fixture
def clock():
    return "mine"

def test_sync(clock):
    assert clock == "mine"

def test_builds_a_network(network):
    assert network.count() == 0

@pytest.mark.trio
async def test_on_the_real_clock(clock):
    assert not isinstance(trio.lowlevel.current_clock(), MockClock)

async def test_simulated(network):
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
""",
    )
    result.assert_outcomes(passed=4)
