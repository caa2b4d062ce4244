"""Opening a stream over an outgoing connection, and what opening any stream needs of whoever opens it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from actors.connections.unanswered import not_carried, too_late
from actors.envelope import Envelope, ReplySlot
from actors.errors import (
    ActorError,
    BadInput,
    CallError,
    InvokeTimeout,
)
from actors.mailbox import Mailbox
from actors.ports import Threads
from actors.ref import ActorRef
from actors.services.call import RemoteStream
from actors.streams.inlet import Inlet
from actors.streams.stream import Opening, Stream

__all__ = ["Way", "open_stream", "remote_stream"]


class Way(Protocol):
    """A service's way to the rest of its cluster, as far as streams need it."""

    @property
    def threads(self) -> Threads:
        """Blocking code, and its way back."""
        ...

    @property
    def position(self) -> Callable[[], tuple[str, float]]:
        """Gives the cid and the deadline of the invocation that asks."""
        ...

    def ref(self, kind: str, name: str) -> ActorRef:
        """Return a reference to an actor."""
        ...

    def trace(self) -> str:
        """Return the traceparent of what is under way here; empty where nobody traces it."""
        ...

    def time_left(self, timeout: float) -> float:
        """Return the time-out, or what is left of the invocation's own time where that is less."""
        ...


def open_stream(
    way: Way,
    send: Callable[[Inlet, ReplySlot, float], None],
    late: Callable[[float], CallError],
    timeout: float,
    total_timeout: float,
) -> Stream:
    """Return a stream that is opened at its first item; see `Opening`.

    Raises:
        BadInput: When a time-out gives no time.
    """
    for what, seconds in (("timeout", timeout), ("total_timeout", total_timeout)):
        if seconds <= 0:
            msg = f"{what}: expected more than 0 seconds, got {seconds!r}"
            raise BadInput(msg)
    return Stream(Opening(send, way.threads, late, timeout, total_timeout, way.time_left))


def remote_stream(
    way: Way, connection: str, message: object, request: object, timeout: float, total_timeout: float
) -> Stream:
    """Return the stream of a service at the other end of an outgoing connection; see `Client.stream`."""
    data = {"service": message, "request": request} if isinstance(message, str) else message
    call: RemoteStream | None = None
    mailbox: Mailbox | None = None

    def send(inlet: Inlet, slot: ReplySlot, deadline: float) -> None:
        nonlocal call, mailbox
        call = RemoteStream(data, trace=way.trace(), inlet=inlet)
        envelope = Envelope(call, cid=way.position()[0], deadline=deadline, reply=slot)
        try:
            mailbox = way.ref("outgoing", connection).mailbox()
            mailbox.put_nowait(envelope)
        except ActorError as error:
            raise not_carried(error, connection) from None

    def late(wait: float) -> CallError:
        if call is None or mailbox is None:
            return InvokeTimeout(f"{connection!r}: no further item within {wait:g} s")
        return too_late(call, connection, mailbox, "no further item", wait)

    return open_stream(way, send, late, timeout, total_timeout)
