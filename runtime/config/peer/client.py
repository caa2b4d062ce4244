"""What a client in any language sends to a channel, in Zato's JSON format; docs/protocol.md has all of it."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from actors.connections.remote_topics import SUBSCRIBE_SERVICE
from actors.settings import SecurityKind, SecuritySettings, WireFormat
from runtime.config.peer.facts import NoSuchPeer, PeerFacts

__all__ = ["ClientSteps", "client_steps"]

SECRET = "SECRET"  # noqa: S105 - what stands where the secret goes
TOKEN = "TOKEN"  # noqa: S105 - what stands where the session's token goes

_AT = "2026-01-31T12:00:00.000000"


@frozen
class ClientSteps:
    """The messages, with `SECRET` and `TOKEN` in the places of what is secret.

    Args:
        log_in: What is sent first; the answer has the token in its `data.token`.
        call: An invocation.
        subscribe: One that subscribes; None where the peer may not.
        header: What may be sent with the upgrade in place of the secret in the first message; empty for nothing.
    """

    log_in: dict[str, Any]
    call: dict[str, Any]
    subscribe: dict[str, Any] | None
    header: str


def client_steps(facts: PeerFacts) -> ClientSteps:
    """Return what to send.

    Raises:
        NoSuchPeer: Where the channel does not speak the format.
    """
    if facts.settings.wire is WireFormat.NATIVE:
        msg = f"channel {facts.channel!r} speaks isthmus.1 only, which part two of docs/protocol.md describes"
        raise NoSuchPeer(msg)
    has_secret = facts.kind not in (None, SecurityKind.CERTIFICATE)
    who = {"username": facts.security.username} if facts.security and facts.kind is SecurityKind.BASIC else {}
    log_in = _message("create-session", "1", **who, **({"secret": SECRET} if has_secret else {}), client_id="client-1")
    ping: Any = {"service": "zato.ping", "request": None} if facts.has_gateway else {}
    subscribe = None
    if facts.topics and facts.has_gateway:
        request = {"topic_name": facts.topics[0]}
        invocation = {"service": SUBSCRIBE_SERVICE, "request": request}
        subscribe = _message("invoke-service", "3", token=TOKEN) | {"data": invocation}
    return ClientSteps(log_in, _message("invoke-service", "2", token=TOKEN) | {"data": ping}, subscribe, _header(facts))


def _message(action: str, name: str, **more: Any) -> dict[str, Any]:
    return {"meta": {"action": action, "id": name, "timestamp": _AT, **more}}


def _header(facts: PeerFacts) -> str:
    match facts.security:
        case SecuritySettings(type=SecurityKind.BASIC):
            return "Authorization: Basic, of user name and password"
        case SecuritySettings(type=SecurityKind.BEARER | SecurityKind.JWT):
            return f"Authorization: Bearer {SECRET}"
        case SecuritySettings(type=SecurityKind.API_KEY, header=header):
            return f"{header}: {SECRET}"
        case _:
            return ""
