"""The services that every cluster has."""

from actors.builtin.gateway import PubSubGateway, ServiceGateway, WebSocketsGateway
from actors.builtin.helpers import HelperEcho, InputLogger, JsonRawRequestLogger, RawRequestLogger
from actors.builtin.pubsub import (
    CreateSubscription,
    GetMessages,
    OwnSubscriptions,
    PublishMessage,
    ResumeSubscription,
    SubscribeWSX,
    TopicRequests,
    Unsubscription,
)
from actors.builtin.zato import Echo, Ping
from actors.services.service import Service

__all__ = ["BUILTIN_SERVICES"]

BUILTIN_SERVICES: tuple[type[Service], ...] = (
    WebSocketsGateway,
    PubSubGateway,
    ServiceGateway,
    Echo,
    HelperEcho,
    InputLogger,
    RawRequestLogger,
    JsonRawRequestLogger,
    Ping,
    PublishMessage,
    TopicRequests,
    CreateSubscription,
    SubscribeWSX,
    Unsubscription,
    GetMessages,
    ResumeSubscription,
    OwnSubscriptions,
)
