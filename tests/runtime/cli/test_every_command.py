"""What holds for every command: help with examples that are right, JSON, exit statuses, plain text where it is piped."""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from runtime.cli.app import make_app, run_app
from runtime.cli.examples import EXAMPLES
from tests.runtime.cli.running_sample import RunningSample


def commands(app: App, *before: str) -> Iterator[tuple[str, ...]]:
    """Give every command that a user can see, by its words; those that have commands of their own, too."""
    for name in app:
        if name.startswith("-") or not app[name].show:
            continue
        yield (*before, name)
        yield from commands(app[name], *before, name)


COMMANDS = sorted(commands(make_app()))

PRINTS_NO_FACTS = {("run",), ("connect",), ("completion",)}
"""Those whose output is logs, a conversation or a script. `connect` has a test of its own for `--json`."""


def runs_something(words: tuple[str, ...]) -> bool:
    app = make_app()
    for word in words:
        app = app[word]
    return app.default_command is not None


def test_each_command_is_known_with_an_example() -> None:
    """And there is no example of a command that is none."""
    assert {" ".join(words) for words in COMMANDS} == set(EXAMPLES)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_shows_the_examples_whole(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example is on a line of its own, so that it can be copied; nothing is coloured where it is piped."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run_app([*words, "--help"]) == 0
    shown = capsys.readouterr()
    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert max(map(len, lines)) <= 80
    assert shown.err == ""
    assert "\x1b" not in shown.out
    assert lines[0].startswith(f"Usage: isthmus {' '.join(words)}")
    examples = EXAMPLES[" ".join(words)]
    assert lines[-len(examples) - 1 :] == ["Examples:" if len(examples) > 1 else "Example:", *examples]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_example_is_a_command_line_that_is_understood(words: tuple[str, ...]) -> None:
    """Its words, options and values go to that command."""
    for example in EXAMPLES[" ".join(words)]:
        said = shlex.split(example.rpartition("| ")[2].partition(" > ")[0].partition(" < ")[0])
        assert said[: len(words) + 1] == ["isthmus", *words]
        command, bound, _ignored = make_app().parse_args(said[1:], exit_on_error=False, print_error=False)
        inspect.signature(command).bind(*bound.args, **bound.kwargs)


@pytest.mark.parametrize("words", [one for one in COMMANDS if runs_something(one)], ids=" ".join)
def test_an_unknown_option_is_a_mistake_in_one_sentence(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is 2, and the sentence says where to read on."""
    command, _bound, _ignored = make_app().parse_args(_an_example(words), exit_on_error=False, print_error=False)
    assert ("json" in {name.rstrip("_") for name in inspect.signature(command).parameters}) or words in PRINTS_NO_FACTS
    assert run_app([*_an_example(words), "--nonsense-option"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    [line] = shown.err.splitlines()
    assert re.fullmatch(r"isthmus: Unknown option: --nonsense-option.*; see: isthmus .*--help", line)


def _an_example(words: tuple[str, ...]) -> list[str]:
    example = EXAMPLES[" ".join(words)][0]
    return shlex.split(example.rpartition("| ")[2].partition(" > ")[0].partition(" < ")[0])[1:]


def ids(running: RunningSample) -> dict[str, str]:
    """Return the names that only a running cluster knows."""
    [subscription] = json.loads(running.run("subscriptions", "emea", "--json").stdout)[:1]
    [session] = json.loads(running.run("sessions", "emea", "--json").stdout)[:1]
    return {"SUB_KEY": subscription["sub_key"], "SESSION": session["pub_client_id"]}


FACTS: list[tuple[str, set[str] | None]] = [
    ("check", {"file", "is_ok", "clusters", "services", "problems", "warnings"}),
    ("schema", None),
    ("add emea topics /json guaranteed=true", {"file", "is_changed", "difference"}),
    ("set emea topics./json.guaranteed false", {"file", "is_changed", "difference"}),
    ("remove emea topics /json", {"file", "is_changed", "difference"}),
    ("plan", {"clusters", "not_running", "not_in_file"}),
    ("apply", {"clusters", "not_running", "not_in_file", "applied"}),
    ("status", {"emea", "apac"}),
    ("invoke emea demo.echo 1", None),
    ("publish emea /t/json one", {"published", "msg_ids", "skipped", "blank", "failed", "ended_early"}),
    ("subscribe emea /t/json --from beginning --count 1", {"topic", "msg_id", "received", "priority", "size", "data"}),
    ("topics emea", {"topic", "guaranteed", "in_memory", "oldest", "subscriptions"}),
    ("subscriptions emea", {"sub_key", "topic", "owner", "state", "waiting", "in_hand", "failed", "oldest", "options"}),
    ("subscriptions set emea SUB_KEY delivery_batch_size=10", {"delivery_batch_size"}),
    ("messages list emea /t/json", {"place", "msg_id", "received", "priority", "size", "guaranteed", "data"}),
    ("messages show emea /t/json 1", {"place", "msg_id", "data", "waits_for", "expires"}),
    ("messages edit emea /t/json 1 --priority 9", {"place", "msg_id", "data", "waits_for", "expires"}),
    ("messages clear emea SUB_KEY", {"cleared"}),
    ("messages delete emea /t/json --all", {"deleted"}),
    ("messages replay emea /t/json --all", {"topics"}),
    ("message-log emea", None),
    ("sessions emea", {"pub_client_id", "ext_client_name", "channel_name", "wire", "subscriptions", "connection_time"}),
    ("peer emea gateway", {"cluster", "channel", "address", "isthmus"}),
    ("store backup emea made.db --overwrite", {"path", "topics", "messages", "subscriptions", "version", "size"}),
    ("store verify emea --file made.db", {"path", "damage", "lost"}),
    ("subscriptions end emea SUB_KEY", {"topic"}),
    ("sessions close emea SESSION", {"closed"}),
    ("hash-password", {"hash"}),
    ("new made", {"folder", "cluster", "port", "files", "next"}),
]


def test_what_a_command_finds_is_json_of_a_shape_that_stays(running: RunningSample) -> None:
    """Each says nothing else, on stdout alone, and ends with 0; a list has objects of that shape."""
    names = ids(running)
    secret = running.folder / "secret.txt"
    secret.write_text("a password")
    for line, keys in FACTS:
        words = [names.get(word, word) for word in line.split()]
        with secret.open("rb") as file:
            done = running.run(*words, "--json", stdin=file)
        assert (done.returncode, done.stderr) == (0, ""), line
        found = json.loads(done.stdout)
        if keys is not None:
            [one] = found[:1] if isinstance(found, list) else [found]
            assert keys <= one.keys(), line


TABLES = (
    "status",
    "topics emea",
    "subscriptions emea",
    "sessions emea",
    "messages list emea /t/plain",
    "plan",
    "check",
)


def test_into_a_pipe_nothing_is_coloured_or_cut(running: RunningSample) -> None:
    """Whatever the terminal is said to be: a line for each thing, however long."""
    long = "x" * 300
    assert running.run("publish", "emea", "/t/plain", long).returncode == 0
    for line in TABLES:
        done = running.run(*line.split(), COLUMNS="40", TERM="xterm-256color")
        assert (done.returncode, done.stderr) == (0, ""), line
        assert "\x1b" not in done.stdout
        assert "…" not in done.stdout
        assert long in done.stdout or "/t/plain" not in line


def parameters(words: tuple[str, ...]) -> dict[str, Any]:
    command, _bound, _ignored = make_app().parse_args(_an_example(words), exit_on_error=False, print_error=False)
    return dict(inspect.signature(command).parameters)


def is_about_one_cluster(words: tuple[str, ...]) -> bool:
    first = next(iter(parameters(words).values()), None)
    return first is not None and first.name == "cluster" and first.kind is inspect.Parameter.POSITIONAL_ONLY


NEEDS_A_CLUSTER = [one for one in COMMANDS if runs_something(one) and is_about_one_cluster(one)]


@pytest.mark.parametrize("words", NEEDS_A_CLUSTER, ids=" ".join)
def test_what_does_not_run_or_is_not_there_is_one_sentence(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that the file does not have is status 2, a file that is not there, too; neither makes any file."""
    monkeypatch.chdir(tmp_path)
    said = _an_example(words)
    if words != ("add",):
        assert run_app(said) == 2
        assert capsys.readouterr().err == "clusters.toml: cannot be read: No such file or directory\n"
    (tmp_path / "clusters.toml").write_text("[clusters.other]\n")
    assert run_app(said) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "there is no cluster 'emea'" in shown.err or "describes no cluster 'emea'; there are: other" in shown.err
    assert len(shown.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["clusters.toml"]
