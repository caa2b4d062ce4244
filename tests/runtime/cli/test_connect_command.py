"""`isthmus connect` in a process of its own: at a terminal and from a pipe, with channels of Isthmus and of Zato, in TLS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from actors import Service
from runtime.transport import Address
from runtime.transport.tcp import TcpNetwork
from tests.certificates import HOST, Authority
from tests.interop.zato_channel import Connection, ZatoChannel
from tests.planted import PASSWORD
from tests.processes import COMMAND, HANGS_AFTER, free_port
from tests.runtime.cli.running_sample import Command, RunningSample
from tests.runtime.cli.terminal import Terminal
from tests.support import emea_settings, start_real


class Echo(Service):
    name = "demo.echo"

    async def handle(self, request: Any) -> Any:
        return request


LOG_IN = ("--user", "apac", "--password", "local:emea-apac")


def url(running: RunningSample) -> str:
    return f"ws://127.0.0.1:{running.port}/zato.wsx.gateway"


def secret(running: RunningSample) -> str:
    return (running.folder / ".isthmus" / "secrets" / "emea-apac").read_text()


def piped(running: RunningSample, lines: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    file = running.folder / "lines.txt"
    file.write_text(lines)
    with file.open("rb") as opened:
        return running.run("connect", url(running), *arguments, stdin=opened)


@pytest.mark.parametrize("wire", ["auto", "isthmus.1", "zato"])
def test_a_script_talks_to_a_channel_on_either_wire(wire: str, running: RunningSample) -> None:
    """Results are on stdout, a line each, messages as they come, and what failed on stderr; the status is 1 then."""
    lines = (
        'invoke demo.echo {"a": "\\u001b[31m"}\n# a comment\n\nsubscribe /customer/new\nwait 2\n'
        "unsubscribe /customer/new\npublish /order/new 7\nquit\ninvoke demo.echo 2\n"
    )
    done = piped(running, lines, *LOG_IN, "--wire", wire)
    assert (done.returncode, done.stderr) == (0, "")
    first, *messages, published = done.stdout.splitlines()
    assert json.loads(first) == {"a": "\x1b[31m"}
    assert len(messages) == 2
    assert all(line.startswith('message /customer/new {"customer_id": ') for line in messages)
    msg_id = json.loads(published)["msg_id"]
    kept = json.loads(running.run("messages", "list", "emea", "/order/new", "--json").stdout)
    assert [one["data"] for one in kept if one["msg_id"] == msg_id] == [7]

    wrong = piped(running, "invoke demo.nope\nfoo\nsend {\nsubscribe\npublish /t/x 1\ninvoke demo.echo 3", *LOG_IN)
    assert (wrong.returncode, wrong.stdout) == (1, "3\n")
    assert wrong.stderr.splitlines() == [
        "No such service 'demo.nope' (status 404)",
        "there is no command 'foo'; there are invoke, subscribe, unsubscribe, publish, send, wait, help, quit, exit",
        "send: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "subscribe: TOPIC is missing",
        "You are not allowed to access this resource (status 403)",
    ]


def test_as_json_each_thing_that_happens_is_an_object(running: RunningSample) -> None:
    """The session, results, what was done, messages and errors, all on stdout, a line each."""
    lines = "invoke demo.echo 1\nsubscribe /customer/new\nwait\ninvoke demo.nope\n"
    done = piped(running, lines, *LOG_IN, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["event"] for one in found] == ["connected", "result", "done", "message", "error"]
    assert found[0] == {
        "event": "connected",
        "address": url(running),
        "wire": "isthmus.1",
        "peer": "cluster emea",
    }
    assert found[1] == {"event": "result", "data": 1}
    assert found[2]["what"] == "subscribed to /customer/new"
    assert found[3].keys() == {"event", "topic", "msg_id", "priority", "size", "data"}
    assert found[4] == {"event": "error", "error": "No such service 'demo.nope' (status 404)", "status": 404}


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["http://x/"], 2, "expected ws://HOST:PORT/PATH or wss://HOST:PORT/PATH, got 'http://x/'"),
        (["ws://apac:planted@127.0.0.1/"], 2, "expected no credentials in an address, got 'ws://***@127.0.0.1/'"),
        (["ws://127.0.0.1:1/?key=planted"], 1, "TCP: "),
        (["URL", "--user", "apac", "--password", "planted"], 2, "--password: expected "),
        (["URL", "--user", "apac", "--password", "$NOT_SET"], 1, "session: the password cannot be read: "),
        (["URL", "--user", "apac"], 2, "the password is missing; say where it is"),
        (["URL", "--header", "planted"], 2, "--header: expected NAME=VALUE"),
        (["URL", "--user", "nobody", "--password", "$SET"], 1, "session: URL denied the session for user 'nobody'"),
        (["URL"], 1, "session: URL denied the session: "),
    ],
)
def test_what_does_not_connect_is_one_sentence_without_secrets(
    arguments: list[str], status: int, error: str, running: RunningSample
) -> None:
    """It names the step that failed and the address, and nothing that stood in its place of a secret."""
    said = [one.replace("URL", url(running)) for one in arguments]
    done = running.run("connect", *said, SET="planted")
    assert (done.returncode, done.stdout) == (status, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(error.replace("URL", url(running)))
    assert "planted" not in line


def test_somebody_at_a_terminal_logs_in_and_talks(running: RunningSample) -> None:
    """The password is asked for and not shown; there is a history; what comes is put above the line being typed."""
    password = secret(running)
    with Terminal(running.folder, "connect", url(running)) as terminal:
        before = terminal.settings()
        terminal.until("User: ")
        terminal.type("apac\r")
        terminal.until("Password of apac: ")
        terminal.type("wrong\r")
        terminal.until("User: ")
        terminal.type("apac\r")
        terminal.until("Password of apac: ")
        terminal.type(f"{password}\r")
        terminal.until(r"connected.* to ws://127.0.0.1:\d+/zato.wsx.gateway, isthmus.1, cluster emea")
        terminal.until("> $")
        terminal.type("invoke demo.echo 17\r")
        terminal.until("\n17\r\n")
        terminal.type("\x1b[A\r")
        terminal.until("\n17\r\n")
        terminal.type("sub\t/customer/new\r")
        terminal.until("subscribed to /customer/new")
        terminal.type("invoke de")
        terminal.until(r"message.* /customer/new .*\r\n> invoke de")
        terminal.type("mo.echo 18\r")
        terminal.until("\n18\r\n")
        terminal.type("help\r")
        terminal.until("publish TOPIC DATA")
        terminal.type("\x03")
        assert terminal.end() == 0
        assert terminal.settings() == before
        assert password not in terminal.shown
        assert "wrong" not in terminal.shown


def test_ctrl_c_gives_up_what_is_under_way_and_ctrl_d_leaves(running: RunningSample) -> None:
    """The session goes on after the first, and the status tells of what was given up."""
    with Terminal(running.folder, "connect", url(running), *LOG_IN) as terminal:
        terminal.until("> $")
        terminal.type("wait 1\r")
        terminal.until("waiting; Ctrl-C gives up")
        terminal.type("\x03")
        terminal.until("given up")
        terminal.until("> $")
        terminal.type("invoke demo.echo 5\r")
        terminal.until("\n5\r\n.*> $")
        terminal.type("\x04")
        assert terminal.end() == 1


async def say(address: str, lines: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Have the command talk to a channel of this process."""
    command = [*COMMAND, "connect", address, *arguments]
    return await trio.run_process(
        command,
        stdin=lines.encode(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
        env={**os.environ, "PASSWORD": PASSWORD},
    )


async def test_it_gets_along_with_a_channel_of_zato(nursery: trio.Nursery) -> None:
    """Whose quirks it knows: results in wrappers, messages twice in a frame, and requests that are answered with null."""

    async def ask(connection: Connection, request: Any) -> Any:
        await connection.say(connection.frames.request(request))
        return "asked"

    address = f"ws://{HOST}:{free_port()}/zato"
    channel = ZatoChannel(
        TcpNetwork(), Address.parse(address), services={"till.ask": ask}, backlog={"/a": [1, {"b": 2}]}
    )
    await nursery.start(channel.serve)
    lines = 'subscribe /a\nwait 2\ninvoke till.ask {"how": "many"}\ninvoke not.there\nsubscribe /b\n'
    done = await say(address, lines, "--user", "apac", "--password", "$PASSWORD")
    assert done.stderr.decode().splitlines() == [
        "You are not allowed to access this resource (status 403)",
        "No such topic `/b` (status 404)",
    ]
    shown = done.stdout.decode().splitlines()
    assert shown[:2] == ["message /a 1", 'message /a {"b": 2}']
    assert shown[2:] == ['request {"how": "many"}', '"asked"']
    assert done.returncode == 1
    assert {"response": None} in channel.connections[0].answers.values()
    assert (channel.ignored, channel.refusals) == ([], [])
    assert channel.connections[0].close_received == (1000, "")


async def test_tls_is_as_strict_as_that_of_a_connection(nursery: trio.Nursery, tmp_path: Path) -> None:
    """An authority of one's own, a fingerprint, a certificate to show; a server that is not trusted hears nothing."""
    authority = Authority(tmp_path)
    certificate, mine = authority.issue(), authority.issue("client", common_name="till")
    address = f"wss://{HOST}:{free_port()}/"
    tls = {"tls_certificate": certificate.certificate, "tls_key": certificate.key, "tls_client_ca": authority.path}
    emea = await start_real(nursery, "emea", emea_settings(address=address, **tls), [Echo])
    show = ("--tls-certificate", str(mine.certificate), "--tls-key", str(mine.key))
    log_in = ("--user", "apac", "--password", "$PASSWORD")
    trusted = ("--tls-ca", str(authority.path), "--tls-fingerprint", certificate.fingerprint)
    done = await say(address, "invoke demo.echo 1\n", *log_in, *trusted, *show)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"1\n", b"")
    for arguments in (show, (*show, *trusted[:2], "--tls-fingerprint", mine.fingerprint)):
        done = await say(address, "invoke demo.echo 1\n", *log_in, *arguments)
        assert (done.returncode, done.stdout) == (1, b"")
        [line] = done.stderr.decode().splitlines()
        assert line.startswith("TLS: ")
    await emea.stop()


def test_the_end_of_the_link_ends_it(running: RunningSample) -> None:
    """With the reason, and status 1, whether something was under way or not."""
    [emea] = [int(line.rpartition("pid=")[2]) for line in running.lines if "launcher emea" in line and "pid=" in line]
    with Command(running.folder, "connect", url(running), *LOG_IN) as command:
        command.say("invoke demo.echo 1")
        assert command.line() == "1"
        os.kill(emea, signal.SIGKILL)
        command.process.wait(HANGS_AFTER)
        status, output, errors = command.end()
    assert (status, output) == (1, "")
    assert errors.startswith("link closed by network: 1006")
    running.until_linked()  # it is back
