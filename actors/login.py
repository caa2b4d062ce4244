"""How an outgoing connection logs in: it says hello and waits for the session."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from attrs import frozen

from actors.errors import DialFailed, LinkClosed
from actors.messages import Denied, Failure, Hello, Message, Welcome
from actors.ports import Entropy, Link
from actors.settings import OutgoingSettings

__all__ = ["LinkIdentity", "create_session", "hello_of"]


@frozen
class LinkIdentity:
    """Who dials: the cluster, its server and this process of it."""

    cluster: str
    server: str
    incarnation: str


def hello_of(
    settings: OutgoingSettings, connection: str, identity: LinkIdentity, entropy: Entropy, *, counter: int
) -> Hello:
    """Return what a connection says first over its next link.

    Raises:
        DialFailed: When the password cannot be read.
    """
    try:
        secret = None if settings.password is None else settings.password.reveal()
    except (OSError, LookupError) as error:
        part = "session"
        raise DialFailed(part, f"the password cannot be read: {error}") from None
    return Hello(
        id=entropy.hex_id(),
        username=settings.username,
        secret=secret,
        client_id=f"wsx.out.{entropy.hex_id()[:16]}",
        client_name=f"WSX outconn - {connection}",
        cluster=identity.cluster,
        connection=connection,
        server=identity.server,
        incarnation=identity.incarnation,
        counter=counter,
    )


async def create_session(
    link: Link, hello: Hello, *, address: str, timeout: float
) -> tuple[Welcome, Sequence[Message]]:
    """Create a session over a fresh link; return the peer's welcome, and what it sent right after that.

    Raises:
        DialFailed: With part `session` and the peer's reason, or `upgrade` where the link ended or no answer came.
    """
    try:
        with trio.fail_after(timeout):
            await link.send(hello)
            while True:
                messages = await link.receive()
                for place, message in enumerate(messages, start=1):
                    if isinstance(message, Welcome):
                        return message, messages[place:]
                    if isinstance(message, Denied | Failure):
                        raise _denied(message, hello, address)
    except LinkClosed as error:
        part = "upgrade"
        raise DialFailed(part, f"{address}: the link ended before the session existed: {error}") from None
    except trio.TooSlowError:
        part = "upgrade"
        raise DialFailed(part, f"{address}: no answer to create-session within {timeout:g} s") from None


def _denied(message: Denied | Failure, hello: Hello, address: str) -> DialFailed:
    reason = message.reason if isinstance(message, Denied) else message.message
    user = f" for user {hello.username!r}" if hello.username else ""
    hint = "" if reason.startswith("identity in use") else "; check username and password on both sides"
    part = "session"
    return DialFailed(part, f"{address} denied the session{user}: {reason!r}{hint}")
