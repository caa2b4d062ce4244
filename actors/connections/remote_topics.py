"""Calls about topics of a remote cluster: messages of their own to a peer that knows them, else invocations.

A peer that does not name the feature `pubsub`, an older release or one that speaks Zato's format, has services for
the same, under the names that Zato's clients know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from actors.errors import BadInput, NotSupported
from actors.messages import PUBSUB, Invoke, Publication, PublishTo, SubscribeTo, UnsubscribeFrom
from actors.services.call import RemoteCall

__all__ = [
    "PUBLISH_SERVICE",
    "SUBSCRIBE_SERVICE",
    "UNSUBSCRIBE_SERVICE",
    "RemotePublish",
    "RemoteSubscribe",
    "RemoteTopicCall",
    "RemoteUnsubscribe",
]

PUBLISH_SERVICE = "zato.pubsub.pubapi.publish-message"
SUBSCRIBE_SERVICE = "zato.pubsub.subscription.create-wsx-subscription"
UNSUBSCRIBE_SERVICE = "zato.pubsub.pubapi.unsubscribe"


def _said_by(invoke: Invoke, data: Any) -> tuple[str, Any, str, float | None, str, str]:
    """Return what every request says, in its order, with other data."""
    return invoke.id, data, invoke.timestamp, invoke.timeout, invoke.cid, invoke.trace


class RemoteTopicCall(RemoteCall, kw_only=True, eq=False):
    """A call about a topic; what it asks for in either form has the same result."""

    topic: str
    data: Any = None

    def __post_init__(self) -> None:
        """Check what is said of the topic, so that it costs the link nothing."""
        if not isinstance(self.topic, str):
            msg = f"expected the name of a topic, got {self.topic!r:.40}"
            raise BadInput(msg)

    def message(self, invoke: Invoke, *, is_known: bool) -> Invoke:
        """Return the request as it is sent, with the id, the time, the cid and the trace of an `Invoke`.

        Raises:
            NotSupported: When the peer does not know such messages, and has no service for it either.
        """
        return self._kind(invoke) if is_known else replace(invoke, data=self._invocation())

    def _kind(self, invoke: Invoke) -> Invoke:
        raise NotImplementedError

    def _invocation(self) -> dict[str, Any]:
        raise NotImplementedError

    def result(self, ids: Sequence[str | None]) -> Any:
        """Return what the services return for the ids of a confirmation; None where these cannot be right."""
        raise NotImplementedError


class RemotePublish(RemoteTopicCall, kw_only=True, eq=False):
    """Publishes messages, which are stored together; the services take one only."""

    messages: Sequence[Publication]
    is_list: bool = False

    def _kind(self, invoke: Invoke) -> PublishTo:
        return PublishTo(*_said_by(invoke, list(self.messages)), topic=self.topic)

    def _invocation(self) -> dict[str, Any]:
        if self.is_list:
            msg = (
                f"the peer takes one message at a time (its wire format or release has no {PUBSUB!r}); nothing was sent"
            )
            raise NotSupported(msg)
        (one,) = self.messages
        return {"service": PUBLISH_SERVICE, "request": {"topic_name": self.topic, "data": one.data, **one.options}}

    def result(self, ids: Sequence[str | None]) -> Any:
        """Return the id, or the list of ids; see `RemoteTopicCall.result`."""
        if len(ids) != len(self.messages):
            return None
        return {"msg_ids": list(ids)} if self.is_list else {"msg_id": ids[0]}


class RemoteSubscribe(RemoteTopicCall, kw_only=True, eq=False):
    """Subscribes to a topic."""

    options: Mapping[str, Any]

    def _kind(self, invoke: Invoke) -> SubscribeTo:
        return SubscribeTo(*_said_by(invoke, [self.topic]), options=dict(self.options))

    def _invocation(self) -> dict[str, Any]:
        return {"service": SUBSCRIBE_SERVICE, "request": {"topic_name": self.topic, **self.options}}

    def result(self, ids: Sequence[str | None]) -> Any:
        """Return the sub_key; see `RemoteTopicCall.result`."""
        return {"sub_key": ids[0]} if len(ids) == 1 and ids[0] else None


class RemoteUnsubscribe(RemoteTopicCall, kw_only=True, eq=False):
    """Ends a subscription."""

    sub_key: str = ""

    def __post_init__(self) -> None:
        """Check what is said of the sub_key, too."""
        RemoteTopicCall.__post_init__(self)
        if not isinstance(self.sub_key, str):
            msg = f"expected a sub_key, got {self.sub_key!r:.40}"
            raise BadInput(msg)

    def _kind(self, invoke: Invoke) -> UnsubscribeFrom:
        return UnsubscribeFrom(*_said_by(invoke, self.topic), sub_key=self.sub_key)

    def _invocation(self) -> dict[str, Any]:
        sub_key = {"sub_key": self.sub_key} if self.sub_key else {}
        return {"service": UNSUBSCRIBE_SERVICE, "request": {"topic_name": self.topic, **sub_key}}

    def result(self, ids: Sequence[str | None]) -> Any:
        """Return an empty dict; see `RemoteTopicCall.result`."""
        return {}
