"""Administrative services over the store: topics, subscriptions, messages and dead letters."""

from __future__ import annotations

from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import ActorNotFound, BadInput, NotFound
from actors.services.service import Service
from actors.topics.delivery import GetRecord, NewMessages, SetOptions, Unsubscribe
from actors.topics.publication import SubscriptionRecord
from actors.topics.subscribing import subscription_options
from runtime.admin.change import Change
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

    class DeleteMessages(Change):
        """Deletes messages of a topic."""

        name = f"{ADMIN_PREFIX}delete-messages"
        tells = ("topic", "places")
        tells_after = ("deleted",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return how many messages, at the places listed or anywhere, were deleted."""
            return {"deleted": await browser.delete(_topic(request), _places(request))}

    class ShowMessage(Service):
        """Shows one message."""

        name = f"{ADMIN_PREFIX}show-message"

        async def handle(self, request: dict[str, Any]) -> Any:
            """Return all that is known of the message at a place, and which subscriptions are not done with it."""
            return await browser.show(_topic(request), _place(request))

    class EditMessage(Change):
        """Changes one message."""

        name = f"{ADMIN_PREFIX}edit-message"
        tells = ("topic", "place")

        async def change(self, request: dict[str, Any]) -> Any:
            """Return the message as it is now."""
            changes = request.get("changes")
            if not isinstance(changes, dict) or not changes:
                msg = "changes: expected what is to be changed, by name"
                raise BadInput(msg)
            topic, place = _topic(request), _place(request)
            await browser.edit(topic, place, changes)
            return await browser.show(topic, place)

    class ClearSubscription(Change):
        """Has a subscription be done with all that waits for it."""

        name = f"{ADMIN_PREFIX}clear-subscription"
        tells = ("sub_key",)
        tells_after = ("cleared",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return how many messages that was."""
            return {"cleared": await browser.clear(_sub_key(request))}

    class SetSubscription(Change):
        """Sets how a subscription's messages are delivered."""

        name = f"{ADMIN_PREFIX}set-subscription"
        tells = ("sub_key", "options")

        async def change(self, request: dict[str, Any]) -> Any:
            """Return what is set of it now."""
            sub_key = _sub_key(request)
            record = await _record(self, sub_key)
            options = request.get("options")
            if not isinstance(options, dict):
                msg = "options: expected what is to be set, by name"
                raise BadInput(msg)
            order = SetOptions(sub_key, subscription_options(options))
            return await self.ref("topic", record.topic).ask(order)

    class EndSubscription(Change):
        """Ends a subscription; what waits for it becomes dead letters."""

        name = f"{ADMIN_PREFIX}end-subscription"
        tells = ("sub_key",)
        tells_after = ("topic",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return its topic."""
            sub_key = _sub_key(request)
            record = await _record(self, sub_key)
            await self.ref("topic", record.topic).ask(Unsubscribe(record.owner, sub_key))
            return {"topic": record.topic}

    class ReplayMessages(Change):
        """Publishes dead letters anew."""

        name = f"{ADMIN_PREFIX}replay-messages"
        tells = ("topic", "places")
        tells_after = ("topics",)

        async def change(self, request: dict[str, Any]) -> Any:
            """Return the topics that dead letters, at the places listed or anywhere, went back to."""
            topics = await browser.replay(_topic(request), _places(request))
            for topic in topics:
                try:
                    await self.ref("topic", topic).tell(NewMessages())
                except ActorNotFound:
                    self.logger.warning("the topic does not run; its messages wait", topic=topic)
            return {"topics": topics}

    return (
        Topics,
        Subscriptions,
        Messages,
        ShowMessage,
        EditMessage,
        DeleteMessages,
        ReplayMessages,
        ClearSubscription,
        SetSubscription,
        EndSubscription,
    )


def _topic(request: dict[str, Any]) -> str:
    topic = request.get("topic")
    if not isinstance(topic, str) or not topic:
        msg = "topic: expected the name of a topic"
        raise BadInput(msg)
    return topic


async def _record(service: Service, sub_key: str) -> SubscriptionRecord:
    try:
        record: SubscriptionRecord = await service.ref("subscription", sub_key).ask(GetRecord())
    except ActorNotFound:
        msg = f"there is no subscription {sub_key!r}"
        raise NotFound(msg) from None
    return record


def _sub_key(request: dict[str, Any]) -> str:
    sub_key = request.get("sub_key")
    if not isinstance(sub_key, str) or not sub_key:
        msg = "sub_key: expected the sub_key of a subscription"
        raise BadInput(msg)
    return sub_key


def _place(request: dict[str, Any]) -> int:
    place = request.get("place")
    if type(place) is not int:
        msg = f"place: expected a whole number, got {place!r}"
        raise BadInput(msg)
    return place


def _places(request: dict[str, Any]) -> list[int] | None:
    places = request.get("places")
    if places is None:
        return None
    if not isinstance(places, list) or not all(type(place) is int for place in places):
        msg = f"places: expected a list of whole numbers, got {places!r}"
        raise BadInput(msg)
    return places
