"""`isthmus import enmasse` in processes: an export of more than forty objects is imported, checked and run."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import jwt
import pytest
from websockets.sync.client import connect

from tests.processes import COMMAND, Launched, free_port
from tests.runtime.config.enmasse_export import PASSWORD, yaml_of

SERVICES = """
from actors import MessageReceived, PubSubHook, Service


class Events(Service):
    name = "crm.events"

    async def handle(self) -> None:
        ctx = self.request.payload["ctx"]
        self.logger.info("hook", type=ctx.type, data=[one["data"] for one in ctx.data.data] if ctx.type == "message" else None)


class Subscriber(Service):
    name = "crm.subscriber"

    async def handle(self, ctx: MessageReceived) -> None:
        self.logger.info("subscriber", data=[one["data"] for one in ctx.data.data])


class TopicHook(PubSubHook):
    name = "crm.topic-hook"
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_export_is_imported_checked_and_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its cluster dials its own channel, is ready, invokes, and both kinds of subscribers receive."""
    port = free_port()
    (tmp_path / "export.yaml").write_text(yaml_of(port))
    monkeypatch.setenv("LATAM_SECRET", PASSWORD)
    monkeypatch.setenv("PARTNER", PASSWORD)
    (tmp_path / "crm.py").write_text(SERVICES)
    done = run(tmp_path, "import", "enmasse", "export.yaml", "--cluster", "crm", "--local", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["problems"], report["secrets"]["APAC"]) == ([], "local:APAC")
    assert {part: len(names) for part, names in report["made"].items()} == {
        "security": 8, "channels": 5, "outgoing": 5, "topics": 16, "endpoints": 2, "subscriptions": 1,
    }  # fmt: skip
    assert PASSWORD not in done.stdout + (tmp_path / "clusters.toml").read_text()

    assert run(tmp_path, "set", "crm", "services", "crm.py", "--yes").returncode == 0
    allowed = ("set", "crm", "channels.gateway.services_allowed", "helpers.echo", "--yes")
    assert run(tmp_path, *allowed).returncode == 0
    checked = run(tmp_path, "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "# From export.yaml, an enmasse export of Zato." in (tmp_path / "clusters.toml").read_text()

    launched = Launched(tmp_path)
    try:
        launched.until(r"hook .*type=connect")
        answer = launched.run("invoke", "crm", "helpers.echo", '{"a": 1}', "--via", "Self")
        assert json.loads(answer.stdout) == {"a": 1}
        assert launched.run("publish", "crm", "/topic/1", "one").returncode == 0
        launched.until(r"subscriber .*data=\['one'\]")
        assert launched.run("publish", "crm", "/customer/new", "two").returncode == 0
        launched.until(r"hook .*data=\['two'\]")
        key = (tmp_path / ".isthmus" / "secrets" / "Token").read_text()
        token = jwt.encode({"exp": time.time() + 600}, key, "HS256")
        for at, shown in ((port + 3, (tmp_path / ".isthmus" / "secrets" / "Key").read_text()), (port + 5, token)):
            with connect(f"ws://127.0.0.1:{at}/x") as client:
                hello = {"action": "create-session", "id": "1", "timestamp": "now", "secret": shown}
                client.send(json.dumps({"meta": hello}))
                assert json.loads(client.recv(timeout=30))["meta"]["status"] == 200
    finally:
        launched.stop()
    assert PASSWORD not in "".join(launched.lines)


def test_what_was_not_carried_over_is_listed(tmp_path: Path) -> None:
    """For people: what was made, which passwords to give, and each object and key with its reason."""
    (tmp_path / "export.yaml").write_text(yaml_of(47000))
    done = run(tmp_path, "import", "enmasse", "export.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "wrote clusters.toml: 8 security, 5 channels, 5 outgoing, 16 topics, 2 endpoints, 1 subscriptions"
    )
    assert "  la-tam: $LA_TAM_PASSWORD2" in lines
    assert "  channel_rest 'rest.0': there is no place for REST" in lines
    assert "  outgoing_wsx 'Self', pool_size: one link carries any number of calls" in lines
    assert PASSWORD not in done.stdout

    again = run(tmp_path, "import", "enmasse", "export.yaml")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == ("clusters.toml is there already, and is left as it is; say --overwrite to replace it\n")
    assert run(tmp_path, "import", "enmasse", "export.yaml", "--overwrite").returncode == 0


def test_what_is_still_wrong_is_said(tmp_path: Path) -> None:
    """What Zato let pass and isthmus check would not: the file is written, and the status is 1."""
    (tmp_path / "export.yaml").write_text(
        "web_socket:\n"
        "- {name: a, address: 'ws://127.0.0.1:1/a', service: x}\n"
        "- {name: b, address: 'ws://127.0.0.1:1/b', service: x}\n"
    )
    done = run(tmp_path, "import", "enmasse", "export.yaml")
    assert done.returncode == 1
    assert "port 1 is used by clusters.zato.channels.a, too" in done.stdout
    assert (tmp_path / "clusters.toml").exists()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "export.yaml: cannot be read: No such file or directory"),
        ("a: [1", "export.yaml: line 1: expected ',' or ']', but got '<stream end>'"),
        ("- 1", "export.yaml: expected sections such as web_socket, each with a list of objects"),
    ],
)
def test_what_is_no_export_is_one_sentence(content: str | None, expected: str, tmp_path: Path) -> None:
    """Status 2, and nothing is written."""
    if content is not None:
        (tmp_path / "export.yaml").write_text(content)
    done = run(tmp_path, "import", "enmasse", "export.yaml")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{expected}\n")
    assert not (tmp_path / "clusters.toml").exists()
