"""What a topic keeps, page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from runtime.admin.client import AdminClient

__all__ = ["kept_messages"]

PAGE = 200
"""Messages that are asked for at once; fewer come where they are large."""


async def kept_messages(admin: AdminClient, topic: str, after: int, limit: int | None = None) -> AsyncIterator[Any]:
    """Give the messages beyond a place, in order, at most so many.

    Raises:
        NotFound: When nothing was ever published to the topic.
    """
    left = limit
    while left is None or left > 0:
        wanted = PAGE if left is None else min(PAGE, left)
        request = {"topic": topic, "after": after, "limit": wanted}
        page = await admin.invoke("isthmus.admin.messages", request)
        if not page:
            return
        for one in page:
            yield one
        after = page[-1]["place"]
        left = None if left is None else left - len(page)
