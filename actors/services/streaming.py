"""How a service iterates over what another one of its cluster yields: `self.stream`."""

from __future__ import annotations

from typing import Any

import trio

from actors.envelope import Envelope, ReplySlot
from actors.errors import ActorError, CallError, InvokeTimeout, IsthmusError
from actors.services.call import StreamCall
from actors.services.invoking import ServiceName, input_of, service_name
from actors.services.reach import LOCAL_TIMEOUT, Reach, not_taken
from actors.streams.inlet import Inlet
from actors.streams.opening import open_stream
from actors.streams.outlet import LocalOutlet
from actors.streams.stream import Stream

__all__ = ["Streaming"]

INFINITE = float("inf")


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
        return _local_stream(self.reach, target, input_of(payload, elements), timeout, total_timeout)


def _local_stream(reach: Reach, name: str, data: Any, timeout: float, total_timeout: float) -> Stream:
    """Return the stream of a service of this cluster."""

    def send(inlet: Inlet, slot: ReplySlot, deadline: float) -> None:
        call = StreamCall(data, outlet=LocalOutlet(inlet))
        try:
            reach.ref("service", name).send_nowait(
                Envelope(call, reach.position()[0], deadline, slot, sent_at=trio.current_time())
            )
        except ActorError as error:
            raise not_taken(error, name) from None

    def late(wait: float) -> CallError:
        return InvokeTimeout(f"service {name!r} gave no further item within {wait:g} s")

    return open_stream(reach, send, late, timeout, total_timeout)
