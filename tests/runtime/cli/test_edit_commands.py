"""`isthmus add`, `set` and `remove` in processes of their own: what is shown, asked, written and refused."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from tests.processes import COMMAND, ROOT

GOOD = (ROOT / "clusters.toml").read_text()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "clusters.toml"
    path.write_text(GOOD)
    return path


def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *arguments]
    return subprocess.run(
        command, cwd=file.parent, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def test_a_change_is_shown_and_written(file: Path) -> None:
    """As a difference; all else stays."""
    done = run(file, "set", "emea", "channels.gateway.max_sessions", "500", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert shown[:2] == ["--- clusters.toml", "+++ clusters.toml"]
    assert shown[-1] == "wrote clusters.toml"
    assert [line for line in shown[2:] if line.startswith(("+", "-"))] == ["+max_sessions = 500"]
    allowed = 'services_allowed = ["demo.*"]\n'
    assert file.read_text() == GOOD.replace(allowed, allowed + "max_sessions = 500\n")
    assert run(file, "set", "emea", "channels.gateway.max_sessions", "500", "--yes").stdout == (
        "clusters.toml says so already\n"
    )


def test_a_connection_comes_and_goes(file: Path) -> None:
    """Added with its keys, then removed: the file is what it was."""
    keys = ["address=ws://127.0.0.1:1/", "subscribe=/a", "subscribe=/b", "on_message=a.b", "backoff.first=2.5"]
    assert run(file, "add", "emea", "outgoing", "A PAC", *keys, "-y").returncode == 0
    assert (
        '[clusters.emea.outgoing."A PAC"]\naddress = "ws://127.0.0.1:1/"\nsubscribe = ["/a", "/b"]\n'
        'on_message = "a.b"\nbackoff.first = 2.5\n'
    ) in file.read_text()
    again = run(file, "add", "emea", "outgoing", "A PAC", *keys, "-y")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == (
        'clusters.toml: clusters.emea.outgoing."A PAC" is there already; change it with: isthmus set\n'
    )
    assert run(file, "remove", "emea", "outgoing", "A PAC", "--yes").returncode == 0
    assert file.read_text() == GOOD


def test_a_cluster_in_a_new_file(tmp_path: Path) -> None:
    """A first cluster makes the file."""
    file = tmp_path / "clusters.toml"
    assert run(file, "add", "emea", "--yes").returncode == 0
    assert file.read_text() == "[clusters.emea]\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["set", "emea", "channels.gateway.max_sesions", "5"],
         "clusters.toml:15: clusters.emea.channels.gateway.max_sesions: unknown key; did you mean 'max_sessions'?"),
        (["set", "emea", "channels.gateway.security", "nobody"], "there is no security definition 'nobody'"),
        (["set", "emea", "security.apac.password", "planted7"], "secrets are never written in the open"),
        (["set", "emae", "hot_deploy", "true"], "there is no cluster 'emae'; did you mean 'emea'?"),
        (["set", "emea", "services.x", "true"], "what stands around it is no table"),
        (["set", "emea", "channels.gateway", "5"], "clusters.emea.channels.gateway is a table, not a key; the keys in it: 'addr"),
        (["set", "emea", "a..b", "true"], "'a..b' is no key"),
        (["set", "emea", "hot_deploy"], "VALUE is missing"),
        (["add", "emea", "outgoing"], "NAME is missing"),
        (["add", "emea", "outgoing", "X", "address"], "expected KEY=VALUE, got 'address'"),
        (["add", "emea", "outgoing", "X"], "the key 'address' is missing"),
        (["remove", "emea", "channels", "gatewai"], "there is no 'gatewai' in clusters.emea.channels; did you mean"),
        (["remove", "emea", "security", "apac"], "there is no security definition 'apac'"),
        (["set", "emea", "hot_deploy", "true"], "nothing was written; say --yes where there is no terminal to ask at"),
    ],
)  # fmt: skip
def test_what_is_refused_changes_nothing(arguments: list[str], expected: str, file: Path) -> None:
    """An edit that would make the file wrong, one that makes no sense, and one that nobody agreed to: status 2."""
    done = run(file, *arguments, *([] if "nothing was written" in expected else ["--yes"]))
    assert done.returncode == 2
    assert expected in done.stderr
    assert "planted7" not in done.stderr + done.stdout
    assert file.read_text() == GOOD
    assert [path.name for path in file.parent.iterdir()] == ["clusters.toml"]


def test_a_file_that_is_wrong_already_can_be_put_right(file: Path) -> None:
    """What was wrong before holds no edit up; what is no TOML does."""
    file.write_text(GOOD.replace("guaranteed = true", 'guaranteed = "yes"\nactive = 5'))
    assert run(file, "set", "emea", "topics./customer/new.guaranteed", "true", "--yes").returncode == 0
    assert "guaranteed = true\nactive = 5" in file.read_text()
    file.write_text("[clusters\n")
    done = run(file, "set", "emea", "hot_deploy", "true", "--yes")
    assert (done.returncode, done.stderr) == (
        2, "clusters.toml:1: not TOML: expected ']' at the end of a table declaration\n",
    )  # fmt: skip


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_a_terminal_is_asked(answer: str, status: int, file: Path) -> None:
    """Only a yes writes."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        done = subprocess.run(
            [*COMMAND, "set", "emea", "hot_deploy", "true"],
            cwd=file.parent, capture_output=True, text=True, check=False, stdin=theirs,
        )  # fmt: skip
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == status
    assert "Write this to clusters.toml? [y/N]" in done.stdout
    assert ("hot_deploy = true" in file.read_text()) == (status == 0)


def test_the_mode_stays_and_a_link_stays_a_link(file: Path) -> None:
    """What the link leads to is replaced; no other file is left beside it."""
    real = file.parent / "real" / "clusters-of-ours.toml"
    real.parent.mkdir()
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real)
    assert run(file, "set", "emea", "hot_deploy", "true", "--yes").returncode == 0
    assert file.is_symlink()
    assert "hot_deploy = true" in real.read_text()
    assert real.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in real.parent.iterdir() if path.is_file()] == [real.name]


def test_a_secret_in_the_open_is_not_shown(file: Path) -> None:
    """Values beside the change that may be secrets are hidden, references are not."""
    file.write_text(
        GOOD.replace("[clusters.apac]", '[clusters.emea.config]\na = 1\napi_key = "planted7"\n\n[clusters.apac]')
    )
    done = run(file, "set", "emea", "config.a", "2", "--yes")
    assert done.returncode == 0
    assert " api_key = ***" in done.stdout
    assert "planted7" not in done.stdout
    assert "planted7" in file.read_text()
