"""What a process says to a service manager: over sockets of both kinds, and where nobody listens."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.notify import Notifier


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
        own.settimeout(30)
        yield own


@pytest.mark.parametrize("is_abstract", [True, False])
def test_lines_arrive_as_one_datagram(is_abstract: bool, manager: socket.socket, tmp_path: Path) -> None:
    """At a path and at an abstract address; the environment has nothing of it any more."""
    name = f"@isthmus-test-{os.getpid()}" if is_abstract else str(tmp_path / "notify")
    manager.bind(f"\0{name[1:]}" if is_abstract else name)
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid()), "X": "y"}
    notifier = Notifier.of_service_manager(environment)
    try:
        assert environment == {"X": "y"}
        assert (notifier.is_heard, notifier.watchdog) == (True, 3.0)
        assert notifier.tell("READY=1", "STATUS=ready: über")
        assert manager.recv(1000).decode() == "READY=1\nSTATUS=ready: über"
    finally:
        notifier.close()


@pytest.mark.parametrize(
    ("environment", "is_heard", "watchdog"),
    [
        ({}, False, None),
        ({"NOTIFY_SOCKET": "vsock:2:1234"}, False, None),
        ({"NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "1"}, False, None),
        ({"WATCHDOG_USEC": "3000000"}, False, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, True, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, True, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "0"}, True, None),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "500000"}, True, 0.5),
    ],
)
def test_what_the_environment_says_is_minded(
    environment: dict[str, str], is_heard: bool, watchdog: float | None
) -> None:
    """A watchdog of another process is none of this one's; what cannot be used is as though it were not there."""
    notifier = Notifier.of_service_manager(dict(environment))
    assert (notifier.is_heard, notifier.watchdog) == (is_heard, watchdog)
    notifier.close()


def test_nobody_is_waited_for(manager: socket.socket, tmp_path: Path) -> None:
    """A manager that is gone, or that does not read, costs a line that is not sent, and nothing else."""
    name = str(tmp_path / "notify")
    notifier = Notifier.of_service_manager({"NOTIFY_SOCKET": name})
    assert not notifier.tell("READY=1")
    manager.bind(name)
    sent = 0
    while notifier.tell(f"STATUS={'x' * 1000}"):
        sent += 1
        assert sent < 100_000
    for _ in range(sent):
        manager.recv(2000)
    assert notifier.tell("READY=1")
    notifier.close()
    assert not Notifier().tell("READY=1")


def test_a_server_tells_its_launcher_in_lines() -> None:
    """Over a stream, which the launcher reads line by line; one that is gone costs nothing."""
    own, theirs = socket.socketpair()
    environment = {"WATCHDOG_USEC": "2000000"}
    with own, theirs:
        notifier = Notifier.of_launcher(theirs.fileno(), environment)
        assert (notifier.watchdog, environment) == (2.0, {})
        assert notifier.tell("READY=1", "STATUS=ready")
        assert notifier.tell("WATCHDOG=1")
        assert own.recv(1000) == b"READY=1\nSTATUS=ready\nWATCHDOG=1\n"
        own.close()
        assert not notifier.tell("WATCHDOG=1")
        notifier.close()
