"""`isthmus plan` and `isthmus apply` on real processes: what they print, what they change, and what they leave alone."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import HOLDS, Sample, free_port


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    (tmp_path / "holds.py").write_text(HOLDS)
    running = Sample(tmp_path)
    yield running
    running.stop()


class File:
    """The file of a sample."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clusters.toml"

    def change(self, old: str, new: str) -> None:
        text = self._path.read_text()
        assert old in text
        self._path.write_text(text.replace(old, new, 1))

    def add(self, text: str) -> None:
        self._path.write_text(f"{self._path.read_text()}\n{text}\n")


def _links(sample: Sample) -> list[Any]:
    status = json.loads(sample.run("status", "--json").stdout)
    return sorted(
        (one["kind"], one["name"], one["since"], one["detail"].get("peer"))
        for cluster in status.values()
        for one in cluster["actors"]
        if (one["kind"] == "session" and one["parent"] != "channel:admin") or one["kind"] == "outgoing"
    )


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_what_a_change_does_not_concern_goes_on_across_processes(sample: Sample, tmp_path: Path) -> None:
    """A call over the link and its sockets outlive a change of both clusters; then there is nothing left to change."""
    file = File(tmp_path)
    sample.until_up()
    assert sample.run("plan").stdout.splitlines() == ["emea: nothing to change", "apac: nothing to change"]
    before = _links(sample)
    file.change('"examples/emea.py"', '"examples/emea.py", "holds.py"')
    assert sample.run("apply").stdout.splitlines()[1] == "  + start services holds.py: costs nothing"
    answers: list[Any] = []
    remote = ("invoke", "apac", "demo.holds", "--via", "My WSX Outconn", "--timeout", "50")
    call = threading.Thread(target=lambda: answers.append(sample.run(*remote).stdout))
    call.start()
    sample.until(r"holding")

    second = free_port()
    file.change('services_allowed = ["demo.*"]', 'services_allowed = ["demo.*", "other.*"]\nping_timeout = 4.0')
    file.change('subscribe = ["/customer/new"]', 'subscribe = ["/customer/new", "/customer/other"]')
    file.add('[clusters.emea.topics."/customer/other"]\nguaranteed = true')
    file.add(
        f'[clusters.emea.channels.second]\naddress = "ws://127.0.0.1:{second}/"\n'
        'service = "demo.echo"\nsecurity = "none"'
    )
    planned = sample.run("plan").stdout.splitlines()
    assert planned == [
        "emea:",
        "  + start topics /customer/other: costs nothing",
        "  ~ change channels gateway (services_allowed, ping_timeout): costs nothing; open sessions keep ping_timeout",
        "  + start channels second: costs nothing",
        "apac:",
        "  ~ change outgoing My WSX Outconn (subscribe): costs nothing",
    ]
    applied = sample.run("apply")
    assert (applied.returncode, applied.stderr) == (0, "")
    assert applied.stdout.splitlines()[len(planned) :] == ["emea: 3 of 3 steps taken", "apac: 1 of 1 steps taken"]
    sample.until(r"subscribed.*topic=/customer/other")
    socket.create_connection(("127.0.0.1", second)).close()
    assert _links(sample) == before
    assert answers == []
    (tmp_path / "let-go").touch()
    call.join()
    assert [json.loads(one) for one in answers] == ["held"]
    assert _json(sample.run("apply", "--json"))["applied"] == {}


def test_what_cannot_be_done_is_said_and_changes_nothing(sample: Sample, tmp_path: Path) -> None:
    """A wrong file, a module that does not load, an address in use and clusters that do not run: each its sentence."""
    file = File(tmp_path)
    sample.until_up()
    before = _links(sample)
    file.change('services_allowed = ["demo.*"]', 'services_alowed = ["demo.*"]')
    wrong = sample.run("apply", "--yes")
    assert wrong.returncode == 2
    assert "did you mean 'services_allowed'?" in wrong.stderr
    file.change("services_alowed", "services_allowed")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name\n")
    file.change('"examples/emea.py"', '"examples/emea.py", "broken.py"')
    broken = sample.run("apply", "--yes")
    assert broken.returncode == 2
    assert "nothing_of_that_name" in broken.stderr
    file.change(', "broken.py"', "")

    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"ws://127.0.0.1:{other.getsockname()[1]}/zato.wsx.gateway"
        file.change(f"ws://127.0.0.1:{sample.port}/zato.wsx.gateway", address)
        file.change("[clusters.emea.security", '[clusters.emea.store]\nkind = "memory"\n\n[clusters.emea.security')
        failed = sample.run("apply", "--cluster", "emea", "--json")
    assert failed.returncode == 1
    assert failed.stderr == "cluster 'emea': not everything is done\n"
    result = _json(failed)["applied"]["emea"]
    moved, store = result["steps"]
    assert (moved["name"], moved["cost"]) == ("gateway", "a restart of this channel, with its sessions")
    assert "in use" in moved["problem"]
    assert (store["name"], store["problem"]) == ("store", "takes a restart of the server")
    assert [one["name"] for one in result["remaining"]] == ["gateway", "store"]
    assert [one["name"] for one in _json(sample.run("plan", "--json"))["clusters"]["emea"]["steps"]] == [
        "gateway",
        "store",
    ]
    assert _links(sample) == before

    file.change("[clusters.apac]", "[clusters.away]\n\n[clusters.apec]")
    file.change("[clusters.apac.outgoing", "[clusters.apec.outgoing")
    strangers = sample.run("plan").stdout.splitlines()
    assert "away: does not run; start it with: isthmus run --cluster away" in strangers
    assert "apac: runs, and is not in the file any more; it is left alone" in strangers
    alone = sample.run("plan", "--cluster", "away")
    assert alone.returncode == 1
    assert alone.stderr == "cluster 'away' is not running; start it with: isthmus run --cluster away\n"
