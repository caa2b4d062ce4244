"""How a service iterates over what another yields: `self.stream` within the cluster, `client.stream` over a link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actors.envelope import Envelope, ReplySlot
from actors.errors import (
    ActorError,
    ActorNotFound,
    BadInput,
    CallError,
    InvokeTimeout,
    IsthmusError,
    LinkDown,
    MailboxFull,
    Overloaded,
)
from actors.services.call import Origin, RemoteStream, StreamCall
from actors.services.invoking import ServiceName, input_of, service_name
from actors.services.reach import LOCAL_TIMEOUT, Reach, not_taken
from actors.streams.inlet import Inlet
from actors.streams.outlet import LocalOutlet
from actors.streams.stream import Opening, Stream

__all__ = ["Streaming", "local_stream", "remote_stream"]

INFINITE = float("inf")

Send = Callable[[Inlet, ReplySlot, float], None]
Late = Callable[[float], CallError]


class Streaming:
    """The part of a service that iterates over others."""

    actor: str
    reach: Reach

    def stream(
        self,
        name: ServiceName,
        payload: Any = None,
        *,
        timeout: float = LOCAL_TIMEOUT,
        total_timeout: float = INFINITE,
        **elements: Any,
    ) -> Stream:
        """Iterate over what another service of this cluster yields: `async for item in self.stream(name, data)`.

        In a blocking service `for item in self.stream(name, data)`. The service runs only as far ahead as there is
        credit for; leaving the loop cancels it. Nothing begins before the first item is asked for.

        Args:
            name: Its name or class; its `handle` is an async generator.
            payload: Its input.
            timeout: Seconds to wait for each item.
            total_timeout: Seconds for all of them; never more than this invocation has left.
            **elements: Its input by elements, instead of `payload`.

        Raises:
            BadInput: When the name is none, or the input is given twice.
            IsthmusError: When it is this service itself.
        """
        target = service_name(name)
        if target == self.actor:
            msg = f"service {target!r} may not stream from itself: it could wait for itself for ever"
            raise IsthmusError(msg)
        return local_stream(self.reach, target, input_of(payload, elements), timeout, total_timeout)


def _checked(timeout: float) -> float:
    if timeout <= 0:
        msg = f"timeout: expected more than 0 seconds, got {timeout!r}"
        raise BadInput(msg)
    return timeout


def local_stream(reach: Reach, name: str, data: Any, timeout: float, total_timeout: float) -> Stream:
    """Return the stream of a service of this cluster."""

    def send(inlet: Inlet, slot: ReplySlot, deadline: float) -> None:
        call = StreamCall(data, origin=Origin(), outlet=LocalOutlet(inlet))
        try:
            reach.ref("service", name).send_nowait(
                Envelope(call, cid=reach.position()[0], deadline=deadline, reply=slot)
            )
        except ActorError as error:
            raise not_taken(error, name) from None

    def late(wait: float) -> CallError:
        return InvokeTimeout(f"service {name!r} gave no further item within {wait:g} s")

    return _stream(reach, send, late, timeout, total_timeout)


def remote_stream(
    reach: Reach, connection: str, message: object, request: object, timeout: float, total_timeout: float
) -> Stream:
    """Return the stream of a service at the other end of an outgoing connection; see `Client.stream`."""
    data = {"service": message, "request": request} if isinstance(message, str) else message
    call: RemoteStream | None = None

    def send(inlet: Inlet, slot: ReplySlot, deadline: float) -> None:
        nonlocal call
        call = RemoteStream(data, inlet=inlet)
        try:
            reach.ref("outgoing", connection).send_nowait(
                Envelope(call, cid=reach.position()[0], deadline=deadline, reply=slot)
            )
        except ActorNotFound:
            msg = f"there is no outgoing connection {connection!r}"
            raise LinkDown(msg) from None
        except MailboxFull:
            msg = f"too many calls wait for the connection {connection!r}"
            raise Overloaded(msg) from None
        except ActorError as error:
            msg = f"{connection!r}: never sent: {error}"
            raise LinkDown(msg) from None

    def late(wait: float) -> CallError:
        if call is None or call.was_sent:
            return InvokeTimeout(f"{connection!r}: no further item within {wait:g} s")
        last_error = call.last_error or "none"
        return LinkDown(f"{connection!r}: {call.obstacle} within {wait:g} s; last error: {last_error}")

    return _stream(reach, send, late, timeout, total_timeout)


def _stream(reach: Reach, send: Send, late: Late, timeout: float, total_timeout: float) -> Stream:
    return Stream(
        Opening(send, reach.threads, late, _checked(timeout), _checked(total_timeout), time_left=reach.time_left)
    )
