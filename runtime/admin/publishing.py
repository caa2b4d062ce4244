"""An administrative service that publishes many messages at once, and tells of each what became of it."""

from __future__ import annotations

from typing import Any

from actors.builtin.gateway import ADMIN_PREFIX
from actors.errors import BadInput, CallError
from actors.topics.delivery import PublishEach
from actors.topics.publication import Publish
from actors.topics.topic_access import publish
from runtime.admin.change import Change

__all__ = ["PUBLISHING_SERVICES"]


class PublishMessages(Change):
    """Publishes messages to a topic, in their order; some that cannot be published hold up none of the others."""

    name = f"{ADMIN_PREFIX}publish-messages"
    tells = ("topic_name",)
    tells_after = ("published",)

    async def change(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return how many are `published`, and for each a result.

        That is its `msg_id`, None where a hook skipped it, or the `error` and its `status`. The request has
        `topic_name` and `messages`, each with `data` and what a publisher says beside it.
        """
        topic, messages = request.get("topic_name"), request.get("messages")
        if not isinstance(topic, str) or not topic:
            msg = "topic_name: expected the name of a topic"
            raise BadInput(msg)
        if not isinstance(messages, list) or not all(isinstance(one, dict) for one in messages):
            msg = "messages: expected a list of objects"
            raise BadInput(msg)
        checked = [self._checked(one) for one in messages]
        wanted = [one for one in checked if isinstance(one, Publish)]
        found = iter(await publish(self.reach, topic, PublishEach(tuple(wanted))))
        results = [_told(next(found) if isinstance(one, Publish) else one) for one in checked]
        return {"published": sum(one.get("msg_id") is not None for one in results), "results": results}

    def _checked(self, message: dict[str, Any]) -> Publish | CallError:
        options = {name: value for name, value in message.items() if name != "data"}
        try:
            return Publish.of(message.get("data"), options, cid=self.cid)
        except BadInput as error:
            return error


PUBLISHING_SERVICES: tuple[type[Change], ...] = (PublishMessages,)


def _told(result: str | CallError | None) -> dict[str, Any]:
    if isinstance(result, CallError):
        return {"error": str(result), "status": result.status}
    return {"msg_id": result}
