"""What the audit log is told: who was let in or refused, and who changed what. Where it is kept `runtime` knows."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

__all__ = ["NO_AUDIT", "Audit", "AuditEvent", "AuditResult"]


class AuditEvent(Enum):
    """What an entry is about."""

    SERVER = "server"  # a server began or ended
    CONNECTION = "connection"  # somebody connected to a channel and was refused before any log-in
    LOG_IN = "log-in"  # a session was created, or was refused
    SERVICE = "service"  # a service was denied to whoever invoked it, or was invoked over the admin socket
    TOPIC = "topic"  # publishing to a topic, subscribing to it or reading it was denied
    ADMINISTRATION = "administration"  # an administrative service changed something
    DEPLOYMENT = "deployment"  # changed files of services were loaded
    COMMAND = "command"  # a command changed something without a server
    AUDIT = "audit"  # entries were lost, since the log could not be written


class AuditResult(Enum):
    """What came of it."""

    GRANTED = "granted"
    REFUSED = "refused"
    DENIED = "denied"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # whoever asked went away, or the server ended, before it was done


class Audit(Protocol):
    """Takes entries, in order."""

    def note(
        self, event: AuditEvent, result: AuditResult, *, who: str, address: str = "", cid: str = "", **facts: object
    ) -> None:
        """Take an entry; never waits and never fails.

        Args:
            event: What it is about.
            result: What came of it.
            who: The user or security definition; on the admin socket the user of this machine.
            address: Where they are.
            cid: The correlation id of the request, where it was one.
            **facts: What else there is to know, without secrets.
        """
        ...


class _NoAudit:
    def note(self, event: AuditEvent, result: AuditResult, **facts: object) -> None:
        """Forget it."""


NO_AUDIT: Audit = _NoAudit()
"""For whoever has no audit log."""
