"""`isthmus subscribe` in a process of its own: from where, for how many messages, as what, and how it leaves."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.runtime.cli.running_sample import Command, RunningSample


def publish(running: RunningSample, topic: str, *data: str, options: tuple[str, ...] = ()) -> list[str]:
    done = running.run("publish", "emea", topic, *data, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def subscribe(running: RunningSample, topic: str, *arguments: str) -> list[str]:
    done = running.run("subscribe", "emea", topic, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def waiting(running: RunningSample, topic: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(running.run("subscriptions", "emea", "--json").stdout)
    return [one for one in found if one["topic"] == topic]


def test_it_begins_where_it_is_told_to_and_takes_nothing_from_others(running: RunningSample) -> None:
    """All that the topic keeps, from a place on, or since a time; however often, it stays."""
    publish(running, "/t/kept", "one", "two", '{"id": 3}')
    assert subscribe(running, "/t/kept", "--from", "beginning", "--count", "3") == ["one", "two", '{"id": 3}']
    listed = json.loads(running.run("messages", "list", "emea", "/t/kept", "--json").stdout)
    second = listed[1]
    assert subscribe(running, "/t/kept", "--from", str(second["place"]), "--count", "2") == ["two", '{"id": 3}']
    assert subscribe(running, "/t/kept", "--from", listed[0]["received"], "--count", "1") == ["one"]
    assert subscribe(running, "/t/kept", "--from", "1h", "--count", "1") == ["one"]
    [line] = subscribe(running, "/t/kept", "--from", str(second["place"]), "--count", "1", "--json")
    names = ("msg_id", "received", "priority", "size", "guaranteed", "data")
    assert json.loads(line) == {"topic": "/t/kept", **{name: second[name] for name in names}}
    assert waiting(running, "/t/kept") == []


def test_what_comes_follows_what_was_kept_each_message_once(running: RunningSample) -> None:
    """Lines are there as soon as messages are, in the same shape as those that were kept."""
    publish(running, "/t/both", "kept")
    with Command(running.folder, "subscribe", "emea", "/t/both", "--from", "beginning", "--json") as command:
        kept = json.loads(command.line())
        [msg_id] = publish(running, "/t/both", "comes", options=("--priority", "7"))
        comes = json.loads(command.line())
        assert comes.keys() == kept.keys()
        assert (comes["msg_id"], comes["data"], comes["priority"]) == (msg_id, "comes", 7)
        listed = json.loads(running.run("messages", "list", "emea", "/t/both", "--json").stdout)
        assert [comes["received"]] == [one["received"] for one in listed if one["msg_id"] == msg_id]
        assert command.interrupt() == (0, "", "")
    assert waiting(running, "/t/both") == []


def test_without_from_only_what_comes_is_followed(running: RunningSample) -> None:
    """A message from before is not shown; the count ends it."""
    publish(running, "/t/now", "before")
    with Command(running.folder, "subscribe", "emea", "/t/now", "--count", "2") as command:
        while not waiting(running, "/t/now"):
            pass
        publish(running, "/t/now", "one", "two", "three")
        assert [command.line(), command.line()] == ["one", "two"]
        assert command.end() == (0, "", "")


def test_it_ends_when_nobody_reads_any_more(running: RunningSample) -> None:
    """At once, not at the next message, and without a word, as `head` has it."""
    publish(running, "/t/head", "one")
    with Command(running.folder, "subscribe", "emea", "/t/head", "--from", "beginning") as command:
        assert command.line() == "one"
        command.output.close()
        command.process.stdout = None
        assert command.end() == (0, None, "")


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["/nope"], 1, "No such topic `/nope` (status 404)"),
        (["/t/x", "--from", "then"], 2, "--from: expected now, beginning, a place such as 17"),
        (["/t/x", "--count", "0"], 2, "--count: expected a number from 1 on, got 0"),
    ],
)
def test_what_cannot_be_followed_is_one_sentence(
    arguments: list[str], status: int, error: str, running: RunningSample
) -> None:
    """It names what is wrong."""
    done = running.run("subscribe", "emea", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(error)


def test_a_server_that_goes_away_ends_it_with_a_sentence(running: RunningSample) -> None:
    """The status is 1: there may be messages that were not seen."""
    [emea] = [int(line.rpartition("pid=")[2]) for line in running.lines if "launcher emea" in line and "pid=" in line]
    publish(running, "/t/gone", "one")
    with Command(running.folder, "subscribe", "emea", "/t/gone", "--from", "beginning") as command:
        assert command.line() == "one"
        os.kill(emea, signal.SIGKILL)
        status, output, errors = command.end()
    assert (status, output) == (1, "")
    assert errors.startswith("cluster 'emea' went away: ")
    running.until_linked()  # it is back
