"""scripts/isthmus sets itself up: which Python it takes, where it may be called from, and what it says when it cannot."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

NEEDED = ("cat", "cksum", "dirname", "mkdir", "readlink", "rm", "rmdir", "sh", "sleep")

GOOD_PYTHON = """#!/bin/sh
# passes for a Python that is new enough; `-m venv DIR` makes an environment whose pip is $ROOT/pip
case "$1 $2" in
    "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python" ;;
    "-m pip") case "$3" in install) exec "$(dirname "$0")/../../pip" ;; esac ;;
    "-P -m") echo "ran: $*" ;;
esac
exit 0
"""


class Checkout:
    """A copy of the scripts and of what they read, with a PATH of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root / "isthmus"
        self.bin = root / "bin"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        self.bin.mkdir()
        for name in (*NEEDED, "cp"):
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        self.pip("exit 0")

    def program(self, path: Path, text: str) -> None:
        path.write_text(text)
        path.chmod(0o755)

    def python(self, text: str) -> None:
        self.program(self.bin / "python3", text)

    def pip(self, command: str) -> None:
        self.program(self.root / "pip", f"#!/bin/sh\n{command}\n")

    def start(self, *arguments: str, script: Path | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [script or self.root / "scripts" / "isthmus", *arguments],
            cwd=cwd or self.root,
            env={"PATH": str(self.bin)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, script: Path | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
        process = self.start(*arguments, script=script, cwd=cwd)
        output, errors = process.communicate()
        return process.returncode, output, errors


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_python_that_is_too_old_is_one_sentence(checkout: Checkout) -> None:
    """It says which version is needed; nothing is made."""
    checkout.python("#!/bin/sh\nexit 1\n")
    status, output, errors = checkout.run("status")
    assert (status, output) == (2, "")
    assert errors == "isthmus: Python 3.11 or later is needed, and there is none on the PATH.\n"
    assert not list(checkout.root.glob(".venv*"))


def test_a_set_up_happens_once(checkout: Checkout) -> None:
    """The second run says nothing, calls no pip, and passes all arguments on; changed requirements set up anew."""
    checkout.python(GOOD_PYTHON)
    status, output, errors = checkout.run("invoke", "emea", "a b", "")
    assert (status, output) == (0, "ran: -P -m runtime.cli invoke emea a b \n")
    assert errors == "isthmus: setting up .venv, which takes about half a minute the first time\n"
    checkout.pip("exit 1")
    assert checkout.run("status") == (0, "ran: -P -m runtime.cli status\n", "")
    with (checkout.root / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert checkout.run("status")[0] == 2


def test_an_index_out_of_reach_is_one_sentence(checkout: Checkout) -> None:
    """It says where pip's own words are; the next run tries again."""
    checkout.python(GOOD_PYTHON)
    checkout.pip("echo 'no index' >&2; exit 1")
    status, output, errors = checkout.run("status")
    assert (status, output) == (2, "")
    log = checkout.root / ".venv.lock.log"
    assert errors.splitlines()[1:] == [
        f"isthmus: the packages could not be installed; is the package index reachable? See {log}."
    ]
    assert log.read_text() == "no index\n"
    assert not (checkout.root / ".venv.lock").exists()
    checkout.pip("exit 0")
    assert checkout.run("status")[0] == 0
    assert not log.exists()


def test_a_set_up_that_is_interrupted_is_in_nobody_s_way(checkout: Checkout) -> None:
    """Its lock goes with it, so the next run does not wait for it."""
    checkout.python(GOOD_PYTHON)
    checkout.pip(f"echo began >{checkout.root}/fifo; exec sleep 1000")
    os.mkfifo(checkout.root / "fifo")
    process = checkout.start("status")
    assert (checkout.root / "fifo").read_text() == "began\n"
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate()
    assert process.returncode == 130
    assert not (checkout.root / ".venv.lock").exists()


def test_it_may_be_called_from_anywhere_and_through_links(checkout: Checkout, tmp_path: Path) -> None:
    """Another folder, a link to it, a relative link to that, a folder with a space: the repository is found."""
    checkout.python(GOOD_PYTHON)
    assert checkout.run("status")[0] == 0
    elsewhere = tmp_path / "else where"
    deep = elsewhere / "deep" / "deeper"
    deep.mkdir(parents=True)
    (elsewhere / "isthmus").symlink_to(checkout.root / "scripts" / "isthmus")
    (elsewhere / "link").symlink_to("../else where/isthmus")
    (tmp_path / "folder").symlink_to(checkout.root / "scripts")
    for script in (
        checkout.root / "scripts" / "isthmus",
        elsewhere / "isthmus",
        elsewhere / "link",
        tmp_path / "folder" / "isthmus",
        Path("../../link"),
    ):
        assert checkout.run("status", script=script, cwd=deep) == (0, "ran: -P -m runtime.cli status\n", "")
