"""Administrative services over the store: topics, subscriptions, messages and dead letters."""

from __future__ import annotations

from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.delivery import NewMessages
from actors.errors import ActorNotFound, BadInput
from actors.service import Service
from runtime.store.browse import StoreBrowser

__all__ = ["store_services"]


def store_services(browser: StoreBrowser) -> tuple[type[Service], ...]:
    """Return the services that look into a cluster's store."""

    class Topics(Service):
        """Lists the topics that were ever used."""

        name = f"{ADMIN_PREFIX}topics"

        async def handle(self) -> Any:
            """Return a dict for each."""
            return await browser.topics()

    class Subscriptions(Service):
        """Lists all subscriptions."""

        name = f"{ADMIN_PREFIX}subscriptions"

        async def handle(self) -> Any:
            """Return a dict for each."""
            return await browser.subscriptions()

    class Messages(Service):
        """Lists messages of a topic."""

        name = f"{ADMIN_PREFIX}messages"

        async def handle(self, request: dict[str, Any]) -> Any:
            """Return a dict for each message beyond the place `after`, at most `limit` of them."""
            after, limit = int(request.get("after") or 0), int(request.get("limit") or 100)
            return await browser.messages(_topic(request), after=after, limit=limit)

    class DeleteMessages(Service):
        """Deletes messages of a topic."""

        name = f"{ADMIN_PREFIX}delete-messages"

        async def handle(self, request: dict[str, Any]) -> Any:
            """Return how many messages, at the places listed or anywhere, were deleted."""
            return {"deleted": await browser.delete(_topic(request), _places(request))}

    class ReplayMessages(Service):
        """Publishes dead letters anew."""

        name = f"{ADMIN_PREFIX}replay-messages"

        async def handle(self, request: dict[str, Any]) -> Any:
            """Return the topics that dead letters, at the places listed or anywhere, went back to."""
            topics = await browser.replay(_topic(request), _places(request))
            for topic in topics:
                try:
                    await self.ref("topic", topic).tell(NewMessages())
                except ActorNotFound:
                    self.logger.warning("the topic does not run; its messages wait", topic=topic)
            return {"topics": topics}

    return Topics, Subscriptions, Messages, DeleteMessages, ReplayMessages


def _topic(request: dict[str, Any]) -> str:
    topic = request.get("topic")
    if not isinstance(topic, str) or not topic:
        msg = "topic: expected the name of a topic"
        raise BadInput(msg)
    return topic


def _places(request: dict[str, Any]) -> list[int] | None:
    places = request.get("places")
    if places is None:
        return None
    if not isinstance(places, list) or not all(type(place) is int for place in places):
        msg = f"places: expected a list of whole numbers, got {places!r}"
        raise BadInput(msg)
    return places
