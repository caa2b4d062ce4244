"""The command line as a new user meets it: help, mistakes, wrong configurations, and what status shows."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from rich.console import Console

from runtime.cli.app import run_app
from runtime.cli.status import tree_of
from tests.processes import ROOT

WRONG = """
[clusters.emea]
services = ["missing.py", "bad.py", "wrong.py"]
shutdown_timeout = "long"
speed = 1

[clusters.emea.security.apac]
username = "apac"
password = "$ISTHMUS_TEST_NOT_SET"

[clusters.emea.channels.a]
address = "ws://127.0.0.1:47043/"
service = "demo.ecko"
security = "apec"

[clusters.emea.channels.b]
address = "ws://127.0.0.1:47043/other"
service = "demo.echo"

[clusters.emea.outgoing.c]
address = "ws://127.0.0.1:47043/"
username = "apac"
password = "file:missing-password"
on_connect = "hooks.absent"
"""

EXPECTED = (
    "clusters.toml:4: clusters.emea.shutdown_timeout: expected a number, got 'long'",
    "clusters.toml:5: clusters.emea.speed: unknown key",
    "clusters.toml:9: clusters.emea.security.apac.password: the secret '$ISTHMUS_TEST_NOT_SET' cannot be read: "
    "the environment variable ISTHMUS_TEST_NOT_SET is not set",
    "clusters.toml:14: clusters.emea.channels.a.security: there is no security definition 'apec'; did you mean 'apac'?",
    "clusters.toml:16: clusters.emea.channels.b: the key 'security' is missing: name a security definition, or "
    'say security = "none"',
    "clusters.toml:17: clusters.emea.channels.b.address: port 47043 is used by clusters.emea.channels.a, too",
    "clusters.toml:23: clusters.emea.outgoing.c.password: the secret 'file:missing-password' cannot be read: "
    "No such file or directory",
    "missing.py: there is no such file or folder",
    "bad.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "wrong.py:2: the service 'wrong.twice': Twice.handle: a handler takes nothing or one parameter, the input; "
    "not (a, b)",
    "clusters.toml:13: clusters.emea.channels.a.service: there is no service 'demo.ecko' in what could be loaded; "
    "did you mean 'demo.echo'?",
    "clusters.toml:24: clusters.emea.outgoing.c.on_connect: there is no service 'hooks.absent' in what could be loaded",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    yield tmp_path
    structlog.reset_defaults()


def use_sample(folder: Path) -> None:
    (folder / "clusters.toml").write_text((ROOT / "clusters.toml").read_text())
    (folder / "examples").symlink_to(ROOT / "examples")


@pytest.mark.parametrize("arguments", [["run"], ["run", "--cluster", "emea"], ["check"]])
def test_everything_that_is_wrong_comes_in_one_run(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys, types, names, addresses, files, variables and modules: a sentence each, status 2, nothing started."""
    (folder / "clusters.toml").write_text(WRONG)
    (folder / "bad.py").write_text("import nothing_of_that_name\n")
    (folder / "wrong.py").write_text(
        "from actors import Service\nclass Twice(Service):\n    async def handle(self, a, b): ...\n"
    )
    assert run_app(arguments) == 2
    lines = capsys.readouterr().err.replace(f"{folder}/", "").splitlines()
    assert sorted(lines) == sorted(EXPECTED)
    assert sorted(path.name for path in folder.iterdir()) == ["bad.py", "clusters.toml", "wrong.py"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["invoke", "emea", "demo.echo"],
        ["invoke", "emea", "demo.echo", "1", "--via", "x"],
        ["publish", "emea", "/customer/new", "x"],
        ["subscribe", "emea", "/customer/new"],
        ["status", "emea"],
        ["sessions", "emea"],
        ["sessions", "close", "emea", "ws.1"],
        ["sessions", "invoke", "emea", "ws.1", "{}"],
    ],
)
def test_a_cluster_that_does_not_run_is_one_sentence(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each command says so and what to do about it, ends with status 1, and makes no files."""
    use_sample(folder)
    assert run_app(arguments) == 1
    assert capsys.readouterr().err == "cluster 'emea' is not running; start it with: isthmus run --cluster emea\n"
    assert not (folder / ".isthmus").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["invoke"], "isthmus: CLUSTER is missing; see: isthmus invoke --help"),
        (["publish", "emea"], "isthmus: TOPIC is missing; see: isthmus publish --help"),
        (["run", "--cluster"], "isthmus: --cluster needs a value; see: isthmus run --help"),
        (["check", "more"], "isthmus: there is no place for 'more'; see: isthmus check --help"),
        (["run", "--fast"], "isthmus: Unknown option: --fast; see: isthmus run --help"),
        (["invoke", "emea", "demo.echo", "{"], "the input is not JSON: "),
        (["status", "nowhere"], "clusters.toml describes no cluster 'nowhere'; there are: emea, apac"),
        (["run", "--cluster", "apec"], "clusters.toml:1: there is no cluster 'apec'; did you mean 'apac'?"),
        (["check", "--config", "no.toml"], "no.toml: cannot be read: No such file or directory"),
        (["runn"], 'isthmus: Unknown command "runn". Did you mean "run"?'),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], expected: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what is wrong, never with a traceback, and the status is 2."""
    use_sample(folder)
    assert run_app(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(expected)


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_the_overview_says_what_each_command_does(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command is without a sentence, and 80 columns are enough for it."""
    assert run_app(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    for command in ("run", "check", "status", "invoke", "publish", "subscribe"):
        [line] = [line for line in lines if line.startswith(f"│ {command} ")]
        assert line.rstrip("│ ").endswith(".")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", ["run", "check", "status", "invoke", "publish", "subscribe"])
def test_each_command_has_help(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows the usage and where the configuration comes from."""
    assert run_app([command, "--help"]) == 0
    output = capsys.readouterr().out
    assert output.startswith(f"Usage: isthmus {command}")
    assert "--config" in output


def test_check_counts_what_it_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A configuration that is right is one line."""
    use_sample(folder)
    assert run_app(["check"]) == 0
    assert capsys.readouterr().out == "clusters.toml: ok, 2 clusters, 5 services and actors\n"


def actor(kind: str, name: str, *, parent: str = "", **facts: Any) -> dict[str, Any]:
    state = {"state": "running", "detail": {}, "restarts": 0, "last_error": "", "handled": 0, "gauges": {}}
    return {"kind": kind, "name": name, "parent": parent, **state, **facts}


def printed(report: dict[str, Any], *, shows_all: bool = True) -> list[str]:
    file = io.StringIO()
    Console(file=file, width=80).print(tree_of(report, shows_all=shows_all))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_status_aligns_neighbours_and_puts_children_below_their_parents() -> None:
    """States stand in a column, facts that say nothing are left out, and names are never taken for markup."""
    report = {
        "cluster": "emea",
        "pid": 7,
        "actors": [
            actor("service", "a.b", handled=2),
            actor("service", "longer.name", last_error="KeyError: '[/red]'", restarts=1),
            actor("channel", "gateway", state="active", detail={"service": "a.b", "note": None, "sessions": []}),
            actor("listener", "gateway", parent="channel:gateway", detail={"guaranteed": True, "names": ["x", "y"]}),
        ],
    }
    assert printed(report) == [
        "emea  pid 7",
        "├── service",
        "│   ├── a.b          running  handled=2",
        """│   └── longer.name  running  restarts=1  last_error="KeyError: '[/red]'\"""",
        "└── channel",
        "    └── gateway  active  service=a.b",
        "        └── listener gateway  running  guaranteed  names=x,y",
    ]


def test_status_counts_the_built_in_services_that_nobody_has_used() -> None:
    """One that was used, has failed or does not run is shown, and so is each of the users' own; `--all` shows them all."""
    services = [
        actor("service", "customer.get"),
        actor("service", "zato.ping"),
        actor("service", "demo.echo", handled=1),
        actor("service", "helpers.echo", restarts=1),
        actor("service", "isthmus.admin.plan"),
        actor("service", "isthmus.admin.apply", state="restarting"),
    ]
    report = {"cluster": "emea", "pid": 7, "actors": services}
    assert printed(report, shows_all=False) == [
        "emea  pid 7",
        "└── service",
        "    ├── customer.get         running",
        "    ├── demo.echo            running  handled=1",
        "    ├── helpers.echo         running  restarts=1",
        "    ├── isthmus.admin.apply  restarting",
        "    └── 2 built-in ones that nobody has used; see them with --all",
    ]
    assert "    ├── isthmus.admin.plan   running" in printed(report)
