"""What topics, subscriptions and sessions tell each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from actors.messages import Deliver, Refusal
from actors.services.call import PeerIdentity
from actors.settings import DeliveryOptions, TopicSettings
from actors.topics.attachment import Attachment
from actors.topics.publication import Publish

__all__ = [
    "TOPICS",
    "TOPIC_REQUESTS",
    "Attach",
    "Attached",
    "ConfigureTopics",
    "CreateTopic",
    "Detach",
    "Extended",
    "FindTopic",
    "GetRecord",
    "NewMessages",
    "NewSettings",
    "PublishEach",
    "PublishMany",
    "Resume",
    "SendDelivery",
    "SetOptions",
    "Settled",
    "StartSubscriber",
    "SubKeyOf",
    "Subscribe",
    "TakeMessages",
    "Unsubscribe",
]


TOPICS = "all"
"""The name of the one actor of kind `topics` that a cluster has."""

TOPIC_REQUESTS = "isthmus.pubsub.requests"
"""The service that does what peers ask of topics in messages of their own."""


@frozen
class FindTopic:
    """To the topics: start a topic, where there may be one of that name; the answer is its settings, or None."""

    topic: str


@frozen
class ConfigureTopics:
    """To the topics: clusters.toml names others now; the queues of those that it names no more stay in the store."""

    configured: Mapping[str, TopicSettings]


@frozen
class NewSettings:
    """To a topic: it may be set to something else now."""


@frozen
class CreateTopic:
    """To the topics: make a topic that is there from now on, also after a restart."""

    topic: str
    settings: TopicSettings


@frozen
class StartSubscriber:
    """To the topics: have a service of this cluster receive a topic's messages from now on.

    The answer is the kind and the name of the actor that takes them for it, which answers `SubKeyOf`.
    """

    service: str
    topic: str
    options: DeliveryOptions = field(factory=DeliveryOptions)


@frozen
class SubKeyOf:
    """To the actor that takes messages for a service: the sub_key of its subscription to a topic, once it has one."""

    topic: str


@frozen
class PublishMany:
    """To a topic: messages to be stored together; the answer is the list of their ids."""

    messages: tuple[Publish, ...]


@frozen
class PublishEach(PublishMany):
    """The same, but for the answer: of each its id, why it is not published, or None where a hook skipped it."""


@frozen
class Subscribe:
    """To a topic: a peer's session wants its messages; the answer is the sub_key.

    Args:
        identity: Who asks.
        attachment: Where to deliver.
        client_id: What the peer calls itself.
        pattern: Which pattern of its endpoint allows it.
        options: What it sets of `DeliverySettings`, checked.
        is_lasting: Whether the subscription outlives its last session.
    """

    identity: PeerIdentity
    attachment: Attachment
    client_id: str
    pattern: str = ""
    options: Mapping[str, Any] = field(factory=dict)
    is_lasting: bool = True


@frozen
class Resume:
    """To a topic: a session wants the deliveries of a subscription that there is, whose sub_key it can tell.

    It is answered with the sub_key, or with `Forbidden` where there is none or it is another identity's.
    """

    identity: PeerIdentity
    attachment: Attachment
    sub_key: str


@frozen
class Unsubscribe:
    """To a topic: a peer does not want them any more; an empty `sub_key` means all of its subscriptions.

    Where nobody can tell peers of an identity apart those of the session are meant then. With `leave_rest` what waits
    goes to the next subscription of the same security definition.
    """

    identity: PeerIdentity
    sub_key: str = ""
    leave_rest: bool = False
    session: str = ""


@frozen
class SetOptions:
    """To a topic: have a subscription's messages delivered otherwise; the answer is all that is set of it."""

    sub_key: str
    options: Mapping[str, Any]


@frozen
class Attach:
    """To a subscription: a session wants the deliveries, alone where it is the newest link of the only peer."""

    attachment: Attachment
    is_alone: bool = False


@frozen
class Detach:
    """To a subscription: a session is gone."""

    session: str


@frozen
class NewMessages:
    """To a subscription: something was published to its topic."""


@frozen
class GetRecord:
    """To a subscription: whose it is, of which topic; the answer is its `SubscriptionRecord`."""


@frozen
class TakeMessages:
    """To a subscription: its first messages, for good; the answer is a list of each with its count of deliveries."""

    limit: int
    max_bytes: int


@frozen
class Settled:
    """To a subscription: a delivery was answered.

    Args:
        delivery_id: Which.
        refused: Why none of its messages were handled; None where they were, but for those of `refusals`.
        refusals: Messages that were not handled.
    """

    delivery_id: str
    refused: str | None = None
    refusals: tuple[Refusal, ...] = ()


@frozen
class Extended:
    """To a subscription: a delivery is still being handled."""

    delivery_id: str


@frozen
class Attached:
    """To a session: this subscription delivers to it."""

    subscription: str


@frozen
class SendDelivery:
    """To a session: send this; `Settled` comes back to the subscription.

    Args:
        subscription: Which subscription sends it.
        delivery: What is sent.
        size: The bytes that its messages were published as.
    """

    subscription: str
    delivery: Deliver
    size: int
