"""The services that every cluster has."""

from actors.builtin.gateway import PubSubGateway, WebSocketsGateway
from actors.builtin.zato import CreateSubscription, Echo, Ping, PublishMessage, Unsubscription
from actors.service import Service

__all__ = ["BUILTIN_SERVICES"]

BUILTIN_SERVICES: tuple[type[Service], ...] = (
    WebSocketsGateway,
    PubSubGateway,
    Echo,
    Ping,
    PublishMessage,
    CreateSubscription,
    Unsubscription,
)
