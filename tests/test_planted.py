"""The search for planted secrets can fail: each way in which a secret may get out is found, and where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.planted import MARK, planted
from tests.processes import ROOT

SECRET = "from tests.planted import planted\nsecret = planted('inner')\n"

LEAKS = """
def test_printed():
    print(secret)

def test_on_stderr():
    import sys
    print(secret, file=sys.stderr)

def test_logged():
    import structlog
    structlog.get_logger().info("log-in", password=secret)

def test_in_a_traceback():
    raise ValueError(secret)

def test_by_a_child():
    import subprocess
    print(subprocess.run(["echo", secret], capture_output=True, text=True).stdout)

def test_in_a_file(tmp_path):
    (tmp_path / "audit.log").write_text(secret)

def test_made_by_a_cluster(tmp_path):
    folder = tmp_path / ".isthmus/secrets"
    folder.mkdir(parents=True)
    (folder / "emea-apac").write_text("0123456789abcdef" * 4)
    print("token=" + "0123456789abcdef" * 4)
"""

SAFE = """
def test_hidden():
    from actors.secret import Secret
    print(Secret.of(secret), [Secret.of(secret)])

def test_kept(tmp_path):
    (tmp_path / "password.secret").write_text(secret)
"""


def run(folder: Path, text: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a suite of its own, with the plugin, below a folder whose files this run does not search."""
    kept = folder / "secrets"
    kept.mkdir()
    (kept / "test_inner.py").write_text(SECRET + text)
    options = ["-p", "tests.planted", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(kept), *more]
    command = [sys.executable, "-m", "pytest", *options, f"--basetemp={kept / 'base'}", str(kept / "test_inner.py")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["alone", "among two"])
def test_a_secret_that_gets_out_fails_the_run(processes: list[str], tmp_path: Path) -> None:
    """Whichever way it goes: the run says where it was found."""
    done = run(tmp_path, LEAKS, *processes)
    found = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("A SECRET WAS PUT OUT")]
    tests = {line.rpartition("::")[2] for line in found if "::" in line}
    ways = ("printed", "on_stderr", "logged", "in_a_traceback", "by_a_child", "made_by_a_cluster")
    assert tests == {f"test_{way}" for way in ways}
    assert [Path(line).name for line in found if "::" not in line] == ["audit.log"]
    assert done.returncode == 1


def test_a_secret_that_stays_where_it_is_fails_nothing(tmp_path: Path) -> None:
    """The type that hides it prints nothing of it, and files for secrets may have it."""
    done = run(tmp_path, SAFE)
    assert done.returncode == 0, done.stdout
    assert "A SECRET" not in done.stdout


def test_what_is_planted_stands_in_nothing_else() -> None:
    """Else it could not be told from what is harmless."""
    assert MARK in planted("x")
    texts = [path.read_text() for package in ("actors", "runtime") for path in (ROOT / package).rglob("*.py")]
    assert not any(MARK in text for text in texts)
