"""How an outgoing connection logs in: it says hello and waits for the session, or names itself in the upgrade.

Secrets are read at each login, so that a rotated one is taken up.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

import trio
from attrs import frozen

from actors.errors import DialFailed, LinkClosed
from actors.messages import FEATURES, CreditLimit, Denied, Failure, Hello, Message, Welcome
from actors.ports import Entropy, Link
from actors.secret import Secret
from actors.settings import OutgoingSettings, Remote

__all__ = ["LinkIdentity", "create_session", "hello_of", "is_header_value", "revealed", "upgrade_headers"]


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
    secret = None if settings.password is None else revealed(settings.password, "the password", "session")
    return Hello(
        id=entropy.hex_id(),
        username=settings.username,
        secret=secret,
        client_id=f"wsx.out.{entropy.hex_id()[:16]}",
        client_name=f"WSX outconn - {connection}",
        attrs=settings.attrs,
        cluster=identity.cluster,
        connection=connection,
        server=identity.server,
        incarnation=identity.incarnation,
        counter=counter,
        features=list(FEATURES),
        requests=CreditLimit(settings.max_in_flight, settings.max_bytes_in_flight),
        deliveries=CreditLimit(settings.max_deliveries_in_flight, settings.max_delivery_bytes_in_flight),
    )


def upgrade_headers(settings: OutgoingSettings) -> list[tuple[bytes, bytes]]:
    """Return the headers that the upgrade bears beside its own; see RFC 7617 and RFC 6750.

    A cluster learns user name and password from the session request, any other server from these.

    Raises:
        DialFailed: When a secret cannot be read, or cannot be said in a header.
    """
    part = "upgrade"
    headers = {
        name: revealed(value, f"the header {name}", part) if isinstance(value, Secret) else value
        for name, value in settings.headers.items()
    }
    if settings.bearer_token is not None:
        headers["Authorization"] = f"Bearer {revealed(settings.bearer_token, 'the bearer_token', part)}"
    elif settings.remote is Remote.WEBSOCKET and settings.username is not None and settings.password is not None:
        credentials = f"{settings.username}:{revealed(settings.password, 'the password', part)}"
        headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
    for name, value in headers.items():
        if not is_header_value(value):
            raise DialFailed(part, f"what is set of the header {name} cannot be sent in a header", is_denied=True)
    return [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]


def is_header_value(text: str) -> bool:
    """Tell whether a header can say a text; see RFC 9110, section 5.5."""
    is_trimmed = text == text.strip(" \t")
    return is_trimmed and all(one == "\t" or (" " <= one <= "\xff" and one != "\x7f") for one in text)


def revealed(secret: Secret, what: str, part: str) -> str:
    """Return a secret's value; raise `DialFailed` with that part where it cannot be read."""
    try:
        return secret.reveal()
    except (OSError, LookupError, UnicodeDecodeError) as error:
        raise DialFailed(part, f"{what} cannot be read: {error}", is_denied=True) from None


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
