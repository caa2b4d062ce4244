"""`isthmus new` in processes: what it makes is right, runs, answers a call, and its own test passes."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from runtime.cli.new import cluster_name
from tests.processes import COMMAND, Launched, free_port


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_a_new_project_runs_and_its_test_passes(tmp_path: Path) -> None:
    """Each of the steps that it names as the next ones does what it should, in a folder with a name like people's."""
    made = run(tmp_path, "new", "My Shöp", "--port", str(free_port()))
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[3:8] == [
        "  cd 'My Shöp'",
        "  isthmus check",
        "  isthmus run",
        """  isthmus invoke my-shop-partner greeting.greet '{"name": "Ada"}' --via my-shop""",
        "  pytest",
    ]
    project = tmp_path / "My Shöp"
    checked = run(project, "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    launched = Launched(project)
    try:
        launched.until(r"partner\.events +connected")
        call = ("invoke", "my-shop-partner", "greeting.greet", '{"name": "Ada"}', "--via", "my-shop")
        answer = launched.run(*call)
        assert json.loads(answer.stdout) == {"text": "Hello, Ada!"}
        launched.until(r"received .*Hello, Ada!")
        wrong = launched.run(*call[:3], '{"nam": 1}', *call[4:])
        assert wrong.returncode == 1
        assert "name" in wrong.stderr
    finally:
        launched.stop()

    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout
    assert ".isthmus/" in (project / ".gitignore").read_text().splitlines()


def test_a_folder_that_has_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Whatever is in it; an empty one is filled, also where the user stands."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").touch()
    done = run(tmp_path, "new", "full")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "full is not empty, and is left as it is\n"
    assert [one.name for one in (tmp_path / "full").iterdir()] == [".hidden"]
    assert run(tmp_path, "new", "full/.hidden").stderr == "full/.hidden is no folder\n"
    (tmp_path / "empty").mkdir()
    here = run(tmp_path / "empty", "new", ".", "--json")
    report = json.loads(here.stdout)
    assert (report["cluster"], report["next"][0]) == ("empty", "isthmus check")
    settings = tomllib.loads((tmp_path / "empty" / "clusters.toml").read_text())
    assert list(settings["clusters"]) == ["empty", "empty-partner"]
    assert settings["clusters"]["empty"]["channels"]["gateway"]["address"] == f"ws://127.0.0.1:{report['port']}/"


def test_a_project_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """A name too long for a file system ends it in one sentence, without the folders above it."""
    done = run(tmp_path, "new", f"a/b/{'c' * 300}")
    assert done.returncode == 1
    assert done.stderr == f"a/b/{'c' * 300} cannot be made: File name too long\n"
    assert list(tmp_path.iterdir()) == []
    assert run(tmp_path, "new", "a", "--port", "70000").returncode == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("shop", "shop"),
        ("My Shöp_2", "my-shop-2"),
        ("2fast", "cluster-2fast"),
        ("...", "cluster"),
        ("商店", "cluster"),
        ('a"]\n[clusters.b', "a-clusters-b"),
        ("x" * 39 + "-y", "x" * 39),
    ],
)
def test_names_of_folders_become_names_of_clusters(text: str, name: str) -> None:
    """Whatever the folder is called, the file is TOML and the name needs no quotes."""
    assert cluster_name(text) == name
