"""Commands that ask before they do something, at a terminal: only yes is yes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.cli.running_sample import RunningSample
from tests.runtime.cli.terminal import Terminal

NO = {"n": "n\r", "return": "\r", "nonsense": "yess\r", "ctrl-d": "\x04", "ctrl-c": "\x03"}


def plan(running: RunningSample) -> list[str]:
    planned = json.loads(running.run("plan", "--json").stdout)["clusters"]["emea"]
    return [step["name"] for step in planned["steps"]]


@pytest.mark.parametrize("answer", NO)
def test_apply_changes_nothing_without_a_yes(answer: str, running: RunningSample) -> None:
    """The plan stands above the question; the status is 1, and nothing is printed but a sentence."""
    file = running.folder / "clusters.toml"
    before = file.read_text()
    file.write_text(f'{before}\n[clusters.emea.topics."/not/yet"]\n')
    try:
        with Terminal(running.folder, "apply", "--cluster", "emea") as terminal:
            terminal.until(r"\+ start topics /not/yet")
            terminal.until(r"Apply\? \[y/N\] $")
            terminal.type(NO[answer])
            assert terminal.end() == 1
            assert "Traceback" not in terminal.shown
            assert ("nothing has been changed" in terminal.shown) == (answer != "ctrl-c")
        assert plan(running) == ["/not/yet"]
    finally:
        file.write_text(before)


@pytest.mark.parametrize("answer", ["y\r", "YES\r"])
def test_apply_takes_yes_for_an_answer(answer: str, running: RunningSample) -> None:
    """What it showed is done then."""
    file = running.folder / "clusters.toml"
    topic = f"/now/{len(answer)}"
    file.write_text(f'{file.read_text()}\n[clusters.emea.topics."{topic}"]\n')
    with Terminal(running.folder, "apply", "--cluster", "emea") as terminal:
        terminal.until(r"Apply\? \[y/N\] $")
        terminal.type(answer)
        terminal.until("emea: 1 of 1 steps taken")
        assert terminal.end() == 0
    assert plan(running) == []
    assert running.run("publish", "emea", topic, "x").returncode == 0


@pytest.mark.parametrize("answer", NO)
def test_an_edit_writes_nothing_without_a_yes(answer: str, tmp_path: Path) -> None:
    """The difference stands above the question; the file stays as it is, to the last byte."""
    file = tmp_path / "clusters.toml"
    file.write_text("[clusters.emea]\n")
    with Terminal(tmp_path, "set", "emea", "hot_deploy", "true") as terminal:
        terminal.until(r"\+hot_deploy = true")
        terminal.until(r"Write this to clusters.toml\? \[y/N\] $")
        terminal.type(NO[answer])
        assert terminal.end() == 1
        assert "Traceback" not in terminal.shown
    assert file.read_text() == "[clusters.emea]\n"
