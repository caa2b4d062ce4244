"""`isthmus message-log`: what is asked of the cluster, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from runtime.cli.app import run_app

MESSAGES = [
    {
        "number": 1,
        "at": "2026-01-01T00:00:00",
        "direction": "received",
        "kind": "Invoke",
        "id": "i1\x1b[31m",
        "in_reply_to": "",
        "data": '{"a":1}',
        "size": 7,
    },
    {
        "number": 2,
        "at": "2026-01-01T00:00:01",
        "direction": "sent",
        "kind": "Reply",
        "id": "r1",
        "in_reply_to": "i1",
        "data": '"xxx',
        "size": 5000,
    },
]


class Admin:
    """Answers in place of a cluster, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def invoke(self, service: str, request: dict[str, Any]) -> Any:
        self.asked.append((service, request))
        if "session" in request:
            return {"session": "gateway/ws.1", "sent": 1, "received": 1, "messages": MESSAGES}
        return [{"session": "gateway/ws.1", "received": 7, "sent": 2}, {"session": "gateway/ws.2", "sent": 0}]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    found = Admin()

    def with_cluster(config: Path, cluster: str, action: Callable[[Admin], Any]) -> Any:
        assert (config, cluster) == (Path("clusters.toml"), "emea")
        return trio.run(action, found)

    monkeypatch.setattr("runtime.cli.message_log.with_cluster", with_cluster)
    return found


def test_the_sessions_that_have_a_log(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a session, each with how many messages it has had."""
    assert run_app(["message-log", "emea"]) == 0
    assert capsys.readouterr().out.splitlines() == ["gateway/ws.1  7 received  2 sent", "gateway/ws.2  0 sent"]
    assert admin.asked == [("isthmus.admin.message-log", {"limit": 100, "max_bytes": 2000})]


def test_no_log_is_said_plainly(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no channel keeps one."""
    monkeypatch.setattr("runtime.cli.message_log.with_cluster", lambda *_arguments: [])
    assert run_app(["message-log", "emea"]) == 0
    assert capsys.readouterr().out == "none\n"


def test_the_messages_of_a_session(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, which shows terminal controls of a peer instead of passing them on, and what was cut."""
    options = ["--direction", "sent", "--limit", "5", "--max-bytes", "4"]
    assert run_app(["message-log", "emea", "ws.1", *options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        '2026-01-01T00:00:00 ← Invoke      i1\\x1b[31m  {"a":1}',
        '2026-01-01T00:00:01 → Reply       r1  answers i1  "xxx  (5000 bytes in all)',
    ]
    [(_service, request)] = admin.asked
    assert request == {"session": "ws.1", "direction": "sent", "limit": 5, "max_bytes": 4}


def test_as_json(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    """What the cluster answered, for programs."""
    assert run_app(["message-log", "emea", "ws.1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["messages"] == MESSAGES


def test_a_direction_that_is_none(admin: Admin, capsys: pytest.CaptureFixture[str]) -> None:
    """Is a mistake on the command line, and the cluster is not asked."""
    assert run_app(["message-log", "emea", "ws.1", "--direction", "up"]) == 2
    assert "sent" in capsys.readouterr().err
    assert admin.asked == []
