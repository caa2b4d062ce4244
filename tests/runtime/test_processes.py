"""The sample in real processes over real sockets: what a new user sees, and what is left when things are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.processes import COMMAND, ROOT, Launched, Sample, free_port, half_of_the_sample


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Sample]:
    running = Sample(tmp_path)
    yield running
    running.stop()


def test_the_sample_tells_its_story(sample: Sample) -> None:
    """Link, hooks, calls, messages; a killed server comes back, and the link with it; Ctrl-C ends all, status 0."""
    pid = int(sample.until(r"launcher emea .*pid=(\d+)")[1])
    sample.until_up()
    invoked = sample.run("invoke", "apac", "demo.remote-echo", '{"elem1": "value1", "elem2": "value2"}')
    assert json.loads(invoked.stdout) == {"elem1": "value1", "elem2": "value2"}
    via = sample.run("invoke", "apac", "demo.echo", "[1]", "--via", "My WSX Outconn")
    assert json.loads(via.stdout) == [1]
    published = sample.run("publish", "emea", "/customer/new", "This is a sample message")
    assert published.stdout.startswith("zpsm")
    sample.until(r"on_message.*This is a sample message")
    status = json.loads(sample.run("status", "--json").stdout)
    kinds = {actor["kind"] for cluster in status.values() for actor in cluster["actors"]}
    assert kinds >= {"service", "channel", "session", "outgoing", "topic", "subscription"}
    assert "My WSX Outconn" in sample.run("status").stdout
    second = sample.run("run")
    assert second.returncode == 1
    assert f"pid {pid}" in second.stderr

    os.kill(pid, signal.SIGKILL)
    sample.until_all(r"server died", r"on_close", r"next attempt", r"server started", r"on_connect")
    sample.until(r"on_message")
    sample.process.send_signal(signal.SIGINT)
    assert "killed" not in sample.read_to_end()
    assert sample.process.wait() == 0


def test_a_killed_launcher_leaves_nothing_and_run_works_again_at_once(sample: Sample) -> None:
    """Servers end in order when their launcher is gone, and the next start waits for them."""
    sample.until_up()
    sample.process.kill()
    sample.process.wait()
    assert sample.process.stderr is not None
    old = sample.process.stderr
    sample.start()
    sample.until_up()
    old.read()
    old.close()


def test_clusters_in_two_folders_tell_the_same_story(tmp_path: Path) -> None:
    """Each has its own clusters.toml and launcher; the password comes from an environment variable."""
    port = free_port()
    environment = {"ISTHMUS_TEST_PASSWORD": "sesame-open"}
    with ExitStack() as stack:
        halves: dict[str, Launched] = {}
        for cluster in ("apac", "emea"):
            folder = half_of_the_sample(cluster, tmp_path / cluster, port, "$ISTHMUS_TEST_PASSWORD")
            halves[cluster] = Launched(folder, environment)
            stack.callback(halves[cluster].stop)
        emea, apac = halves["emea"], halves["apac"]
        apac.until_up()
        apac.until(r"on_message.*Customer 1")
        invoked = apac.run("invoke", "apac", "demo.remote-echo", '{"elem1": "value1"}')
        assert json.loads(invoked.stdout) == {"elem1": "value1"}
        published = emea.run("publish", "emea", "/customer/new", "Across folders")
        assert published.returncode == 0
        apac.until(r"on_message.*Across folders")
        emea.stop()
        apac.until(r"on_close")
    assert not any("sesame-open" in line for half in halves.values() for line in half.lines)
    assert not any((tmp_path / cluster / ".isthmus" / "secrets").exists() for cluster in halves)


def test_a_wrong_password_is_said_on_both_sides_and_no_secret_with_it(tmp_path: Path) -> None:
    """The channel's log names the peer and the definition, the connection's that it was refused."""
    port = free_port()
    with ExitStack() as stack:
        halves: dict[str, Launched] = {}
        for cluster, password in (("emea", "sesame-open"), ("apac", "sesame-shut")):
            folder = half_of_the_sample(cluster, tmp_path / cluster, port, "$ISTHMUS_TEST_PASSWORD")
            halves[cluster] = Launched(folder, {"ISTHMUS_TEST_PASSWORD": password})
            stack.callback(halves[cluster].stop)
        halves["emea"].until(r"log-in refused.*do not match.*username=apac")
        halves["apac"].until(r"no link.*not authorized")
    assert not any("sesame" in line for half in halves.values() for line in half.lines)


def test_a_port_in_use_stops_that_channel_only(tmp_path: Path) -> None:
    """It is named in the log, the rest of the cluster works, and once the port is free the channel listens."""
    port = free_port()
    folder = half_of_the_sample("emea", tmp_path / "emea", port, "local:emea-apac")
    with ExitStack() as stack:
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", port))
        taken.listen()
        emea = Launched(folder)
        stack.callback(emea.stop)
        emea.until(rf"cannot listen.*ws://127\.0\.0\.1:{port}/.*in use")
        assert emea.run("invoke", "emea", "demo.echo", "[1]").stdout == "[\n  1\n]\n"
        assert "cannot listen" in emea.run("status").stdout
        taken.close()
        emea.until(rf"listening +address=ws://127\.0\.0\.1:{port}/")
        socket.create_connection(("127.0.0.1", port)).close()


def test_a_cluster_that_runs_is_not_started_a_second_time(tmp_path: Path) -> None:
    """In the foreground, too, the answer is one sentence with the pid, and status 1; the first one goes on."""
    folder = half_of_the_sample("emea", tmp_path / "emea", free_port(), "local:emea-apac")
    emea = Launched(folder)
    try:
        pid = emea.until(r"server started +pid=(\d+)")[1]
        emea.until(r"listening.*gateway")
        for arguments in (["run"], ["run", "--cluster", "emea"]):
            second = emea.run(*arguments)
            assert second.returncode == 1
            [sentence] = second.stderr.splitlines()
            assert sentence.endswith(f"is already running, pid {pid}")
        assert emea.run("invoke", "emea", "demo.echo", "1").stdout == "1\n"
    finally:
        emea.stop()


def test_a_folder_named_like_ours_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Where the user stands, `actors` and `runtime` may be anything."""
    for name in ("actors", "runtime", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not ours')\n")
    folder = half_of_the_sample("emea", tmp_path / "emea", free_port(), "local:emea-apac")
    shutil.move(folder / "clusters.toml", tmp_path)
    shutil.move(folder / "examples", tmp_path)
    running = Launched(tmp_path)
    try:
        running.until(r"listening.*gateway")
    finally:
        running.stop()


def test_a_command_says_in_one_sentence_that_a_cluster_does_not_run(tmp_path: Path) -> None:
    """Status 1, and what to do."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    shutil.copy(ROOT / "clusters.toml", tmp_path)
    found = subprocess.run(
        [*COMMAND, "invoke", "emea", "demo.echo"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 1
    assert found.stderr.splitlines() == ["cluster 'emea' is not running; start it with: isthmus run --cluster emea"]


def test_a_wrong_configuration_starts_nothing(tmp_path: Path) -> None:
    """All problems, status 2, also for a module that cannot be imported."""
    (tmp_path / "bad.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "clusters.toml").write_text('[clusters.emea]\nservices = ["bad.py", "missing.py"]\n')
    found = subprocess.run([*COMMAND, "run"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 2
    assert "bad.py:1: ModuleNotFoundError: No module named 'nothing_of_that_name'" in found.stderr
    assert "missing.py: there is no such file or folder" in found.stderr
