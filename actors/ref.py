"""Addressing actors by name.

Names are `KIND:NAME`, such as `service:demo.echo` or `topic:/customer/new`; `actor_name` makes them. A ref finds
the mailbox anew at each use, so it stays good over restarts and may be made before its actor exists.
"""

from __future__ import annotations

from collections.abc import Coroutine
from math import inf
from typing import Any, Protocol

import trio
from attrs import field, frozen

from actors.deadlines import deadlines
from actors.envelope import AwaitedReply, Envelope
from actors.errors import ActorNotFound, AskTimeout, MailboxFull
from actors.mailbox import Mailbox

__all__ = ["DEFAULT_TIMEOUT", "ActorRef", "Directory", "actor_name", "ask_mailbox", "mailbox_of"]

DEFAULT_TIMEOUT = 30.0
"""Seconds that `ask` and `tell` wait where nothing else is said."""


def actor_name(kind: str, name: str) -> str:
    """Return the name under which the registry knows an actor."""
    return f"{kind}:{name}"


class Directory(Protocol):
    """Finds mailboxes by name."""

    def find_mailbox(self, name: str) -> Mailbox | None:
        """Return the mailbox of the actor of that name, or None."""
        ...

    def names(self, kind: str) -> list[str]:
        """Return the names, without the kind, of all actors of a kind."""
        ...


def mailbox_of(directory: Directory, name: str) -> Mailbox:
    """Return the mailbox of the actor of that name, or raise `ActorNotFound`."""
    mailbox = directory.find_mailbox(name)
    if mailbox is None:
        msg = f"there is no actor {name!r}"
        raise ActorNotFound(msg)
    return mailbox


@frozen
class ActorRef:
    """An actor, by name."""

    name: str
    _directory: Directory = field(repr=False, eq=False)

    def mailbox(self) -> Mailbox:
        """Return the mailbox of the moment, or raise `ActorNotFound`."""
        return mailbox_of(self._directory, self.name)

    def tell_nowait(self, payload: object, *, cid: str = "", size: int = 0) -> None:
        """Send without waiting and without an answer.

        Raises:
            ActorNotFound: When there is no such actor.
            ActorStopped: When it has been stopped.
            MailboxFull: When its mailbox has no room.
        """
        self.mailbox().put_nowait(Envelope(payload, cid=cid, size=size))

    async def tell(self, payload: object, *, timeout: float = DEFAULT_TIMEOUT, cid: str = "") -> None:
        """Send without an answer, waiting at most `timeout` seconds for room, then raise `MailboxFull`."""
        mailbox, envelope = self.mailbox(), Envelope(payload, cid)
        if mailbox.put_if_room(envelope):
            return
        with trio.move_on_after(timeout):
            await mailbox.put(envelope)
            return
        msg = f"the mailbox of {self.name!r} had no room for {timeout} s"
        raise MailboxFull(msg)

    def ask(
        self,
        payload: object,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        cid: str = "",
        wait_for_room: bool = True,
    ) -> Coroutine[Any, Any, Any]:
        """Send and wait for the answer, at most `timeout` seconds in all; see `ask_mailbox`.

        Raises:
            ActorNotFound: When there is no such actor.
        """
        return ask_mailbox(self.mailbox(), self.name, payload, timeout, cid=cid, wait_for_room=wait_for_room)

    def send_nowait(self, envelope: Envelope) -> None:
        """Send an envelope whose reply slot the sender watches itself; raises as `tell_nowait` does."""
        self.mailbox().put_nowait(envelope)


async def ask_mailbox(
    mailbox: Mailbox,
    name: str,
    payload: object,
    timeout: float,
    *,
    latest: float = inf,
    cid: str = "",
    wait_for_room: bool = True,
) -> Any:
    """Send to a mailbox and wait for the answer, at most `timeout` seconds in all, and not beyond a point in time.

    Cancellation and the time-out tell the actor that nobody waits, which cancels a service's handler.

    Args:
        mailbox: The actor's.
        name: The actor's name, for errors.
        payload: What is sent.
        timeout: Seconds.
        latest: Until when at most, in Trio's time.
        cid: The correlation id.
        wait_for_room: Whether to wait where the mailbox is full.

    Raises:
        AskTimeout: When there was no answer in time.
        MailboxFull: When there was no room and `wait_for_room` is false.
        ActorError: When the actor crashed over the message or was stopped.
        Exception: What the actor failed the message with.
    """
    timers = deadlines()
    slot, now = AwaitedReply(timers), timers.now()
    deadline = min(now + timeout, latest)
    envelope = Envelope(payload, cid, deadline, slot, sent_at=now)
    try:
        if not wait_for_room:
            mailbox.put_nowait(envelope)
        elif not mailbox.put_if_room(envelope):
            with trio.move_on_at(deadline):
                await mailbox.put(envelope)
        return await slot.wait(deadline, max(0.0, deadline - now))
    except AskTimeout as error:
        if slot.is_late:
            msg = f"{name!r} gave {error}"
            raise AskTimeout(msg) from None
        raise
    finally:
        slot.abandon()
