"""What topics, subscriptions and sessions tell each other."""

from __future__ import annotations

from attrs import frozen

from actors.call import PeerIdentity
from actors.messages import Deliver
from actors.settings import Compat

__all__ = [
    "Attach",
    "Attached",
    "Attachment",
    "Detach",
    "NewMessages",
    "SendDelivery",
    "Settled",
    "Subscribe",
    "Unsubscribe",
]


@frozen
class Attachment:
    """A session that takes a subscription's deliveries, and the shape it takes them in."""

    session: str
    compat: Compat


@frozen
class Subscribe:
    """To a topic: a peer's session wants its messages."""

    identity: PeerIdentity
    attachment: Attachment
    client_id: str


@frozen
class Unsubscribe:
    """To a topic: a peer does not want them any more; an empty `sub_key` means all of its subscriptions."""

    identity: PeerIdentity
    sub_key: str = ""


@frozen
class Attach:
    """To a subscription: a session wants the deliveries."""

    attachment: Attachment


@frozen
class Detach:
    """To a subscription: a session is gone."""

    session: str


@frozen
class NewMessages:
    """To a subscription: something was published to its topic."""


@frozen
class Settled:
    """To a subscription: a delivery was acknowledged, or refused for a reason."""

    delivery_id: str
    refused: str | None


@frozen
class Attached:
    """To a session: this subscription delivers to it."""

    subscription: str


@frozen
class SendDelivery:
    """To a session: send this; `Settled` comes back to the subscription."""

    subscription: str
    delivery: Deliver
