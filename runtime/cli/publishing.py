"""Publishing many messages over an administrative session, and what became of each of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import trio
from attrs import define, field, frozen

from actors.errors import CallError, InvokeTimeout, LinkClosed, NotFound
from runtime.admin.client import AdminClient

__all__ = ["Item", "Publishing", "Unpublished"]

SERVICE = "isthmus.admin.publish-messages"

MOST = 500
"""Messages in one request."""

LARGEST = 1024 * 1024
"""Bytes in one request, unless a single message is larger."""


@frozen
class Item:
    """What is to be published: where it stands, such as `orders.txt:7`, its number, the text, or what is wrong."""

    place: str
    number: int
    text: str | None
    problem: str = ""


@frozen
class Unpublished:
    """A message that was not published, or of which that is not known (`is_unknown`), and why."""

    place: str
    error: str
    status: int
    is_unknown: bool = False

    def __str__(self) -> str:
        what = "not known whether it was published: " if self.is_unknown else ""
        return f"{self.place}: {what}{self.error}"


@define
class Publishing:
    """Publishes items in their order.

    Args:
        topic: Where to.
        options: What is said of each message beside its data; a `msg_id` has its number appended where `is_numbered`.
        reads_json: Whether items are JSON and not text.
        is_numbered: Whether there may be several messages, which need ids of their own.
    """

    topic: str
    options: Mapping[str, Any]
    reads_json: bool
    is_numbered: bool
    msg_ids: list[str] = field(factory=list)
    skipped: int = 0
    last_place: str = ""
    """Where the last one stands that was sent."""
    unpublished: list[Unpublished] = field(factory=list)

    async def publish(self, admin: AdminClient, items: Sequence[Item]) -> None:
        """Publish items, a request for as many as fit into one; those that were not published are noted.

        What was sent without an answer is noted as not known before the error is raised.

        Raises:
            InvokeTimeout: When no answer came.
            LinkClosed: When the session ended.
            NotFound: When there is no such topic; nothing of the request is published then.
        """
        batch: list[tuple[Item, dict[str, Any]]] = []
        size = 0
        for item in items:
            message = self._message(item)
            if message is None:
                continue
            length = len(item.text or "")
            if batch and (len(batch) == MOST or size + length > LARGEST):
                await self._send(admin, batch)
                batch, size = [], 0
            batch.append((item, message))
            size += length
        if batch:
            await self._send(admin, batch)

    def _message(self, item: Item) -> dict[str, Any] | None:
        """Return an item as a request has it; one that cannot be read is noted."""
        problem, data = item.problem, item.text
        if data is not None and self.reads_json:
            try:
                data = json.loads(data)
            except ValueError as error:
                problem = f"not JSON: {error}"
        if problem:
            self.unpublished.append(Unpublished(item.place, problem, 400))
            return None
        message = {**self.options, "data": data}
        if self.is_numbered and "msg_id" in message:
            message["msg_id"] = f"{message['msg_id']}-{item.number}"
        return message

    async def _send(self, admin: AdminClient, batch: Sequence[tuple[Item, dict[str, Any]]]) -> None:
        request = {"topic_name": self.topic, "messages": [message for _item, message in batch]}
        try:
            results = (await admin.invoke(SERVICE, request))["results"]
        except (InvokeTimeout, LinkClosed, trio.Cancelled):
            lost = [Unpublished(item.place, "no answer came", 504, is_unknown=True) for item, _message in batch]
            self.unpublished += lost
            self.last_place = batch[-1][0].place
            raise
        except NotFound:
            raise
        except CallError as error:
            results = [{"error": str(error), "status": error.status}] * len(batch)
        self.last_place = batch[-1][0].place
        for (item, _message), result in zip(batch, results, strict=True):
            if "error" in result:
                self.unpublished.append(Unpublished(item.place, result["error"], result["status"]))
            elif result["msg_id"] is None:
                self.skipped += 1
            else:
                self.msg_ids.append(result["msg_id"])
