"""The door of a channel: who may connect, before any credentials are looked at, and how many at once."""

from __future__ import annotations

from collections import Counter

import structlog
from attrs import define, field, frozen
from trio_websocket import WebSocketRequest

from actors.audit import NO_AUDIT, Audit, AuditEvent, AuditResult
from actors.settings import WireFormat
from runtime.security.addresses import AccessList, group_of
from runtime.wire import NATIVE_SUBPROTOCOL

__all__ = ["Comer", "Door", "Inside", "Refused"]

_log = structlog.get_logger(kind="link")


@frozen
class Refused:
    """What a peer that may not come in is told: an HTTP status, and what is wrong."""

    status: int
    reason: str

    @property
    def body(self) -> bytes:
        """What the response says."""
        return b'{"error": "%s"}' % self.reason.encode()


_NOT_FOUND = Refused(404, "Not found")
_FORBIDDEN = Refused(403, "Forbidden")
_TOO_MANY = Refused(503, "Too many connections")
_TOO_MANY_OF_ONE = Refused(429, "Too many connections")
_WRONG_WIRE = Refused(400, f"Sub-protocol {NATIVE_SUBPROTOCOL} expected")


@frozen
class Comer:
    """Who wants to come in: the other end of the connection, as printed and without the port, and who is behind it."""

    peer: str
    host: str
    behind: str = ""

    @property
    def address(self) -> str:
        """Where the client is."""
        return self.behind or self.host


@define
class Inside:
    """How many have come in and have not left: in all, and from each address once that is known."""

    count: int = 0
    by_address: Counter[str] = field(factory=Counter)

    def enter(self, address: str) -> str:
        """Count a peer's address; return what it is counted under, to leave by."""
        group = group_of(address)
        if group:
            self.by_address[group] += 1
        return group

    def leave(self, group: str) -> None:
        """Count it no more; nothing where it was not counted."""
        if group:
            self.by_address[group] -= 1
            if not self.by_address[group]:
                del self.by_address[group]


@frozen
class Door:
    """Decides who may connect to a channel.

    Args:
        path: What a request must ask for.
        channel: The channel's name, for the audit log.
        audit: Told of those who are turned away.
        access: Which addresses may connect, and which proxies are believed.
        allowed_origins: Browser origins that may connect.
        wire: Which formats peers may choose.
        max_links: How many links there may be at once.
        max_links_per_address: How many of one address.
    """

    path: str
    channel: str = ""
    audit: Audit = NO_AUDIT
    access: AccessList = field(factory=AccessList)
    allowed_origins: frozenset[str] = frozenset()
    wire: WireFormat = WireFormat.AUTO
    max_links: int = 10_000
    max_links_per_address: int = 10_000

    def shuts_at_once(self, comer: Comer) -> bool:
        """Tell whether somebody may not connect, so that not a byte of him is read."""
        is_refused = self.access.refuses_at_once(comer.host)
        if is_refused:
            self._note("its address is not allowed", comer)
        return is_refused

    def group_of(self, comer: Comer) -> str:
        """Return what an address is counted under before a word was said; empty where many may be behind it."""
        return "" if self.access.trusts(comer.host) else group_of(comer.host)

    def is_crowded(self, comer: Comer, inside: Inside, group: str, *, waiting: int, of_group: int) -> bool:
        """Tell whether so many wait at the door, in all or of one address, that another would not be let in anyway."""
        if waiting and inside.count + waiting >= self.max_links:
            self._note("too many connections", comer)
        elif group and of_group and inside.by_address[group] + of_group >= self.max_links_per_address:
            self._note("too many connections of this address", comer)
        else:
            return False
        return True

    def client_behind(self, request: WebSocketRequest, host: str) -> str:
        """Return the address of a client that came through a trusted proxy; empty where it came through none."""
        said = [value.decode("latin-1") for name, value in request.headers if name.lower() == b"x-forwarded-for"]
        return self.access.client_behind(host, said)

    def is_native(self, request: WebSocketRequest) -> bool:
        """Tell whether the native format is to be spoken."""
        return self.wire is not WireFormat.ZATO and NATIVE_SUBPROTOCOL in request.proposed_subprotocols

    def refusal(self, request: WebSocketRequest, comer: Comer, inside: Inside) -> Refused | None:
        """Return why somebody may not come in; None where he may.

        Args:
            request: What he asks for.
            comer: Who it is.
            inside: Who is there already; he is among the count, and his address is not counted yet.
        """
        origin = next((value.decode("latin-1") for name, value in request.headers if name.lower() == b"origin"), "")
        if request.path != self.path:
            return _NOT_FOUND
        if not self.access.admits(comer.address):
            return self._turned_away(_FORBIDDEN, "its address is not allowed", comer)
        if origin and origin not in self.allowed_origins:
            return self._turned_away(_FORBIDDEN, "origin refused", comer, origin=origin)
        if inside.count > self.max_links:
            return self._turned_away(_TOO_MANY, "too many connections", comer)
        if inside.by_address[group_of(comer.address)] >= self.max_links_per_address:
            return self._turned_away(_TOO_MANY_OF_ONE, "too many connections of this address", comer)
        if self.wire is WireFormat.NATIVE and not self.is_native(request):
            return _WRONG_WIRE
        return None

    def _turned_away(self, refused: Refused, reason: str, comer: Comer, **facts: str) -> Refused:
        self._note(reason, comer, **facts)
        return refused

    def _note(self, reason: str, comer: Comer, **facts: str) -> None:
        proxy = {"proxy": comer.peer} if comer.behind else {}
        known = {"address": comer.behind or comer.peer, "channel": self.channel, "reason": reason, **proxy, **facts}
        _log.warning("turned away", **known)
        self.audit.note(AuditEvent.CONNECTION, AuditResult.REFUSED, who="", **known)
