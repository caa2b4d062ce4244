"""`isthmus publish` in a process of its own: where messages come from, what is said of them, and what is lost by nobody."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.runtime.cli.running_sample import Command, RunningSample


def kept(running: RunningSample, topic: str) -> list[dict[str, Any]]:
    done = running.run("messages", "list", "emea", topic, "--limit", "100000", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def publish_lines(running: RunningSample, topic: str, text: bytes, *arguments: str) -> tuple[int, str, str]:
    with Command(running.folder, "publish", "emea", topic, *arguments) as command:
        command.input.buffer.write(text)
        return command.end()


def test_arguments_are_messages_and_their_ids_are_printed(running: RunningSample) -> None:
    """In their order, as text unless they are said to be JSON, which `--json` prints as a report."""
    done = running.run("publish", "emea", "/t/arguments", "Ada", "7", "-5")
    assert (done.returncode, done.stderr) == (0, "")
    ids = done.stdout.split()
    report = running.run("publish", "emea", "/t/arguments", '{"id": 7}', "--as-json", "--json")
    assert report.returncode == 0
    said = json.loads(report.stdout)
    assert [one["data"] for one in kept(running, "/t/arguments")] == ["Ada", "7", "-5", {"id": 7}]
    assert [one["msg_id"] for one in kept(running, "/t/arguments")] == [*ids, *said.pop("msg_ids")]
    assert said == {"published": 1, "skipped": 0, "blank": 0, "failed": [], "ended_early": ""}


def test_all_that_a_publisher_may_say(running: RunningSample) -> None:
    """Each option arrives under its name."""
    done = running.run(
        *("publish", "emea", "/t/options", "x", "--msg-id", "seven", "--priority", "9", "--expiration", "3600"),
        *("--mime-type", "text/x", "--correl-id", "c", "--in-reply-to", "r", "--ext-client-id", "e"),
        *("--ext-pub-time", "2026-01-31T12:00:00", "--reply-to-sk", "one", "--reply-to-sk", "two"),
        *("--user-ctx", '{"a": 1}', "--not-guaranteed"),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "seven\n", "")
    [place] = [one["place"] for one in kept(running, "/t/options")]
    shown = json.loads(running.run("messages", "show", "emea", "/t/options", str(place), "--json").stdout)
    expected = {
        "msg_id": "seven",
        "priority": 9,
        "expiration": 3600,
        "mime_type": "text/x",
        "correl_id": "c",
        "in_reply_to": "r",
        "ext_client_id": "e",
        "ext_pub_time": "2026-01-31T12:00:00",
        "has_gd": False,
        "reply_to_sk": ["one", "two"],
        "user_ctx": {"a": 1},
    }
    assert expected.items() <= shown.items()


def test_lines_come_from_standard_input_and_what_is_wrong_with_one_holds_up_no_other(running: RunningSample) -> None:
    """Each line that is not published is named with its reason, and the status is 1; the last needs no end."""
    text = b'{"id": 1}\n\n{"id": \n\xff\n"' + b"x" * 1_100_000 + b'"\n\r\n{"id": 2}'
    status, output, errors = publish_lines(running, "/t/lines", text, "--as-json")
    assert (status, output) == (1, "2 published, 3 not published, 2 blank\n")
    lines = errors.splitlines()
    assert lines[0].startswith("line 3: not JSON: ")
    assert lines[1] == "line 4: no UTF-8: invalid start byte at byte 1"
    assert lines[2].startswith("line 5: ")
    assert len(lines) == 3
    assert [one["data"] for one in kept(running, "/t/lines")] == [{"id": 1}, {"id": 2}]


def test_a_file_that_is_published_again_gives_only_what_is_missing(running: RunningSample) -> None:
    """With a msg_id its lines have ids of their own; the order is that of the file, over many requests."""
    lines = [str(number) for number in range(1, 2501)]
    file = running.folder / "numbers.txt"
    file.write_text("\n".join(lines[:1200]) + "\n")
    again = ["publish", "emea", "/t/file", "--file", "numbers.txt", "--msg-id", "monday"]
    assert running.run(*again).stdout == "1200 published\n"
    file.write_text("\n".join(lines) + "\n")
    done = running.run(*again)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2500 published\n", "")
    found = kept(running, "/t/file")
    assert [one["data"] for one in found] == lines
    assert [one["msg_id"] for one in found] == [f"monday-{number}" for number in lines]
    file.write_text("1\nother\n")
    done = running.run(*again)
    assert (done.returncode, done.stdout) == (1, "1 published, 1 not published\n")
    assert done.stderr.startswith("numbers.txt:2: ")


def test_lines_are_published_as_they_come_and_an_interrupt_says_how_far_that_is(running: RunningSample) -> None:
    """Nothing waits for more input; what was sent is known to be published."""
    with (
        Command(running.folder, "subscribe", "emea", "/t/slow", "--from", "beginning") as following,
        Command(running.folder, "publish", "emea", "/t/slow") as command,
    ):
        command.say("one")
        assert following.line() == "one"
        command.say("two")
        assert following.line() == "two"
        assert command.interrupt() == (1, "2 published\n", "interrupted; the last that was sent is line 2\n")


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["/nope", "x"], 1, "No such topic `/nope`; nothing was published"),
        (["/refuses", "x"], 1, "message 1: topic '/refuses' is not active"),
        (["/t/x", "x", "--priority", "10"], 1, "message 1: priority: expected a whole number from 1 to 9, got 10"),
        (["/t/x", "x", "--user-ctx", "{"], 2, "--user-ctx: not JSON: "),
        (["/t/x", "x", "--file", "y"], 2, "there are messages as arguments and in a file; say one of the two"),
        (["/t/x", "--file", "missing.txt"], 2, "missing.txt: cannot be read: No such file or directory"),
        (["/t/x", "--file", "examples"], 2, "examples: cannot be read: Is a directory"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(
    arguments: list[str], status: int, error: str, running: RunningSample
) -> None:
    """It names what is wrong; nothing is printed as though it were published."""
    done = running.run("publish", "emea", *arguments)
    assert done.returncode == status
    [line] = done.stderr.splitlines()
    assert line.startswith(error)
    assert "zpsm" not in done.stdout


def test_without_messages_a_terminal_is_not_waited_for(running: RunningSample) -> None:
    """There the message is asked for as an argument."""
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "rb") as terminal:
        done = running.run("publish", "emea", "/t/x", stdin=terminal)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "isthmus: DATA is missing; see: isthmus publish --help\n"


def test_what_is_under_way_when_the_server_goes_away_is_named(running: RunningSample) -> None:
    """Where no answer came it is not known whether a line was published; what was answered is counted."""
    [emea] = [int(line.rpartition("pid=")[2]) for line in running.lines if "launcher emea" in line and "pid=" in line]
    with Command(running.folder, "publish", "emea", "/t/lost", "--json") as command:
        command.say("one")
        with Command(running.folder, "subscribe", "emea", "/t/lost", "--from", "beginning") as following:
            assert following.line() == "one"
        os.kill(emea, signal.SIGSTOP)
        command.say("two")
        os.kill(emea, signal.SIGKILL)
        status, output, errors = command.end()
    report = json.loads(output)
    assert (status, report["published"]) == (1, 1)
    assert report["ended_early"].startswith("cluster 'emea' went away: ")
    assert "; the last that was sent is line " in errors
    running.until_linked()  # it is back
