"""`isthmus sessions` with the sample in real processes: who is connected, calling one, disconnecting it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cli.tables import show_one, show_rows
from tests.processes import Launched, free_port, write_sample

ANSWERS = """
from actors import MessageReceived, Service

class Answers(Service):
    name = "test.answers"

    async def handle(self, ctx: MessageReceived):
        if isinstance(ctx.data.data, dict):
            return {"you said": ctx.data.data}
"""


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Launched]:
    """The sample, but that apac answers what it is asked."""
    write_sample(tmp_path, free_port(), {"answers.py": ANSWERS})
    path = tmp_path / "clusters.toml"
    path.write_text(path.read_text().replace("hooks.on-message", "test.answers"))
    running = Launched(tmp_path)
    yield running
    running.stop()


def test_clients_are_listed_called_and_disconnected(sample: Launched) -> None:
    """A line each, or JSON; the answer of one as JSON; what is not there or no JSON is one sentence."""
    sample.until(r"Response is")
    [client] = json.loads(sample.run("sessions", "emea", "--json").stdout)
    assert (client["channel_name"], client["connection"], client["wire"]) == ("gateway", "My WSX Outconn", "isthmus.1")
    client_id = client["pub_client_id"]
    table = sample.run("sessions", "emea", "--channel", "gateway").stdout
    for part in ("id", "connected", client_id, "127.0.0.1:", client["connection_time"].partition(".")[0]):
        assert part in table
    assert sample.run("sessions", "apac").stdout == "none\n"
    invoked = sample.run("sessions", "invoke", "emea", client_id, '{"a": 1}')
    assert json.loads(invoked.stdout) == {"you said": {"a": 1}}

    closed = sample.run("sessions", "close", "emea", client_id)
    assert (closed.returncode, closed.stdout) == (0, f"disconnected {client_id}\n")
    sample.until(r"on_close.*code=4005")
    sample.until(r"Response is")
    [again] = json.loads(sample.run("sessions", "emea", "--json").stdout)
    assert again["pub_client_id"] != client_id
    for arguments in (("close", "emea", client_id), ("invoke", "emea", client_id, "1")):
        failed = sample.run("sessions", *arguments)
        assert failed.returncode == 1
        assert failed.stderr == f"no client {client_id!r} is connected (status 404)\n"
    failed = sample.run("sessions", "emea", "--channel", "gatewy")
    assert (failed.returncode, failed.stderr) == (1, "there is no channel 'gatewy' (status 404)\n")
    failed = sample.run("sessions", "invoke", "emea", client_id, "{")
    assert failed.returncode == 2
    assert failed.stderr.startswith("the input is not JSON: ")


def test_what_a_peer_calls_itself_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Its controls are shown as what they are, in a table and in the lines of one thing."""
    show_rows([{"name": "\x1b[31mTill\x07"}], as_json=False)
    show_one({"name": "\x1b[31mTill\x07"}, as_json=False)
    assert capsys.readouterr().out.count(r"\x1b[31mTill\x07") == 2
