"""Zato's client as a test sees it: commands to its process, and what its server sent it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import outcome
import trio

from tests.interop.zato_client.environment import INSIDE
from tests.planted import PASSWORD

__all__ = ["ClientError", "ZatoClient", "zato_client"]

PATIENCE = 30.0
"""Seconds for an answer of the driver, after which a test ends instead of hanging."""


class ClientError(Exception):
    """What a command raised in the client's process."""


class ZatoClient:
    """The client's process. `requests` and `closes` are what came from the server, in order."""

    def __init__(self, process: trio.Process) -> None:
        self._process = process
        self._ids = count(1)
        self._waiting: dict[int, tuple[trio.Event, list[outcome.Outcome[Any]]]] = {}
        self._changed = trio.Event()
        self.requests: list[dict[str, Any]] = []
        self.closes: list[dict[str, Any]] = []

    async def do(self, command: str, **arguments: Any) -> Any:
        """Have a command carried out and return its result, or raise `ClientError`."""
        number = next(self._ids)
        done, result = self._waiting[number] = (trio.Event(), [])
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps({"id": number, "do": command, **arguments}).encode() + b"\n")
        with trio.fail_after(PATIENCE):
            await done.wait()
        return result[0].unwrap()

    async def log_in(self, address: str, *, secret: str = PASSWORD, **options: Any) -> dict[str, bool]:
        """Connect, and return whether it is connected and whether it has logged in."""
        known = {"address": address, "username": "apac", "secret": secret, "client_id": "c1", "client_name": "tests"}
        state: dict[str, bool] = await self.do("connect", **{**known, **options})
        return state

    async def invoke(self, service: str, request: Any = None, **options: Any) -> Any:
        """Invoke a service through the gateway and return the whole answer; None where none came in time."""
        return await self.do("invoke", request={"service": service, "request": request}, **options)

    async def result(self, service: str, request: Any = None) -> Any:
        """Invoke a service through a gateway of 3.2 and return its result."""
        answer = await self.invoke(service, request)
        assert (answer["status"], answer["is_ok"]) == (200, True), answer
        return answer["data"]["response"]["zato_gateway_response"]

    async def subscribe(self, topic: str) -> str:
        created = await self.result("zato.pubsub.subscription.create-wsx-subscription", {"topic_name": topic})
        sub_key: str = created["sub_key"]
        return sub_key

    async def until(self, condition: Any) -> None:
        """Wait until what came from the server makes a condition true."""
        with trio.fail_after(PATIENCE):
            while not condition():
                await self._changed.wait()

    async def messages(self, number: int) -> list[dict[str, Any]]:
        """Return the first so many messages that were delivered, once they are there."""

        def delivered() -> list[dict[str, Any]]:
            found = [one["data"] for one in self.requests]
            return [message for data in found for message in (data if isinstance(data, list) else [data])]

        await self.until(lambda: len(delivered()) >= number)
        return delivered()[:number]

    async def read_for_ever(self) -> None:
        """Take what the driver says until it ends."""
        assert self._process.stdout is not None
        buffer = bytearray()
        async for part in self._process.stdout:
            *lines, rest = (buffer + part).split(b"\n")
            buffer = bytearray(rest)
            for line in lines:
                self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        match line:
            case {"id": number}:
                done, result = self._waiting.pop(number)
                error = line.get("error")
                result.append(outcome.Value(line.get("result")) if error is None else outcome.Error(ClientError(error)))
                done.set()
            case {"event": "request"}:
                self.requests.append(line)
            case {"event": "closed"}:
                self.closes.append(line)
        self._changed.set()
        self._changed = trio.Event()


@asynccontextmanager
async def zato_client(python: Path) -> AsyncGenerator[ZatoClient, None]:
    """Run Zato's client in a process of its own as long as the context; what it logs is shown when a test fails."""
    with tempfile.TemporaryFile() as log:
        process = await trio.lowlevel.open_process(
            [str(python), "-W", "ignore", "-m", "gevent.monkey", str(INSIDE / "driver.py")],
            env={**os.environ, "PYTHONPATH": str(INSIDE)},  # where its module `bunch` is
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.fileno(),
        )
        try:
            async with trio.open_nursery() as nursery:
                client = ZatoClient(process)
                nursery.start_soon(client.read_for_ever)
                yield client
                nursery.cancel_scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                process.kill()
                await process.wait()
                for stream in (process.stdin, process.stdout):
                    if stream is not None:
                        await stream.aclose()
            log.seek(0)
            print(log.read().decode(errors="replace"))
