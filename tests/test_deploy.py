"""What examples/deploy says to systemd and to builders of images: as far as that can be seen without either running."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import COMMAND, ROOT

DEPLOY = ROOT / "examples" / "deploy"


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there, since systemd looks for it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "isthmus@.service").read_text()
    path = tmp_path / "isthmus@emea.service"
    path.write_text(text.replace("/opt/isthmus/bin/isthmus", sys.executable))
    return path


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    """Not a word of `systemd-analyze verify` about it; a key that does not exist is a word."""
    verify = ["systemd-analyze", "--recursive-errors=no", "verify", unit]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "isthmus@" in line]
    assert (done.returncode, said) == (0, [])
    unit.write_text(unit.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "NoNewPrivilege" in done.stdout + done.stderr


def test_the_unit_exposes_little(unit: Path) -> None:
    """By systemd's own measure of what a service that is taken over could do, from 0 to 10."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd-analyze measures no file: {done.stderr.strip()}")
    assert float(found[1]) < 2.0


def test_the_image_has_what_it_copies_and_no_rights() -> None:
    """Every file that is copied is there; it runs as a number, in the exec form, which gets SIGTERM itself."""
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    steps = [line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#")]
    sources = [
        source for step, rest in steps if step == "COPY" and "--from" not in rest for source in rest.split()[:-1]
    ]
    assert sources
    assert [one for one in sources if not (ROOT / one).exists()] == []
    told = dict(steps)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", told["USER"])
    assert (told["ENTRYPOINT"], told["CMD"], told["STOPSIGNAL"]) == ('["isthmus"]', '["run"]', "SIGTERM")
    assert told["VOLUME"] in (DEPLOY / "clusters.toml").read_text()


def test_the_example_is_right(tmp_path: Path) -> None:
    """`isthmus check` finds nothing to say but that its secrets and certificates are another machine's."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    done = subprocess.run([*COMMAND, "check"], cwd=tmp_path / "deploy", capture_output=True, text=True, check=False)
    problems = done.stderr.splitlines()
    assert done.returncode == 2
    assert [one for one in problems if "No such file" not in one] == []
