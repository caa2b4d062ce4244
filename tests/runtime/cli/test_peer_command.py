"""`isthmus peer` in processes: each of the three others connects with what it printed, and nothing else but the secret."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.processes import COMMAND, Launched, free_port, half_of_the_sample

PASSWORD = "plantedPassword9"
SERVICES = """
from actors import MessageReceived, Service


class Received(Service):
    name = "partner.received"

    async def handle(self, ctx: MessageReceived) -> None:
        self.logger.info("received", data=[one["data"] for one in ctx.data.data])
"""


@pytest.fixture
def emea(tmp_path: Path) -> Iterator[Launched]:
    folder = half_of_the_sample("emea", tmp_path / "emea", free_port(), "file:secret")
    (folder / "secret").write_text(PASSWORD)
    launched = Launched(folder)
    launched.until(r"gateway +listening")
    yield launched
    launched.stop()


def printed(emea: Launched, *options: str) -> str:
    done = emea.run("peer", "emea", "gateway", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert PASSWORD not in done.stdout
    return done.stdout


def uncommented(text: str) -> str:
    """Take away the signs of the comments that are meant to be taken away, and name the service."""
    subscribing = re.compile(r"^( *)# ((on_message|subscri)\S* ?[=:].*| +/.*)$", re.MULTILINE)
    return subscribing.sub(r"\1\2", text).replace("your.service", "partner.received")


def talks(partner: Launched, cluster: str, emea: Launched) -> None:
    """See that a cluster has its link, calls over it and receives."""
    try:
        partner.until(r"emea +subscribed")
        answer = partner.run("invoke", cluster, "demo.echo", '{"a": 1}', "--via", "emea")
        assert json.loads(answer.stdout) == {"a": 1}
        assert emea.run("publish", "emea", "/customer/new", "planted-message").returncode == 0
        partner.until(r"received .*planted-message")
    finally:
        partner.stop()


def test_a_cluster_connects_with_the_block(emea: Launched, tmp_path: Path) -> None:
    """The block is all of the other side's clusters.toml but its services; the password is in its environment."""
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "received.py").write_text(SERVICES)
    block = uncommented(printed(emea, "--name", "latam"))
    assert block.index("[clusters.latam.outgoing.emea]") > 0
    (folder / "clusters.toml").write_text(f'[clusters.latam]\nservices = ["received.py"]\n\n{block}')
    talks(Launched(folder, {"EMEA_PASSWORD": PASSWORD}), "latam", emea)


def test_what_zato_gets_connects_once_it_is_imported(emea: Launched, tmp_path: Path) -> None:
    """The enmasse file is read by the importer, whose cluster connects."""
    folder = tmp_path / "zato"
    folder.mkdir()
    (folder / "received.py").write_text(SERVICES)
    (folder / "peer.yaml").write_text(uncommented(printed(emea, "--for", "zato")))
    for command in (["import", "enmasse", "peer.yaml"], ["set", "zato", "services", "received.py", "--yes"]):
        done = subprocess.run([*COMMAND, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    talks(Launched(folder, {"EMEA_PASSWORD": PASSWORD}), "zato", emea)


def test_a_client_that_sends_what_is_printed_is_answered(emea: Launched) -> None:
    """Line by line, with secret and token in their places: a session, an answer, a subscription."""
    lines = printed(emea, "--for", "client").splitlines()
    address = lines[0].split()[2]
    log_in, call, subscribe = (line for line in lines if line.startswith("{"))
    with connect(address) as client:
        client.send(log_in.replace("SECRET", PASSWORD))
        token = json.loads(client.recv(timeout=30))["data"]["token"]
        for request, expected in ((call, "zato_gateway_response"), (subscribe, "sub_key")):
            client.send(request.replace("TOKEN", token))
            answer = json.loads(client.recv(timeout=30))
            assert (answer["meta"]["status"], answer["meta"]["in_reply_to"]) == (200, json.loads(request)["meta"]["id"])
            assert expected in json.dumps(answer["data"])
    facts = json.loads(printed(emea, "--json"))
    assert (facts["address"], facts["client"]["log_in"]) == (address, json.loads(log_in))


def test_what_cannot_be_told_is_one_sentence(emea: Launched) -> None:
    """Status 2 for what is not there, 1 for a peer that cannot connect; secrets need not be at hand."""
    for arguments, status, expected in (
        (("emea", "x"), 2, "cluster 'emea' has no channel 'x'; there are: gateway\n"),
        (("amea", "gateway"), 2, "clusters.toml describes no cluster 'amea'; there are: emea\n"),
        (
            ("emea", "gateway", "--security", "x"),
            2,
            "channel 'gateway' has no security definition 'x'; there are: apac\n",
        ),
    ):
        done = emea.run("peer", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (status, "", expected)
    (emea.folder / "secret").unlink()
    text = (emea.folder / "clusters.toml").read_text()
    (emea.folder / "clusters.toml").write_text(text.replace('service = "h', 'wire = "isthmus.1"\nservice = "h'))
    assert emea.run("peer", "emea", "gateway").returncode == 0
    done = emea.run("peer", "emea", "gateway", "--for", "zato")
    assert (done.returncode, done.stderr) == (1, "channel 'gateway' speaks isthmus.1 only, which Zato does not\n")
