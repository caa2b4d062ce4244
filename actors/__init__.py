"""What you declare in Isthmus: services, hooks and actors, and what they can reach."""

from actors.actor import Actor
from actors.builtin.gateway import WebSocketsGateway
from actors.bunch import Bunch
from actors.call import CallResponse
from actors.channel_events import ChannelEvent
from actors.connection_adapter import ConnectionAdapter, OnClosed, OnConnected, OnMessageReceived, WSXAdapter
from actors.element_objects import Dict, DictList
from actors.elements import CSV, UTC, UUID, AsIs, Bool, Date, DateTime, Decimal, Float, Int, List, Opaque, Secret, Text
from actors.errors import (
    ActorCrashed,
    ActorNotFound,
    ActorStopped,
    AskTimeout,
    BadInput,
    BadRequest,
    CallError,
    Conflict,
    Forbidden,
    InternalServerError,
    InvokeTimeout,
    IsthmusError,
    LinkDown,
    LinkLost,
    MailboxFull,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    RemoteError,
    ServiceNotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from actors.function_service import service
from actors.hooks import Closed, Connected, MessageReceived, Subscribing
from actors.mailbox import MailboxLimits, Overflow
from actors.model import Model, dict_, list_, optional
from actors.pubsub_hook import HookAction, PubSubHook
from actors.ref import ActorRef
from actors.service import Service
from actors.supervision import Backoff, ChildSpec, Intensity, Restart, Strategy
from actors.wsx_hook import WSXHook

__all__ = [
    "CSV",
    "UTC",
    "UUID",
    "Actor",
    "ActorCrashed",
    "ActorNotFound",
    "ActorRef",
    "ActorStopped",
    "AsIs",
    "AskTimeout",
    "Backoff",
    "BadInput",
    "BadRequest",
    "Bool",
    "Bunch",
    "CallError",
    "CallResponse",
    "ChannelEvent",
    "ChildSpec",
    "Closed",
    "Conflict",
    "Connected",
    "ConnectionAdapter",
    "Date",
    "DateTime",
    "Decimal",
    "Dict",
    "DictList",
    "Float",
    "Forbidden",
    "HookAction",
    "Int",
    "Intensity",
    "InternalServerError",
    "InvokeTimeout",
    "IsthmusError",
    "LinkDown",
    "LinkLost",
    "List",
    "MailboxFull",
    "MailboxLimits",
    "MessageReceived",
    "MethodNotAllowed",
    "Model",
    "NotFound",
    "OnClosed",
    "OnConnected",
    "OnMessageReceived",
    "Opaque",
    "Overflow",
    "Overloaded",
    "PubSubHook",
    "RemoteError",
    "Restart",
    "Secret",
    "Service",
    "ServiceNotFound",
    "ServiceUnavailable",
    "Strategy",
    "Subscribing",
    "Text",
    "TooManyRequests",
    "Unauthorized",
    "WSXAdapter",
    "WSXHook",
    "WebSocketsGateway",
    "dict_",
    "list_",
    "optional",
    "service",
]
