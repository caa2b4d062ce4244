"""What a caller is told whose call an outgoing connection did not take, or that got no answer in time."""

from __future__ import annotations

from actors.errors import ActorError, ActorNotFound, CallError, InvokeTimeout, LinkDown, MailboxFull, Overloaded
from actors.mailbox import Mailbox
from actors.services.call import RemoteCall

__all__ = ["not_carried", "too_late"]


def not_carried(error: ActorError, connection: str) -> CallError:
    """Return the error of a call that the connection's mailbox did not take, or gave back unsent."""
    if isinstance(error, ActorNotFound):
        return LinkDown(f"there is no outgoing connection {connection!r}")
    if isinstance(error, MailboxFull):
        return Overloaded(f"too many calls wait for the connection {connection!r}")
    return LinkDown(f"{connection!r}: never sent: {error}")


def too_late(call: RemoteCall, connection: str, mailbox: Mailbox, missing: str, wait: float) -> CallError:
    """Return the error of a call whose time is over: without what is missing, or without ever having been sent."""
    if call.was_sent:
        return InvokeTimeout(f"{connection!r}: {missing} within {wait:g} s")
    return LinkDown(f"{connection!r}: never sent: {mailbox.obstacle(wait)}")
