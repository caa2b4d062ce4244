"""The services that every cluster has."""

from actors.builtin.gateway import PubSubGateway, WebSocketsGateway
from actors.builtin.pubsub import (
    CreateSubscription,
    GetMessages,
    OwnSubscriptions,
    PublishMessage,
    ResumeSubscription,
    SubscribeWSX,
    Unsubscription,
)
from actors.builtin.zato import Echo, Ping
from actors.service import Service

__all__ = ["BUILTIN_SERVICES"]

BUILTIN_SERVICES: tuple[type[Service], ...] = (
    WebSocketsGateway,
    PubSubGateway,
    Echo,
    Ping,
    PublishMessage,
    CreateSubscription,
    SubscribeWSX,
    Unsubscription,
    GetMessages,
    ResumeSubscription,
    OwnSubscriptions,
)
