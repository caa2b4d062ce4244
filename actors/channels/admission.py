"""What sessions and their channel say to each other about who is let in, and who has to leave."""

from __future__ import annotations

from attrs import frozen

from actors.audit import Audit, AuditEvent, AuditResult
from actors.channels.credentials import Presented
from actors.messages import CreditLimit, Hello, Welcome
from actors.services.call import Caller, PeerIdentity, who_calls

__all__ = ["Admit", "Admitted", "CloseSession", "ListSubscriptions", "Older", "Probe", "Renew", "note_refusal"]


@frozen
class Admit:
    """May this peer have a session?

    Args:
        newcomer: What the session that asks knows of it.
        hello: What the peer said.
        wire: The format of its link.
        presented: What it showed when it connected.
        replaces: An older session of the same peer that was found not to answer.
    """

    newcomer: Caller
    hello: Hello
    wire: str
    presented: Presented
    replaces: str = ""


@frozen
class Admitted:
    """It may: who it is, what to tell it, and how many requests it takes at once where it says so."""

    caller: Caller
    welcome: Welcome
    requests: CreditLimit | None = None


@frozen
class Older:
    """Another process has a session under the same identity; it stays if its peer is alive."""

    session: str


@frozen
class Probe:
    """From the session of a newcomer with the same identity: is your peer alive?"""


@frozen
class CloseSession:
    """An order to end a session's link, with the code and reason that the peer is told."""

    code: int
    reason: str


@frozen
class Renew:
    """A peer asks anew for the session that it has; the answer is its `Welcome`."""

    hello: Hello
    caller: Caller
    presented: Presented


@frozen
class ListSubscriptions:
    """From a service to the channel of its caller: which subscriptions has this identity? Answered with records."""

    identity: PeerIdentity


def note_refusal(audit: Audit, peer: Caller, reason: str, hello: Hello | None) -> None:
    """Note in the audit log that a peer, which may have said nothing at all, got no session."""
    username, cid = ("", "") if hello is None else (hello.username or "", hello.id)
    audit.note(AuditEvent.LOG_IN, AuditResult.REFUSED, cid=cid, reason=reason, **who_calls(peer) | {"who": username})
