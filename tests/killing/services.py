"""The publisher and the subscriber of a run; both write down what happened before anything depends on it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

import trio

from actors import CallError, MessageReceived, Service

TOPIC = "/kill/news"
WORKERS = 128
RETRY_AFTER = 0.2


def _words(path: str) -> list[str]:
    """Return what was appended, which is no word yet where there is no file."""
    return Path(path).read_text().split() if Path(path).exists() else []


def _append(path: str, text: str) -> None:
    """Append by one write, which a SIGKILL finds done or not begun."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


class Publish(Service):
    """Publishes numbered messages across its link until each is confirmed, and writes down those that are.

    It is the connection's on_connect, so it goes on with each link where the one before ended: what was not
    confirmed is repeated under its id.
    """

    name = "kill.publish"

    async def handle(self) -> None:
        """Publish what is left, side by side; the end of the link cancels it."""
        confirmed = self.config["confirmed"]
        done = set(_words(confirmed))
        left = deque(f"k{number}" for number in range(self.config["messages"]) if f"k{number}" not in done)
        async with trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._publish_some, left, confirmed)

    async def _publish_some(self, left: deque[str], confirmed: str) -> None:
        client = self.request.payload["ctx"].conn.client()
        while left:
            msg_id = left.popleft()
            while True:
                try:
                    await client.publish(TOPIC, {"id": msg_id}, msg_id=msg_id)
                except CallError as error:
                    self.logger.debug("not confirmed", msg_id=msg_id, error=str(error))
                    await trio.sleep(RETRY_AFTER)
                else:
                    break
            _append(confirmed, f"{msg_id}\n")


class Receive(Service):
    """Writes down each message that it is given, and how often it may have been delivered."""

    name = "kill.receive"

    def handle(self) -> None:
        """Write before the hook ends, which is what acknowledges."""
        ctx = self.request.payload["ctx"]
        if isinstance(ctx, MessageReceived):
            lines = [f"{message['data']['id']} {message['delivery_count']}\n" for message in ctx.data.data]
            _append(self.config["received"], "".join(lines))
