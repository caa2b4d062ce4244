"""What shells complete, in the shells themselves: commands, options, and names that only the file or a server knows."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import COMMAND
from tests.runtime.cli.running_sample import RunningSample
from tests.runtime.cli.terminal import Terminal

CASES = [
    (["pub"], ["publish"]),
    (["messages", "l"], ["list"]),
    (["publish", "emea", "/t/x", "--prio"], ["--priority"]),
    (["completion", ""], ["bash", "fish", "zsh"]),
    (["publish", ""], ["apac", "emea"]),
    (["publish", "emea", "/cu"], ["/customer/new"]),
    (["publish", "emea", "/t/o"], ["/t/only-now"]),
    (["invoke", "emea", "demo.e"], ["demo.echo"]),
    (["peer", "emea", ""], ["gateway"]),
    (["publish", "nowhere", "/"], []),
]
"""What was typed, and what that is completed to; `/t/only-now` is known to the server only."""


@pytest.fixture
def path(running: RunningSample, tmp_path: Path) -> str:
    """A PATH where there is `isthmus`; a topic that the file does not name has been used."""
    command = tmp_path / "isthmus"
    words = " ".join(f"'{word}'" for word in COMMAND)
    command.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    command.chmod(0o755)
    return f"{tmp_path}:{os.environ['PATH']}"


@pytest.fixture(scope="module", autouse=True)
def used(running: RunningSample) -> None:
    assert running.run("publish", "emea", "/t/only-now", "x").returncode == 0


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


def script(running: RunningSample, shell: str) -> Path:
    done = running.run("completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    file = running.folder / ("_isthmus" if shell == "zsh" else f"isthmus.{shell}")
    file.write_text(done.stdout)
    return file


def lines_of(running: RunningSample, path: str, *command: str) -> list[str]:
    done = subprocess.run(
        command, cwd=running.folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@needs("bash")
def test_bash_completes(running: RunningSample, path: str) -> None:
    """As its function says when a tab is typed."""
    file = script(running, "bash")
    complete = 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _isthmus; printf "%s\\n" "${COMPREPLY[@]}"'
    for typed, expected in CASES:
        found = lines_of(running, path, "bash", "-c", complete, str(file), "isthmus", *typed)
        assert sorted(filter(None, found)) == expected, typed


@needs("fish")
def test_fish_completes(running: RunningSample, path: str) -> None:
    """As it lists candidates itself, each with what it means behind a tab."""
    file = script(running, "fish")
    for typed, expected in CASES:
        line = " ".join(["isthmus", *typed])
        found = lines_of(running, path, "fish", "--no-config", "-c", f"source {file}; complete -C '{line}'")
        assert sorted(one.partition("\t")[0] for one in found) == expected, typed


@needs("zsh")
def test_zsh_completes(running: RunningSample, path: str) -> None:
    """On its own line editor, when a tab is typed."""
    folder = script(running, "zsh").parent
    environment = {"PATH": path, "PS1": "ready> "}
    with Terminal(running.folder, program=["zsh", "-f", "-i"], environment=environment) as terminal:
        terminal.until("ready> ")
        terminal.type(f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D; print is''set\r")
        terminal.until("isset")
        for typed, expected in (("isthmus pub\t", "lish"), ("emea /t/o\t", "nly-now")):
            terminal.type(typed)
            terminal.until(expected)
